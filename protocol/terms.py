"""The words that manifests are made of: closed sets, known to whoever asks for a model.

Apart from what checks a manifest, so that a command need not load that to name a repository.
"""

from __future__ import annotations

from typing import Final, Literal

Algorithm = Literal["sha256", "git-sha1"]
RepoType = Literal["model", "dataset", "space"]

REPO_TYPES: Final = ("model", "dataset", "space")


class BadManifest(ValueError):
    """The description of a snapshot breaks a rule; the message names the rule and the file."""
