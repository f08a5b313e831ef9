"""Content as its publisher names it, and the files that it is in (docs/protocol.md, "Manifest")."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from protocol.chunks import Bytes, WrongBytes, chunk_count, chunk_length
from protocol.terms import Algorithm, BadManifest

DIGEST_LENGTHS: Final[dict[str, int]] = {"sha256": 32, "git-sha1": 20}

MAX_SIZE: Final = 1 << 53
"""Largest file: what JSON of any hub can say exactly."""


@dataclass(frozen=True, slots=True, order=True)
class Blob:
    """Content as its publisher names it: algorithm, digest (raw bytes), size in bytes.

    `git-sha1` is the git blob id, SHA-1 over "blob <size>\\0" and the content.
    """

    algorithm: Algorithm
    digest: bytes
    size: int

    def __post_init__(self) -> None:
        if DIGEST_LENGTHS.get(self.algorithm) != len(self.digest):
            raise BadManifest(f"no digest of kind {self.algorithm!r} has {len(self.digest)} bytes")
        if type(self.size) is not int or not 0 <= self.size <= MAX_SIZE:
            raise BadManifest(f"no file has {self.size} bytes")

    @property
    def chunk_length(self) -> int:
        return chunk_length(self.size)

    @property
    def chunk_count(self) -> int:
        return chunk_count(self.size)

    def span(self, index: int) -> tuple[int, int]:
        """(offset, length) in bytes of this blob's chunk number `index`."""
        length = chunk_length(self.size)
        offset = index * length
        if not 0 <= offset < self.size:
            raise IndexError(index)
        return offset, min(length, self.size - offset)

    def hasher(self) -> hashlib._Hash:
        """A hash object to feed the whole content to; its digest must equal `digest`."""
        if self.algorithm == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)

    def check(self, data: Bytes) -> None:
        """Raise WrongBytes unless `data` is the whole content."""
        hasher = self.hasher()
        hasher.update(data)
        if memoryview(data).nbytes != self.size or hasher.digest() != self.digest:
            raise WrongBytes(f"not the content the publisher calls {self}")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a snapshot: its path (checked by `check_path`) and what is in it."""

    path: str
    blob: Blob
