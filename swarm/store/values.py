"""What the store tells its callers: plain values, no handles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from protocol.chunks import Bytes, Chunk
from protocol.ids import ID_LENGTH, ChunkDigest, NodeId, SnapshotKey
from protocol.manifest import Blob, RepoType, Snapshot
from swarm.sources.interface import Source

NO_DIGEST = bytes(ID_LENGTH)
"""Stands for an unknown digest among packed ones; BLAKE3 of nothing known is all zeros."""


class Mismatch(Exception):
    """Content that is all there is not what its publisher calls it. `blobs` names each, `blob` the first."""

    def __init__(self, *blobs: Blob) -> None:
        super().__init__(f"not what the publisher calls {', '.join(map(str, blobs))}")
        self.blobs = blobs
        self.blob = blobs[0]


class ChunkReader(NamedTuple):
    """Reads one chunk, or a part of it; see `Store.reader`. `at_hand`: all of it, if it lies in memory."""

    read: Callable[[memoryview, int], Bytes | None]
    at_hand: Bytes | None = None

    def __call__(self, memory: memoryview, at: int = 0) -> Bytes | None:
        return self.read(memory, at)


class Vouched(NamedTuple):
    """A verified chunk, and who attested its digest: None when nobody had to."""

    chunk: Chunk
    voucher: NodeId | None


class Unverified(NamedTuple):
    """Bytes that are to be chunk `at` of a blob; `verify` makes one of them, or raises WrongBytes."""

    blob: Blob
    at: int
    verify: Callable[[], Vouched]


@dataclass(frozen=True, slots=True)
class Held:
    """What the store has of one blob.

    `bits`: bit i stands for the blob's own chunk i. `packed`: 32 bytes a chunk, zeros where unknown; kept
    packed because a snapshot has tens of thousands of digests and most callers want only `bits`.
    """

    complete: bool
    bits: int
    packed: bytes

    @property
    def digests(self) -> tuple[ChunkDigest | None, ...]:
        """The digest of each chunk that is held, None for the others."""
        return tuple(
            None if digest == NO_DIGEST else ChunkDigest(digest)
            for digest in (self.packed[at : at + ID_LENGTH] for at in range(0, len(self.packed), ID_LENGTH))
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot the store knows.

    `public`: anyone may have it without a token. `published`: its publisher's hub said what is in it, not
    only peers. `marked`: paths of the files that were reported complete and still are; `complete`: all
    of them. `seen_at`: when it was last remembered, seconds since the epoch.
    """

    snapshot: Snapshot
    public: bool
    published: bool
    revisions: tuple[str, ...]
    seen_at: float
    marked: frozenset[str]

    @property
    def complete(self) -> bool:
        return len(self.marked) == len(self.snapshot.files)


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of `swarm models`. `bytes` and `held` count content that several files share once.

    `private`: the repository was given with a token only.
    """

    key: SnapshotKey
    hub: str
    repo_type: RepoType
    repo: str
    commit: str
    revisions: tuple[str, ...]
    public: bool
    private: bool
    bytes: int
    held: int
    complete: bool
    seen_at: float


@dataclass(frozen=True, slots=True)
class Incident:
    """Something went wrong with bytes: who sent or kept them, what happened, where. `when`: epoch seconds."""

    when: float
    source: Source
    what: str
    blob: Blob | None = None
    chunk: int | None = None
