"""What views are made of and what they report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from protocol.blobs import Blob

How = Literal["kept", "hardlink", "reflink", "symlink", "copy"]
"""How content came to be where a view wants it. Only a copy takes room again."""


@dataclass(frozen=True, slots=True)
class ViewFile:
    """A file of a snapshot: its path there, what is in it, and where the store has that."""

    path: str
    blob: Blob
    stored: Path


@dataclass(frozen=True, slots=True)
class ViewReport:
    """A finished view.

    `how`: number of files by how their content got there. `symlinks`: the links that lead into the store,
    to be registered there as roots (`Store.add_root`), or removing the content would break them.
    """

    folder: Path
    how: dict[How, int]
    symlinks: tuple[tuple[Blob, Path], ...]
