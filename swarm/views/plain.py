"""The files of a snapshot in a folder the user named (`--to DIR`), as in the repository."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from protocol.paths import check_paths
from swarm.views.faults import view_faults
from swarm.views.links import FOLDER_ORDER, place
from swarm.views.values import How, ViewFile, ViewReport


def build(folder: Path, files: Sequence[ViewFile]) -> ViewReport:
    """Put each file at its path under `folder`, replacing what is there under the same name.

    Other files there stay. Raises StoreError; what was placed by then stays.
    """
    check_paths(file.path for file in files)
    how: Counter[How] = Counter()
    with view_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            how[place(file, folder / file.path, FOLDER_ORDER, folder)] += 1
    return ViewReport(folder, dict(how), ())
