"""What to fetch from whom: events in, commands out, no clock, no socket.

`Scheduler.step` notes what happened (one handler for each kind of event), gives up what has stopped,
follows the origin's lease, orders from upstream when this node is the origin, orders from peers what
they have, asks for digests, and says when it wants to be woken. Each of these is a decision of its own
module; here they are put in sequence and turned into commands.

Everything this node lacks is either on order, or offered by a peer and waiting for room in that peer's
window or for its turn, or a matter for the origin. While anything is missing a WakeAt is always set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, Final

from protocol.bits import descending, everything, from_members, members, minus, single
from protocol.ids import NodeId, SnapshotKey
from protocol.limits import MAX_PIECES
from protocol.manifest import Layout
from swarm.scheduler import events as ev
from swarm.scheduler.claims import ClaimsDesk
from swarm.scheduler.events import UPSTREAM, Command, Event
from swarm.scheduler.hearsay import Hearsay
from swarm.scheduler.hedges import duplicates
from swarm.scheduler.lease import LEASE_SAY_SECONDS, Lease, Situation, State
from swarm.scheduler.orders import Order, Orders
from swarm.scheduler.peers import Peer, Peers
from swarm.scheduler.picker import Picker, SliceFirst, View
from swarm.scheduler.stuck import StuckClock
from swarm.scheduler.upstream import UpstreamRecord
from swarm.scheduler.windows import HEDGE_MIN_SECONDS, Crowd, Pace

SWEEP_SECONDS: Final = 0.05
"""Chunks and news of chunks come by the thousand a second. Each is followed up at once, with the source it
is about; everything else (other sources, clocks, hedges, questions) is looked at so often at most: a fifth
of what a source has outstanding (PIPELINE_SECONDS), a tenth of the patience of a hedge."""

FREQUENT: Final = frozenset([ev.Stored, ev.PeerHas, ev.Vouched])
"""The events that come by the thousand."""

MAX_PICKS: Final = 4 * MAX_PIECES
"""Chunks ordered from one peer in one step: a few milliseconds of work."""

IDLE_SECONDS: Final = 1.0
"""Longest time without a step while something is missing."""

Clocks = Mapping[NodeId, tuple[float, float]]
"""Source to the times at which it is overdue and at which it counts as stopped."""


class Scheduler:
    """One transfer of the snapshot `topic`, whose chunks are laid out by `lengths`, on node `me`.

    have: the chunks already stored. now: the time of the clock that every step is given. settle: seconds
    to wait for news of others before the first claim to be the origin. picker: whom to ask for what.
    """

    def __init__(
        self,
        me: NodeId,
        topic: SnapshotKey,
        lengths: Layout,
        have: int,
        now: float,
        *,
        settle: float,
        picker: Picker | None = None,
    ) -> None:
        self._me = me
        self._layout = lengths
        self._longest = max((min(blob.size, blob.chunk_length) for blob in lengths.blobs), default=0)
        self._have = have
        self._wanted = 0
        self._vouched = 0
        self._usable = False
        self._peers = Peers()
        self._orders = Orders()
        self._lease = Lease(me, topic, now, settled_at=now + settle, longest_chunk=self._longest)
        self._hearsay = Hearsay(me, self._lease, self._peers)
        self._picker: Picker = picker or SliceFirst(me, lengths.total, now)
        self._desk = ClaimsDesk(now)
        self._stuck = StuckClock(now)
        self._crowd = Crowd()
        self._record = UpstreamRecord(me, lengths, self._longest, now)
        self._said_at = now
        self._complete = True
        self._touched: set[NodeId] = set()
        self._swept_at = now - SWEEP_SECONDS
        self._sweep_due = now
        self._armed: float | None = None
        self._present: tuple[NodeId, ...] = (me,)

    # --- what may be asked ----------------------------------------------------------------------

    @property
    def missing(self) -> int:
        """Wanted chunks that are not stored."""
        return minus(self._wanted, self._have)

    @property
    def is_origin(self) -> bool:
        """Whether this node fetches from upstream."""
        return self._lease.state is State.HOLDING

    def origin(self, now: float) -> NodeId | None:
        """Who holds the lease, if anybody does."""
        return self._me if self.is_origin else self._lease.origin(now)

    def common(self, chunk: int) -> bool:
        """Whether several peers have this chunk."""
        return bool(self._peers.held[1] >> chunk & 1)

    def step(self, event: Event, now: float) -> list[Command]:
        """What is to be done after this event, in this order."""
        self._touched.clear()
        kind = type(event)
        if kind in FREQUENT:
            self._sweep_due = min(self._sweep_due, self._swept_at + SWEEP_SECONDS)
        elif kind is not ev.Tick:
            self._sweep_due = now
        commands = _HANDLERS[kind](self, event, now)
        if now < self._sweep_due and self.missing:
            commands += self._order_upstream(now)
            commands += self._order_from_touched(now)
            commands += self._arm(self._sweep_due, now)
            return commands
        return commands + self._sweep(now)

    def _sweep(self, now: float) -> list[Command]:
        """Look at everything."""
        self._swept_at = now
        self._sweep_due = math.inf
        self._peers.wake(now)
        self._crowd.busy(self._orders.busy, now)
        clocks = self._clocks()
        commands = self._give_up_stalled(clocks, now)
        commands += self._follow_lease(now)
        commands += self._order_upstream(now)
        commands += self._order_from_all(clocks, now)
        commands += self._finish(clocks, now)
        return commands

    # --- events: peers --------------------------------------------------------------------------

    def _peer_joined(self, event: ev.PeerJoined, now: float) -> list[Command]:
        new = self._peers.get(event.peer) is None
        self._peers.joined(event.peer, wants=event.wants, can_fetch=event.can_fetch)
        self._find_present()
        self._lease.joined(event.peer, event.wants and event.can_fetch)
        if not new:
            return []
        if not self._lease.held:
            return self._hearsay.newcomer(event.peer, now)
        under_way = from_members(self._orders.pending(UPSTREAM))
        self._said_at = now
        said: list[Command] = [ev.SayLease(True, self._record.fetched)]
        return [*said, ev.SayFetching(under_way)] if under_way else said

    def _peer_left(self, event: ev.PeerLeft, now: float) -> list[Command]:
        self._peers.remove(event.peer)
        self._find_present()
        self._lease.left(event.peer, now)
        self._desk.left(event.peer)
        return self._call_off(event.peer)

    def _peer_company(self, event: ev.PeerCompany, now: float) -> list[Command]:
        self._peers.add(event.peer).company = event.nodes
        return []

    def _peer_has(self, event: ev.PeerHas, now: float) -> list[Command]:
        new = self._peers.gained(self._peers.add(event.peer), event.bits)
        self._lease.arrived(event.peer, event.bits, now)
        self._picker.arrived(event.peer, new, now)
        self._touched.add(event.peer)
        if minus(minus(new & self.missing, self._vouched), self._desk.expected):
            self._sweep_due = now
        return []

    def _peer_lost(self, event: ev.PeerLost, now: float) -> list[Command]:
        self._peers.lost(self._peers.add(event.peer), event.bits)
        return self._call_off(event.peer, event.bits)

    def _peer_lease(self, event: ev.PeerLease, now: float) -> list[Command]:
        return self._hearsay.lease(event, now)

    def _peer_fetching(self, event: ev.PeerFetching, now: float) -> list[Command]:
        if event.holder is None:
            self._desk.announced(event.bits)
        return self._hearsay.fetching(event, self._have, now)

    def _peer_elsewhere(self, event: ev.PeerElsewhere, now: float) -> list[Command]:
        peer = self._peers.add(event.peer)
        self._peers.elsewhere(peer, event.bits, now)
        self._touched.add(event.peer)
        return self._call_off(event.peer, event.bits)

    # --- events: this node ----------------------------------------------------------------------

    def _wants(self, event: ev.Wanted, now: float) -> list[Command]:
        self._wanted |= event.bits & everything(self._layout.total)
        self._complete = False
        self._stuck.moved(now)
        return []

    def _can_check(self, event: ev.Vouched, now: float) -> list[Command]:
        self._vouched |= event.bits
        self._touched.update(peer.node for peer in self._peers if peer.offers & event.bits)
        return []

    def _doubts(self, event: ev.Doubted, now: float) -> list[Command]:
        self._vouched = minus(self._vouched, event.bits)
        self._peers.forgive(event.bits)
        doubtful = [source for source in self._orders.sources() if source != UPSTREAM]
        return [command for source in doubtful for command in self._call_off(source, event.bits)]

    def _stored(self, event: ev.Stored, now: float) -> list[Command]:
        self._have |= single(event.chunk)
        self._stuck.moved(now)
        self._touched.add(event.source)
        if event.source == UPSTREAM:
            self._record.came(self._layout.length(event.chunk))
            self._lease.works()
        elif (peer := self._peers.get(event.source)) is not None:
            self._peers.came(peer)
            self._lease.received()
        commands: list[Command] = []
        for order in self._orders.holding(event.chunk):
            length = self._orders.settle_one(order, event.chunk)
            if order.source == event.source:
                self._pace(order.source).arrived(length, now)
                self._crowd.arrived(length, now)
            else:
                self._touched.add(order.source)
                commands.append(ev.Cancel(order.number, single(event.chunk)))
        return commands

    def _order_failed(self, event: ev.OrderFailed, now: float) -> list[Command]:
        order = self._orders.get(event.order)
        if order is not None:
            self._orders.settle_bits(order, event.bits)
        if event.source == UPSTREAM:
            return self._give_up_upstream(now) if self._record.failed(event.lasting, now) else []
        peer = self._peers.get(event.source)
        if peer is None:
            return []
        if not event.lasting:
            self._peers.refused(peer, event.bits, now, absent=event.absent)
            return []
        self._peers.distrust(peer, now)
        return self._call_off(event.source)

    def _give_up_upstream(self, now: float) -> list[Command]:
        announced = self._lease.held or self._lease.may_fetch
        self._record.broke()
        self._lease.broke(now)
        called_off = self._call_off(UPSTREAM)
        return [*called_off, ev.SayLease(False, self._record.fetched)] if announced else called_off

    def _discards(self, event: ev.Discarded, now: float) -> list[Command]:
        self._have = minus(self._have, event.bits)
        self._complete = False
        self._stuck.moved(now)
        return []

    def _upstream(self, event: ev.Upstream, now: float) -> list[Command]:
        if event.usable and not self._usable:
            self._lease.works()
            self._record.works_again(now)
        self._usable = event.usable
        return []

    def _tick(self, event: ev.Tick, now: float) -> list[Command]:
        self._armed = None
        return []

    # --- decisions ------------------------------------------------------------------------------

    def _pace(self, source: NodeId) -> Pace:
        if source == UPSTREAM:
            return self._record.pace
        return self._peers.add(source).pace

    def _call_off(self, source: NodeId, bits: int | None = None) -> list[Command]:
        """Cancel what is on order from a source: these chunks, or all."""
        commands: list[Command] = []
        for order in self._orders.of(source):
            gone = self._orders.settle_bits(order, from_members(order.pending) if bits is None else bits)
            if gone:
                commands.append(ev.Cancel(order.number, gone))
        return commands

    def _clocks(self) -> Clocks:
        """Those of each source that owes something."""
        clocks = {}
        for source in self._orders.sources():
            pace, longest = self._pace(source), self._orders.longest(source)
            clocks[source] = pace.overdue_at(longest, self._crowd), pace.stalled_at(longest, self._crowd)
        return clocks

    def _give_up_stalled(self, clocks: Clocks, now: float) -> list[Command]:
        """Leave sources that have stopped, and do not count on peers that never name what they have."""
        commands: list[Command] = []
        for source, (_, stalled_at) in clocks.items():
            if now < stalled_at:
                continue
            if source == UPSTREAM:
                commands += self._give_up_upstream(now)
            else:
                peer = self._peers.add(source)
                self._peers.refused(peer, from_members(self._orders.pending(source)), now)
                commands += self._call_off(source)
        for node, bits in self._desk.mute().items():
            if (peer_found := self._peers.get(node)) is not None:
                self._peers.refused(peer_found, bits, now)
        return commands

    def _for_upstream(self, now: float) -> int:
        """What is missing, on order from nobody, expected of nobody and announced by nobody."""
        unordered = minus(self.missing, self._orders.bits)
        return minus(minus(unordered, self._peers.expected), self._lease.under_way(now))

    def _follow_lease(self, now: float) -> list[Command]:
        fetching = bool(self._orders.owed(UPSTREAM))
        served = bool(self._orders.bits or self.missing & self._lease.under_way(now))
        need = bool(self._for_upstream(now))
        situation = Situation(bool(self.missing), need, served, fetching, self._usable)
        changed = self._lease.step(situation, now)
        held = self._lease.held
        if not changed and not (held and now >= self._said_at + LEASE_SAY_SECONDS):
            return []
        self._said_at = now
        return [ev.SayLease(held, self._record.fetched)]

    def _order_upstream(self, now: float) -> list[Command]:
        if not self._lease.may_fetch or now < self._record.paused_until:
            return []
        commands: list[Command] = []
        for chunks in self._record.spans(self._for_upstream(now), self._orders.count(UPSTREAM)):
            commands.append(ev.SayFetching(from_members(chunks)))
            commands += self._place(UPSTREAM, chunks, now)
        return commands

    def _place(self, source: NodeId, chunks: dict[int, int], now: float) -> list[Command]:
        """Order these chunks, in as many Fetches as it takes."""
        if not self._orders.owed(source):
            self._pace(source).started(now)
        parts = [chunks]
        if len(chunks) > MAX_PIECES:
            items = list(chunks.items())
            parts = [dict(items[at : at + MAX_PIECES]) for at in range(0, len(items), MAX_PIECES)]
        orders: list[Order] = [self._orders.place(source, part) for part in parts]
        self._crowd.busy(self._orders.busy, now)
        return [ev.Fetch(order.number, source, tuple(order.pending)) for order in orders]

    def _order_from_touched(self, now: float) -> list[Command]:
        """Fill the windows of the peers that the event was about."""
        commands: list[Command] = []
        for node in sorted(self._touched):
            peer = self._peers.get(node)
            room = self._room(peer) if peer is not None else 0
            if peer is not None and room and (chosen := self._choose(peer, room, now)):
                commands += self._place(node, chosen, now)
        return commands

    def _order_from_all(self, clocks: Clocks, now: float) -> list[Command]:
        """Fill the windows of all peers, if need be with what is on order elsewhere; ask for digests."""
        missing = self.missing
        if not missing:
            return []
        commands: list[Command] = []
        overdue = {source for source, (overdue_at, _) in clocks.items() if now >= overdue_at}
        for peer in self._peers:
            room = self._room(peer)
            chosen = room and (self._choose(peer, room, now) or self._choose_again(peer, room, overdue))
            if chosen:
                commands += self._place(peer.node, chosen, now)
            elif not self._orders.owed(peer.node):
                self._peers.spared(peer, now)
        lacking = minus(missing & self._peers.expected, self._vouched)
        return [*commands, *self._desk.ask(self._peers, lacking, now)]

    def _room(self, peer: Peer) -> int:
        """Bytes that may be ordered from a peer; nothing until at least half of its window is free."""
        if not peer.offers:
            return 0
        window = peer.pace.window(self._longest)
        room = window - self._orders.owed(peer.node)
        return room if 2 * room >= window else 0

    def _choose(self, peer: Peer, room: int, now: float) -> dict[int, int]:
        """What to order from a peer, as its window and the policy have it: chunk number to length."""
        chosen: dict[int, int] = {}
        want = minus(self.missing & self._vouched, self._orders.bits)
        if want & peer.offers:
            view = View(self._peers, want, self._present, self.origin(now), self._longest)
            for tier in self._picker.tiers(peer, view, now):
                chunks = descending(tier.bits) if tier.backwards else members(tier.bits, tier.start)
                room = self._take(chunks, room, chosen)
        return chosen

    def _choose_again(self, peer: Peer, room: int, overdue: Set[NodeId]) -> dict[int, int]:
        """What to order from a peer though it is on order elsewhere; `overdue`: sources that are late."""
        chosen: dict[int, int] = {}
        last = not minus(self.missing, self._orders.bits)
        if overdue or last:
            allowed = self._orders.bits & self._vouched & peer.offers
            paces = {source: self._pace(source) for source in self._orders.sources()}
            again = duplicates(peer, allowed, self._orders, paces, overdue, last=last)
            self._take(members(again), room, chosen)
        return chosen

    def _find_present(self) -> None:
        wanting = [peer.node for peer in self._peers if peer.wants]
        self._present = tuple(sorted([self._me, *wanting]))

    def _take(self, chunks: Iterator[int], room: int, chosen: dict[int, int]) -> int:
        """Add chunks to what is chosen while there is room; returns the room left."""
        if room <= 0:
            return room
        for chunk in chunks:
            length = self._layout.length(chunk)
            if length > room or len(chosen) == MAX_PICKS:
                return 0
            chosen[chunk] = length
            room -= length
        return room

    def _finish(self, clocks: Clocks, now: float) -> list[Command]:
        """Say that all is there or that nothing can be had, and when to go on."""
        missing = self.missing
        if not missing:
            said: list[Command] = [] if self._complete else [ev.Complete()]
            self._complete = True
            return said
        commands: list[Command] = []
        hopeful = self._record.hopeful
        obtainable = bool(
            self._orders.busy - (0 if hopeful else bool(self._orders.count(UPSTREAM)))
            or missing & self._vouched & self._peers.expected
            or self._lease.somebody_could(now, self._usable and hopeful)
        )
        origin_lives = self._lease.origin(now) is not None
        if self._stuck.check(obtainable, origin_lives, now):
            commands.append(ev.Stuck(missing))
        self._sweep_due = self._next_wake(clocks, now)
        return [*commands, *self._arm(self._sweep_due, now)]

    def _arm(self, wake: float, now: float) -> list[Command]:
        """Ask for a Tick at this time, unless one that comes sooner was asked for."""
        if self._armed is not None and now < self._armed <= wake:
            return []
        self._armed = wake
        return [ev.WakeAt(wake)]

    def _next_wake(self, clocks: Clocks, now: float) -> float:
        """When to look at everything though nothing happens."""
        times: list[float | None] = [
            self._lease.next_wake(now),
            self._said_at + LEASE_SAY_SECONDS,
            self._peers.next_wake(),
            self._picker.next_wake(now),
            self._desk.next_wake(),
            self._record.paused_until,
            self._stuck.next_wake(),
        ]
        for both in clocks.values():
            times += both
        if any(source not in clocks for source in self._orders.sources()):
            times.append(now + HEDGE_MIN_SECONDS)
        return min((time for time in times if time is not None and time > now), default=now + IDLE_SECONDS)


_HANDLERS: Final[dict[type[Event], Callable[[Scheduler, Any, float], list[Command]]]] = {
    ev.PeerJoined: Scheduler._peer_joined,
    ev.PeerLeft: Scheduler._peer_left,
    ev.PeerCompany: Scheduler._peer_company,
    ev.PeerHas: Scheduler._peer_has,
    ev.PeerLost: Scheduler._peer_lost,
    ev.PeerLease: Scheduler._peer_lease,
    ev.PeerFetching: Scheduler._peer_fetching,
    ev.PeerElsewhere: Scheduler._peer_elsewhere,
    ev.Wanted: Scheduler._wants,
    ev.Vouched: Scheduler._can_check,
    ev.Doubted: Scheduler._doubts,
    ev.Stored: Scheduler._stored,
    ev.OrderFailed: Scheduler._order_failed,
    ev.Discarded: Scheduler._discards,
    ev.Upstream: Scheduler._upstream,
    ev.Tick: Scheduler._tick,
}
"""What is noted for each kind of event."""
