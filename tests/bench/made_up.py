"""A model of very many chunks that takes no room: sparse files under digests nobody computed.

It serves to measure what is done with a model that is here already. That must not read its content, so
nothing notices; whatever does read it finds that it is not what it is called.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from protocol.chunks import chunk_count
from protocol.ids import ID_LENGTH
from protocol.limits import GIB
from swarm.cli.demo_repo import Content, Repository
from swarm.store.layout import StoreLayout
from swarm.store.schema import Database

FILE_SIZE: Final = 1 * GIB - 1
"""The largest with the shortest chunks."""

READ_ONLY: Final = 0o444


@dataclass(frozen=True)
class Model:
    """`folder` holds the sparse files; they are named by their made-up SHA-256."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, chunks: int) -> Self:
        """At least so many chunks."""
        folder.mkdir()
        source = random.Random(chunks)
        for _ in range(-(-chunks // chunk_count(FILE_SIZE))):
            path = folder / source.randbytes(32).hex()
            path.touch(READ_ONLY)
            os.truncate(path, FILE_SIZE)
        return cls(folder)

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())

    def repository(self) -> Repository:
        """The model as a hub offers it, under the name "bench/made-up"."""
        contents = {f"{path.name}.safetensors": Content(path, lfs=True) for path in self.files}
        for name, content in contents.items():
            content.sha256 = name.removesuffix(".safetensors")
        repository = Repository("bench/made-up", {})
        (commit,) = repository.commits
        repository.commits[commit] = contents
        return repository

    def put_into(self, home: Path) -> None:
        """Make the store of a node that has never run, with all of this in it."""
        layout = StoreLayout(home / "store")
        layout.create()
        database = Database(layout.index)
        try:
            for path in self.files:
                self._enter(layout, database, path)
        finally:
            database.close()

    def _enter(self, layout: StoreLayout, database: Database, path: Path) -> None:
        digest = bytes.fromhex(path.name)
        place = Path(layout.blob("sha256", digest))
        place.parent.mkdir(parents=True)
        os.link(path, place)
        packed = random.Random(path.name).randbytes(ID_LENGTH * chunk_count(FILE_SIZE))
        with database.transaction() as cursor:
            cursor.execute(
                "INSERT INTO blob (digest, size, stamp, boot, digests) VALUES (?, ?, ?, '', ?)",
                (digest, FILE_SIZE, place.stat().st_mtime_ns, packed),
            )
