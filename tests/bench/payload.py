"""Data to send: files nobody can compress, the same in every run."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from tests.bench.bench import MIB
from tests.bench.nodes import REPO

SMALL: Final = (4 * 1024, 16 * 1024)
"""Least and most bytes of a small file."""

PER_FOLDER: Final = 1000
"""Small files a folder, as datasets are laid out."""


def model(root: Path, mib: int, repo: str = REPO) -> Path:
    """A repository folder below `root` with one large file and a small one; returns the large one."""
    folder = root / repo
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    source = random.Random(f"{repo} {mib}")
    with (folder / "model.bin").open("wb") as file:
        for _ in range(mib):
            file.write(source.randbytes(MIB))
    return folder / "model.bin"


def dataset(root: Path, files: int, name: str = "small") -> Path:
    """A dataset's folder below `root` with many small files."""
    folder = root / "datasets" / "bench" / name
    source = random.Random(files)
    for number in range(files):
        path = folder / f"{number // PER_FOLDER:03}" / f"{number:06}.json"
        if number % PER_FOLDER == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(source.randbytes(source.randint(*SMALL)))
    return folder


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
