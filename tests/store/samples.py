"""Content for store tests: blobs with bytes made from a seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from protocol.chunks import Chunk
from protocol.ids import NodeId
from protocol.manifest import Algorithm, Blob, File, Snapshot
from swarm.sources.interface import Source
from swarm.store import Store

HUB = Source("upstream", "https://hub.example")
PEER = Source("peer", "peerone")
VOUCHER = NodeId(bytes(range(32)))


@dataclass(frozen=True, repr=False)
class Sample:
    """A blob and all its bytes."""

    blob: Blob
    data: bytes

    def __repr__(self) -> str:
        return f"<{self.blob.algorithm} of {self.blob.size} bytes>"

    def part(self, index: int) -> bytes:
        """The bytes of chunk `index`."""
        offset, length = self.blob.span(index)
        return self.data[offset : offset + length]

    def chunk(self, index: int) -> Chunk:
        return Chunk.named(self.part(index))

    @property
    def indexes(self) -> range:
        return range(self.blob.chunk_count)


def sample(size: int, seed: int = 0, algorithm: Algorithm = "sha256") -> Sample:
    """`size` bytes that depend on the seed alone."""
    return named(Random(seed).randbytes(size), algorithm)


def named(data: bytes, algorithm: Algorithm = "sha256") -> Sample:
    if algorithm == "sha256":
        digest = hashlib.sha256(data).digest()
    else:
        digest = hashlib.sha1(b"blob %d\0" % len(data) + data).digest()
    return Sample(Blob(algorithm, digest, len(data)), data)


def snapshot_of(
    files: dict[str, Sample],
    *,
    repo: str = "org/model",
    commit: str = "c" * 40,
    repo_type: Literal["model", "dataset", "space"] = "model",
) -> Snapshot:
    entries = tuple(File(path, content.blob) for path, content in files.items())
    return Snapshot("hf", repo_type, repo, commit, entries)


BIG = sample(900_000)
"""Four chunks, the last one shorter."""
SMALL = sample(1000, seed=1, algorithm="git-sha1")
EMPTY = named(b"", "git-sha1")


async def fill(store: Store, content: Sample, source: Source = HUB) -> None:
    for index in content.indexes:
        await store.put(content.blob, index, content.chunk(index), source, None)


async def complete(store: Store, content: Sample) -> Path:
    await fill(store, content)
    return await store.commit(content.blob)
