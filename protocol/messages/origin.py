"""Who fetches a topic from upstream, and what: said by the origin itself, or passed on. And who need not."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.ids import NodeId, SnapshotKey
from protocol.messages.checked import Checked, Ranges


@dataclass(frozen=True, slots=True)
class Lease(Checked):
    """The sender holds (or gives up) the right to fetch this topic from upstream.

    Sent on taking it and then once a second; `fetched` is the number of bytes had from upstream so far, for
    people. The lease holds while chunks that were announced (Fetching) turn up.
    """

    topic: SnapshotKey
    held: bool
    fetched: int


@dataclass(frozen=True, slots=True)
class Fetching(Checked):
    """The holder of the lease is about to fetch these chunks from upstream."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class LeaseHeard(Checked):
    """A Lease passed on: `holder` said this `age` milliseconds ago."""

    topic: SnapshotKey
    holder: NodeId
    held: bool
    fetched: int
    age: int


@dataclass(frozen=True, slots=True)
class FetchingHeard(Checked):
    """A Fetching passed on: `holder` is about to fetch these chunks from upstream."""

    topic: SnapshotKey
    holder: NodeId
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class SeedHeard(Checked):
    """`seed` has these chunks and wants none of this topic, as was said `age` milliseconds ago by one that
    is linked with it: they will come round, and need not be fetched from upstream.
    """

    topic: SnapshotKey
    seed: NodeId
    ranges: Ranges
    age: int
