"""Which chunks to ask which peer for: own slice first, then the rarest.

A chunk that nobody relays yet, as only one peer or only peers that want nothing have it, is first relayed by
one node: chunks are dealt out in turn to the nodes that want them (sorted by id), so that each asks the
holders for a different part. What was dealt to the holder itself, or to a node that is late with its part, is
dealt out again to the rest. A late node thus costs the others its grace, which follows from how fast it took
its part so far. What even then nobody fetches (nodes may differ about who is late) is open to whoever has
nothing else to ask of the holder.

A seed's upload is what a fan-out lasts, so nothing may leave it twice, nor at the end go to few nodes that
must then hand it on to all. And who gets chunks about in their order can hash the file as it comes, and has
nothing left to read when the last one is there. So the parts advance together: who is HORIZON_ROUNDS ahead
helps whoever needs LEFT_SECONDS for as many, and begins with what the other would take last. While there is
an origin, chunks come one by one and this is moot.

While relays are busy they are asked for what few have, over and over: a chunk that two of them have might be
left to the very end, and all nodes would hash the file from there on then. What is so far behind the parts
that nobody relays yet is therefore asked of relays before anything that is not this node's own part.

A holder that still has such chunks, or that is the origin, spends its upload on them: what others have as
well is asked of the others, and of the origin only once it has been waiting.

All this holds where everybody is linked with everybody; for a peer that is linked with others see `partial`.

A policy gives sets of chunks, best first; how many of them are ordered is decided by who calls it.
`Picker` is what another policy has to offer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from protocol.bits import everything, lowest, minus, periodic
from protocol.ids import NodeId
from swarm.scheduler.aged import Aged
from swarm.scheduler.partial import Partial
from swarm.scheduler.peers import Peer, Peers

OWN_SLICE_GRACE: Final = 1.0
"""Seconds a node not measured yet may be late, and a measured one may need for the rest of what an origin
fetched."""

LEFT_SECONDS: Final = 0.3
"""Seconds a measured node may need for the rest of its part of what a seed has: a request takes no less."""

LEFT_CHUNKS: Final = 4.0
"""The same in units of the time that a chunk takes from that seed, if that is more: where each of many nodes
gets a chunk in a third of a second, what one has on order takes longer: who helped would fetch it twice."""

HORIZON_ROUNDS: Final = 12
"""Rounds of the dealing by which a node may be ahead before it helps: three times what it has on order at
once, so that there is something to help with; more of them, and hashing falls behind."""

MIN_GRACE: Final = 0.25
"""Least grace: a busy event loop pauses for as long now and then."""

MAX_GRACE: Final = 4.0
"""Most grace: what a dead node may cost the others."""

IDLE_GRACE: Final = 0.5
"""Least grace for what nobody fetches: it counts only when this node has nothing else to ask for."""

IDLE_FACTOR: Final = 4.0
"""Grace for what nobody fetches, in units of the time that a chunk takes from its holder."""

GRACE_FACTOR: Final = 4.0
"""Grace in units of the time that a node needs between two chunks of its part."""

INTERVAL_WEIGHT: Final = 0.25
"""Share of the newest interval in the mean."""


@dataclass(frozen=True, slots=True)
class View:
    """What a policy may look at. want: missing, can be checked, not on order. present: taking part and
    still wanting chunks, this node among them, sorted. origin: who holds the lease.
    longest: bytes of the longest chunk.
    """

    peers: Peers
    want: int
    present: tuple[NodeId, ...]
    origin: NodeId | None
    longest: int


class Tier(NamedTuple):
    """Chunks as good as each other, to be taken from `start` on and round, or `backwards` from the last."""

    bits: int
    start: int = 0
    backwards: bool = False


class Picker(Protocol):
    """A policy for whom to ask for what."""

    def tiers(self, peer: Peer, view: View, now: float) -> Iterator[Tier]:
        """Chunks that may be ordered from this peer now, best first."""
        ...

    def arrived(self, peer: NodeId, bits: int, now: float) -> None:
        """A peer has these now."""
        ...

    def next_wake(self, now: float) -> float | None:
        """When a set may have grown though no event tells."""
        ...


@dataclass(slots=True)
class Relay:
    """How a node gets on with its part. waiting_since: since when there is something for it to fetch."""

    moved_at: float | None = None
    interval: float | None = None
    waiting_since: float | None = None
    was_late: bool = False

    def grace(self) -> float:
        """Seconds it may be late."""
        if self.interval is None:
            return OWN_SLICE_GRACE
        return min(max(GRACE_FACTOR * self.interval, MIN_GRACE), MAX_GRACE)

    def moved(self, count: int, now: float) -> None:
        """It got `count` chunks of its part."""
        since = self.waiting_since if self.waiting_since is not None else self.moved_at
        if since is not None:
            interval = (now - since) / count
            known = interval if self.interval is None else self.interval
            self.interval = known + INTERVAL_WEIGHT * (interval - known)
        self.moved_at = now
        self.waiting_since = None
        self.was_late = False

    def idle(self) -> None:
        """There is nothing for it to fetch. A late node stays late until it moves."""
        if not self.was_late:
            self.waiting_since = None

    def late(self, pending: int, left: float, now: float) -> bool:
        """Whether it will not have the `pending` chunks of its part that are left within `left` seconds."""
        if self.waiting_since is None:
            self.waiting_since = now
        if now >= self.waiting_since + self.grace():
            self.was_late = True
            return True
        return self.interval is not None and pending * self.interval > left


class SliceFirst:
    """The policy described above, for a snapshot of `total` chunks, seen from node `me`."""

    def __init__(self, me: NodeId, total: int, now: float) -> None:
        self._me = me
        self._total = total
        self._present: tuple[NodeId, ...] = ()
        self._slices: dict[NodeId, int] = {}
        self._shares: dict[tuple[int, int], int] = {}
        self._relays: dict[NodeId, Relay] = {}
        self._waiting = Aged(OWN_SLICE_GRACE, now)
        self._left_over: dict[NodeId, Aged] = {}
        self._partial = Partial(me, total, now)

    def tiers(self, peer: Peer, view: View, now: float) -> Iterator[Tier]:
        """Own part of what nobody relays; what is far behind; parts of late nodes; what others have too,
        rarest first."""
        if self._partial.applies(peer, view.present, view.peers):
            origin = peer.node == view.origin
            for bits in self._partial.tiers(
                peer, view.want, view.peers, origin=origin, longest=view.longest, now=now
            ):
                yield Tier(bits, self._start(view))
            return
        self._deal(view)
        led = view.origin is not None
        start = self._start(view) if led else 0
        offered = view.want & peer.offers
        held = view.peers.held
        unrelayed = minus(offered, held[1] if peer.wants else view.peers.relayed)
        others = offered ^ unrelayed
        near = unrelayed if led else self._near(unrelayed)
        mine = unrelayed & self._slices[self._me]
        near_again = self._dealt_again(peer, view, near, now) if near else 0
        again = self._dealt_again(peer, view, unrelayed, now) if unrelayed != near else near_again
        yield Tier(mine & near, start)
        if peer.wants and peer.node != view.origin:
            yield Tier(self._behind(others, view))
        yield Tier(near_again, start, backwards=not led)
        yield Tier(minus(mine, near))
        yield Tier(minus(again, near), backwards=True)
        yield Tier(self._nobodys(peer, view, 0 if mine or again else unrelayed, now), start)
        if others and peer.node == view.origin:
            yield Tier(others & self._waiting.update(view.want & held[0], now), start)
        elif others and not unrelayed:
            rare = minus(others, held[2])
            yield Tier(rare, self._start(view))
            yield Tier(others ^ rare, start)

    def _near(self, bits: int) -> int:
        """What of these comes before the rest."""
        return bits & everything(lowest(bits) + HORIZON_ROUNDS * len(self._present)) if bits else 0

    def _behind(self, bits: int, view: View) -> int:
        """Of these, HORIZON_ROUNDS behind what nobody relays, the lowest: as many as there are nodes."""
        ahead = minus(view.want, view.peers.relayed)
        reached = lowest(ahead) if ahead else self._total
        behind = bits & everything(max(reached - HORIZON_ROUNDS * len(self._present), 0))
        return behind & everything(lowest(behind) + len(self._present)) if behind else 0

    def _start(self, view: View) -> int:
        """A place of this node's own, so that two nodes ask for different chunks first."""
        return self._total * view.present.index(self._me) // len(view.present)

    def _deal(self, view: View) -> None:
        """Deal the chunks out anew when other nodes take part than last time."""
        if view.present is self._present or view.present == self._present:
            return
        self._present = view.present
        count = len(view.present)
        self._slices = {
            node: periodic(count, place, 1, self._total) for place, node in enumerate(view.present)
        }
        self._shares = {}
        self._relays = {node: self._relays.get(node, Relay()) for node in view.present}
        self._left_over = {}

    def _dealt_again(self, holder: Peer, view: View, unrelayed: int, now: float) -> int:
        """This node's share of the parts of the holder and of nodes that are late with theirs of these."""
        out = [
            node
            for node in self._present
            if node != self._me and self._out(node, holder, view, unrelayed, now)
        ]
        left = [node for node in self._present if node not in out]
        share = self._share(left.index(self._me), len(left))
        bits = 0
        for node in out:
            bits |= unrelayed & self._slices[node] & share
        return bits

    def _nobodys(self, holder: Peer, view: View, idle: int, now: float) -> int:
        """What only this holder has and has long been left over, while this node had no part of its own."""
        aged = self._left_over.setdefault(holder.node, Aged(IDLE_GRACE, now))
        chunk_seconds = holder.pace.seconds(view.longest) or 0.0
        aged.period = min(max(IDLE_FACTOR * chunk_seconds, IDLE_GRACE), MAX_GRACE)
        return aged.update(idle, now)

    def _out(self, node: NodeId, holder: Peer, view: View, unrelayed: int, now: float) -> bool:
        """Whether this node will not relay its part of these soon."""
        if node == holder.node:
            return True
        relay = self._relays[node]
        pending = (unrelayed & self._slices[node]).bit_count()
        if not pending:
            relay.idle()
            return False
        peer = view.peers.get(node)
        left = OWN_SLICE_GRACE
        if view.origin is None:
            left = max(LEFT_SECONDS, LEFT_CHUNKS * (holder.pace.seconds(view.longest) or 0.0))
        return peer is None or peer.rests(now) or relay.late(pending, left, now)

    def _share(self, place: int, count: int) -> int:
        """Every `count`-th round of the dealing, from round number `place` on."""
        if (place, count) not in self._shares:
            turn = len(self._present)
            self._shares[place, count] = periodic(turn * count, turn * place, turn, self._total)
        return self._shares[place, count]

    def arrived(self, peer: NodeId, bits: int, now: float) -> None:
        """Note how a relay gets on."""
        relay = self._relays.get(peer)
        if relay is None:
            return
        count = (bits & self._slices[peer]).bit_count()
        if count:
            relay.moved(count, now)

    def next_wake(self, now: float) -> float | None:
        """When the next node becomes late, or the next chunks have waited long."""
        times = [aged.next_wake() for aged in [self._waiting, *self._left_over.values()]]
        if (left_over := self._partial.next_wake(now)) is not None:
            times.append(left_over)
        for relay in self._relays.values():
            if relay.waiting_since is not None:
                times.append(relay.waiting_since + relay.grace())
        return min((time for time in times if time > now), default=None)
