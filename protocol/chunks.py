"""How a file is cut, and what a verified chunk is.

Two nodes must cut alike without talking, so a chunk's length is a function of the file's size alone.
A `Chunk` checks its bytes in the constructor: whoever holds one holds verified bytes.
"""

from __future__ import annotations

from typing import Final

from blake3 import blake3

from protocol.ids import ChunkDigest
from protocol.limits import GIB, KIB, MIB

Bytes = bytes | bytearray | memoryview

CHUNK_LENGTHS: Final = (
    (1 * GIB, 256 * KIB),
    (4 * GIB, 1 * MIB),
    (16 * GIB, 2 * MIB),
)
"""(size below which, chunk length): the tail of a relay stays near 1 % of the whole file."""

LARGEST_CHUNK: Final = 4 * MIB
"""For files of 16 GiB and more: 500 GB make at most 250,000 digests."""


class WrongBytes(ValueError):
    """The bytes are not the ones they were asked to be."""


def chunk_length(file_size: int) -> int:
    """Length in bytes of every chunk but the last of a file of this size."""
    for below, length in CHUNK_LENGTHS:
        if file_size < below:
            return length
    return LARGEST_CHUNK


def chunk_count(file_size: int) -> int:
    """Number of chunks of a file of this size; an empty file has none."""
    return -(-file_size // chunk_length(file_size))


class Chunk:
    """Bytes whose BLAKE3 digest is `digest`; raises WrongBytes when they have another.

    `data` is for reading. `memory` is the same as it came: it tells where the bytes lie.
    """

    __slots__ = ("data", "digest", "memory")

    def __init__(self, data: Bytes, digest: ChunkDigest) -> None:
        found = blake3(data).digest()
        if found != digest:
            raise WrongBytes(f"expected {digest.hex()[:16]}…, got {found.hex()[:16]}…")
        self._keep(data, digest)

    @classmethod
    def named(cls, data: Bytes) -> Chunk:
        """The chunk these bytes make, under their own name: what an origin does before it attests."""
        chunk = cls.__new__(cls)
        chunk._keep(data, ChunkDigest(blake3(data).digest()))
        return chunk

    def _keep(self, data: Bytes, digest: ChunkDigest) -> None:
        self.memory = memoryview(data)
        self.data = self.memory.toreadonly()
        self.digest = digest

    def __len__(self) -> int:
        return self.data.nbytes
