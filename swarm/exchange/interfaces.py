"""What the exchange asks of the rest of the node, and the values it hands out.

`Network` is how streams come about (TCP, or a simulated LAN in tests). `Catalog` and `Served` are what
this node can answer other nodes with; the exchange never sees a path or a file. `Gate` says who may link
with this node. `PeerMessage` and `PeerGone` are what a transfer hears from its topic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from protocol.chunks import Bytes
from protocol.handshake import PeerIdentity
from protocol.ids import ChunkDigest, NodeId, SnapshotKey
from protocol.manifest import Layout
from protocol.messages import (
    Absent,
    Claims,
    Company,
    Elsewhere,
    Fetching,
    FetchingHeard,
    Granted,
    Have,
    HaveMap,
    Join,
    Lease,
    LeaseHeard,
    Leave,
    Lost,
    Ranges,
    Redeem,
    Renew,
    SeedHeard,
)
from protocol.standing import Standing, Verdict
from swarm.sources.address import Address

Handler = Callable[[trio.abc.Stream, str | None], Awaitable[None]]
"""Called for each accepted stream with the remote host (None when unknown); closes the stream."""


class Network(Protocol):
    """Where streams to other nodes come from. Failures to connect or listen are OSError."""

    async def dial(self, address: Address) -> trio.abc.Stream:
        """A stream to this address. The caller bounds the time."""
        ...

    async def listen(
        self, port: int, hosts: Sequence[str] | None, handler: Handler, *, task_status: trio.TaskStatus[int]
    ) -> None:
        """Accept until cancelled; reports the port in use, which `port` 0 leaves to the system.

        `hosts`: the local addresses to listen on; None for those that only a LAN reaches, as they change.
        """
        ...


class Limiter(Protocol):
    """Anything with the `take` of `swarm.sources.rate.RateLimiter`."""

    async def take(self, amount: int, /) -> None:
        """Return when this many bytes may pass."""
        ...


class Reader(Protocol):
    """Reads one chunk, or a part of it."""

    @property
    def at_hand(self) -> Bytes | None:
        """All of it, if it lies in memory."""
        ...

    def __call__(self, memory: memoryview, at: int = 0, /) -> Bytes | None:
        """As many of its bytes as `memory` has, from `at` on, there or wherever they are by now; for workers.

        None when it is held no more, or with another digest. Raises SwarmError or OSError.
        """
        ...


class Served(Protocol):
    """One topic as this node can serve it: a live view, whose values may change between two reads."""

    def admits(self, standing: Standing, /) -> bool:
        """May a peer of this standing have it, by now?"""
        ...

    @property
    def layout(self) -> Layout: ...

    @property
    def wants(self) -> bool:
        """Are there chunks this node still lacks and wants?"""
        ...

    @property
    def can_fetch(self) -> bool:
        """Could this node be the origin?"""
        ...

    @property
    def have(self) -> int:
        """The chunks this node holds, as bits."""
        ...

    @property
    def manifest(self) -> bytes:
        """The encoded snapshot, whose BLAKE3 is the topic."""
        ...

    def claims(self, ranges: Ranges, /) -> Iterable[Claims]:
        """What is known, by signed word, of the digests of these chunks."""
        ...

    def reader(self, chunk: int, digest: ChunkDigest | None, /) -> Reader | None:
        """What reads the chunk's bytes; None when it is not held, or held with another digest."""
        ...


class Catalog(Protocol):
    """What this node offers to others: public snapshots only, unless a site's members share more.

    What is not on offer to a peer of this standing is not told from what is unknown, nor in less time.
    """

    async def open(self, topic: SnapshotKey, standing: Standing, /) -> Served | None:
        """The topic as it can be served now; None when it is unknown or not on offer."""
        ...

    async def lookup(
        self, hub: str, repo_type: str, repo: str, revision: str, standing: Standing, /
    ) -> tuple[SnapshotKey, str] | None:
        """The topic and commit of the snapshot with this name; None when it is unknown or not on offer."""
        ...


class Gate(Protocol):
    """Who may link with this node, and what members of its site tell one another (`protocol.standing`)."""

    @property
    def in_site(self) -> bool:
        """Does this node belong to a site?"""
        ...

    @property
    def grants(self) -> bool:
        """May this node let others into its site?"""
        ...

    def badge(self) -> bytes:
        """What to show of it in a handshake; empty for a node of no site."""
        ...

    def meet(self, peer: PeerIdentity, badge: bytes, /) -> Verdict:
        """How a peer stands to this node that shows this badge now."""
        ...

    def review(self, peer: PeerIdentity, badge: bytes, /) -> Verdict:
        """How a peer stands to this node by now that has shown this badge."""
        ...

    def lists(self) -> Sequence[bytes]:
        """Revocation lists, encoded, for members to know of."""
        ...

    def hear(self, revocation: bytes, /) -> bool:
        """A member passes on such a list: whether it is news. ValueError when it is none."""
        ...

    async def grant(self, peer: PeerIdentity, badge: bytes, question: Redeem | Renew, /) -> Granted:
        """The answer to a peer that wants to be let in, or to stay."""
        ...


TopicMessage = (
    Join
    | Absent
    | Leave
    | HaveMap
    | Have
    | Lost
    | Claims
    | Lease
    | Fetching
    | Company
    | LeaseHeard
    | FetchingHeard
    | SeedHeard
)
"""Control messages that concern who takes part in a topic and what each has."""


@dataclass(frozen=True, slots=True)
class PeerMessage:
    """A peer said this about the topic. `signer`: who vouches, for Claims, whose signature was checked."""

    peer: NodeId
    message: TopicMessage | Elsewhere
    signer: NodeId | None = None


@dataclass(frozen=True, slots=True)
class PeerGone:
    """The link to this peer is no more; should it come back, it begins with a Join."""

    peer: NodeId


TopicEvent = PeerMessage | PeerGone


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A peer with a proven link. `sent` and `received` are chunk bytes since this node started.

    `address` is where it can be dialled, None when it does not listen where it was seen; `via` is how
    it was found; `since` is the time, on the exchange's clock, at which the link came up; `standing` is
    whether it is a member of this node's site, or open: there for what is public.
    """

    node_id: NodeId
    address: Address | None
    via: str
    sent: int
    received: int
    since: float
    agent: str
    standing: Standing = "open"
