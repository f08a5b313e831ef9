"""What happens to a transfer (events in) and what it should do about it (commands out).

Sets of chunks are `bits`: non-negative ints whose bit i stands for chunk number i, so that "what this
peer has and I lack" is one `&`. Times are seconds of one monotonic clock. A source is the node id of
a peer, or UPSTREAM for whatever upstreams there are (which of them is not the scheduler's business).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.ids import NodeId

UPSTREAM: Final = NodeId(b"")
"""Stands for all upstreams together where a node id stands for a peer."""


# --- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeerJoined:
    """A peer takes part, or says anew how: does it want chunks, could it be the origin."""

    peer: NodeId
    wants: bool
    can_fetch: bool


@dataclass(frozen=True, slots=True)
class PeerLeft:
    """The link is gone or the peer left the topic; what was asked of it will not come."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class PeerCompany:
    """Those who take part with this peer and want chunks, sorted by id: who shares its uplink."""

    peer: NodeId
    nodes: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class PeerHas:
    peer: NodeId
    bits: int


@dataclass(frozen=True, slots=True)
class PeerLost:
    peer: NodeId
    bits: int


@dataclass(frozen=True, slots=True)
class PeerLease:
    """A peer says it holds the origin's lease (with its count of bytes fetched so far) or gave it up.

    holder: who it is about when the peer only passes it on; that one said it `age` seconds ago.
    """

    peer: NodeId
    held: bool
    fetched: int
    holder: NodeId | None = None
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class PeerFetching:
    """The origin is about to fetch these from upstream. holder: who, when the peer only passes it on."""

    peer: NodeId
    bits: int
    holder: NodeId | None = None


@dataclass(frozen=True, slots=True)
class PeerSeed:
    """A peer says of another node, or was told `age` seconds ago, that it has these and wants nothing."""

    peer: NodeId
    seed: NodeId
    bits: int
    age: float


@dataclass(frozen=True, slots=True)
class PeerElsewhere:
    """A peer does not send these chunks, which were ordered from it, as others that it sends them to can."""

    peer: NodeId
    bits: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """The user wants these chunks too."""

    bits: int


@dataclass(frozen=True, slots=True)
class Vouched:
    """These chunks can be checked on arrival from a peer: their digest is known, or they need none."""

    bits: int


@dataclass(frozen=True, slots=True)
class Doubted:
    """These chunks' digests are known no more: who vouched for them was found lying."""

    bits: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A chunk came from this source, was verified and stored."""

    chunk: int
    source: NodeId


@dataclass(frozen=True, slots=True)
class OrderFailed:
    """The rest of what was ordered from this source will not come (refused, failed, or sent wrong).

    lasting: the source is to be left alone for a while (DISTRUST_SECONDS). absent: it says that it does not
    have these.
    """

    order: int
    source: NodeId
    bits: int
    lasting: bool
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Discarded:
    """Stored chunks that the publisher's digest proved wrong: missing again."""

    bits: int


@dataclass(frozen=True, slots=True)
class Upstream:
    """Whether this node may and can go upstream (not --offline, endpoints answer)."""

    usable: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """The time of the last WakeAt has come."""


Event = (
    PeerJoined
    | PeerLeft
    | PeerCompany
    | PeerHas
    | PeerLost
    | PeerLease
    | PeerFetching
    | PeerSeed
    | PeerElsewhere
    | Wanted
    | Vouched
    | Doubted
    | Stored
    | OrderFailed
    | Discarded
    | Upstream
    | Tick
)


# --- commands -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fetch:
    """Order these chunks, in this order, from this source. `order` is a number never used before."""

    order: int
    source: NodeId
    chunks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Call these chunks of an order off; no OrderFailed is owed for them. All of them: end the order."""

    order: int
    bits: int


@dataclass(frozen=True, slots=True)
class AskClaims:
    """Ask this peer for the digests of these chunks."""

    peer: NodeId
    bits: int


@dataclass(frozen=True, slots=True)
class SayLease:
    """Tell all peers that this node takes, still holds, or gives up the lease."""

    held: bool
    fetched: int


@dataclass(frozen=True, slots=True)
class SayFetching:
    """Tell all peers what is about to be fetched from upstream; comes before the Fetch."""

    bits: int


@dataclass(frozen=True, slots=True)
class PassLease:
    """Tell these peers what another node said of the lease `age` seconds ago."""

    holder: NodeId
    held: bool
    fetched: int
    age: float
    to: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class PassFetching:
    """Tell these peers what another node is about to fetch from upstream."""

    holder: NodeId
    bits: int
    to: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class PassSeed:
    """Tell these peers that another node has these and wants nothing, as was said `age` seconds ago."""

    seed: NodeId
    bits: int
    age: float
    to: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a Tick at this time; replaces the WakeAt before."""

    time: float


@dataclass(frozen=True, slots=True)
class Complete:
    """Every wanted chunk is stored."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """For NO_SOURCE_SECONDS nobody had any of the missing chunks and nobody could fetch them."""

    bits: int


Command = (
    Fetch
    | Cancel
    | AskClaims
    | SayLease
    | SayFetching
    | PassLease
    | PassFetching
    | PassSeed
    | WakeAt
    | Complete
    | Stuck
)
