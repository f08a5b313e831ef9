"""Where the files of a `get` go: into the cache of the hub's own clients, or into the folder of `--to`.

Done here and not by the node, with the rights of the user who asked. The store has the content already,
so that this makes links where the disk allows it and copies where it does not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from protocol.manifest import Blob, File
from swarm.errors import StoreError, UsageError

if TYPE_CHECKING:
    from swarm.transfer.requests import GetResult, GotFile, ListedFile
    from swarm.views import ViewReport


@dataclass(frozen=True, slots=True)
class Place:
    """`to` None means the cache. UsageError when it cannot be a folder, before anything is fetched."""

    to: Path | None

    def __post_init__(self) -> None:
        if self.to is not None and self.to.exists() and not self.to.is_dir():
            raise UsageError(f"{self.to} is not a folder.", "Give --to a folder, or one that can be made.")

    def build(self, result: GetResult) -> ViewReport:
        """Lay the files out. StoreError when they cannot be written there."""
        try:
            return self._build(result)
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            raise StoreError(
                f"The files cannot be put in their place: {reason}.",
                "They are in the store; name another folder, by --to or HF_HUB_CACHE, and run it again.",
            ) from error

    def _build(self, result: GetResult) -> ViewReport:
        from swarm.views import ViewFile, hf, locate, plain

        files = [ViewFile(file.path, _blob(file), Path(file.stored)) for file in result.files]
        if self.to is not None:
            return plain.build(self.to, files)
        listing = [File(file.path, _blob(file)) for file in result.all_files]
        snapshot = hf.SnapshotId(result.repo_type, result.repo, result.commit)
        return hf.build(locate.hf_cache(os.environ), snapshot, files, result.ref, listing)


def _blob(file: GotFile | ListedFile) -> Blob:
    return Blob(file.algorithm, bytes.fromhex(file.digest), file.size)
