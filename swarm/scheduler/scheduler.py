"""What to fetch from whom: events in, commands out, no clock, no socket.

`Scheduler.step` notes what happened (one handler for each kind of event), gives up what has stopped,
follows the origin's lease, orders from upstream when this node is the origin, orders from peers what
they have, asks for digests, and says when it wants to be woken. Each of these is a decision of its own
module; here they are put in sequence and turned into commands.

Everything this node lacks is either on order, or offered by a peer and waiting for room in that peer's
window or for its turn, or a matter for the origin. While anything is missing a WakeAt is always set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from protocol.bits import everything, from_members, members, minus, single
from protocol.ids import NodeId, SnapshotKey
from protocol.limits import MAX_PIECES
from protocol.manifest import Layout
from swarm.scheduler import events as ev
from swarm.scheduler.claims import ClaimsDesk
from swarm.scheduler.events import UPSTREAM, Command, Event
from swarm.scheduler.hedges import duplicates
from swarm.scheduler.lease import LEASE_SAY_SECONDS, Lease, Situation, State
from swarm.scheduler.orders import Order, Orders
from swarm.scheduler.peers import Peer, Peers
from swarm.scheduler.picker import Picker, SliceFirst, View
from swarm.scheduler.spans import next_span, parallel, span_bytes
from swarm.scheduler.stuck import StuckClock
from swarm.scheduler.windows import Crowd, Pace

UPSTREAM_STALL_SECONDS: Final = 30.0
"""Upstreams are watched where they are spoken to; this is for one that hangs all the same."""

UPSTREAM_ATTEMPTS: Final = 3
"""Orders upstream that may fail in a row before the lease is given up."""

UPSTREAM_PAUSE_SECONDS: Final = 0.5
"""From a failed order upstream to the next, doubled for each in a row."""

SWEEP_SECONDS: Final = 0.02
"""Chunks and news of chunks come by the thousand a second. Each is followed up at once, with the source it
is about; everything else (other sources, clocks, hedges, questions) is looked at so often at most."""

FREQUENT: Final = (ev.Stored, ev.PeerHas, ev.Vouched)
"""The events that come by the thousand."""

MAX_PICKS: Final = 4 * MAX_PIECES
"""Chunks ordered from one peer in one step: a few milliseconds of work."""

IDLE_SECONDS: Final = 1.0
"""Longest time without a step while something is missing."""

HOPELESS_BREAKDOWNS: Final = 2
"""Times that upstream may be given up without a chunk in between until it no longer counts as a source
that something is to be had from; it is tried again all the same, for as long as somebody waits."""


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
        self._picker: Picker = picker or SliceFirst(me, lengths.total, now)
        self._desk = ClaimsDesk(now)
        self._stuck = StuckClock(now)
        self._upstream_pace = Pace(UPSTREAM_STALL_SECONDS)
        self._crowd = Crowd()
        self._upstream_start = int.from_bytes(me[:8], "big") % max(lengths.total, 1)
        self._upstream_failures = 0
        self._breakdowns = 0
        self._upstream_pause = now
        self._fetched = 0
        self._said_at = now
        self._complete = True
        self._touched: set[NodeId] = set()
        self._swept_at = now - SWEEP_SECONDS
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

    def step(self, event: Event, now: float) -> list[Command]:
        """What is to be done after this event, in this order."""
        self._touched.clear()
        commands: list[Command] = list(_HANDLERS[type(event)](self, event, now))
        sweep_at = self._swept_at + SWEEP_SECONDS
        if isinstance(event, FREQUENT) and now < sweep_at and self.missing:
            commands += self._order_upstream(now)
            commands += self._order_from_touched(now)
            commands += self._arm(sweep_at, now)
            return commands
        self._swept_at = now
        self._peers.wake(now)
        self._crowd.busy(len(self._orders.sources()), now)
        commands += self._give_up_stalled(now)
        commands += self._follow_lease(now)
        commands += self._order_upstream(now)
        commands += self._order_from_all(now)
        commands += self._finish(now)
        return commands

    # --- events: peers --------------------------------------------------------------------------

    def _peer_joined(self, event: ev.PeerJoined, now: float) -> list[Command]:
        new = self._peers.get(event.peer) is None
        peer = self._peers.add(event.peer)
        peer.wants, peer.can_fetch = event.wants, event.can_fetch
        self._find_present()
        self._lease.joined(event.peer, event.wants and event.can_fetch)
        if not (new and self._lease.held):
            return []
        under_way = from_members(self._orders.pending(UPSTREAM))
        self._said_at = now
        said: list[Command] = [ev.SayLease(True, self._fetched)]
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
        return []

    def _peer_lost(self, event: ev.PeerLost, now: float) -> list[Command]:
        self._peers.lost(self._peers.add(event.peer), event.bits)
        return self._call_off(event.peer, event.bits)

    def _peer_lease(self, event: ev.PeerLease, now: float) -> list[Command]:
        self._lease.heard(event.peer, event.held, now)
        return []

    def _peer_fetching(self, event: ev.PeerFetching, now: float) -> list[Command]:
        peer = self._peers.get(event.peer)
        self._lease.announced(event.peer, minus(event.bits, peer.has if peer is not None else 0), now)
        self._desk.announced(event.bits)
        return []

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
        doubtful = [source for source in self._orders.sources() if source != UPSTREAM]
        return [command for source in doubtful for command in self._call_off(source, event.bits)]

    def _stored(self, event: ev.Stored, now: float) -> list[Command]:
        self._have |= single(event.chunk)
        length = self._layout.length(event.chunk)
        self._stuck.moved(now)
        self._touched.add(event.source)
        if event.source == UPSTREAM:
            self._fetched += length
            self._upstream_failures = self._breakdowns = 0
            self._lease.works()
        elif (peer := self._peers.get(event.source)) is not None:
            peer.failures = 0
        commands: list[Command] = []
        for order in self._orders.holding(event.chunk):
            self._orders.settle(order, (event.chunk,))
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
            return self._upstream_failed(event.lasting, now)
        peer = self._peers.get(event.source)
        if peer is None:
            return []
        if not event.lasting:
            self._peers.refused(peer, event.bits, now)
            return []
        self._peers.distrust(peer, now)
        return self._call_off(event.source)

    def _upstream_failed(self, lasting: bool, now: float) -> list[Command]:
        self._upstream_pause = now + UPSTREAM_PAUSE_SECONDS * 2**self._upstream_failures
        self._upstream_failures += 1
        if not lasting and self._upstream_failures < UPSTREAM_ATTEMPTS:
            return []
        return self._give_up_upstream(now)

    def _give_up_upstream(self, now: float) -> list[Command]:
        announced = self._lease.held or self._lease.may_fetch
        self._upstream_failures = 0
        self._breakdowns += 1
        self._lease.broke(now)
        called_off = self._call_off(UPSTREAM)
        return [*called_off, ev.SayLease(False, self._fetched)] if announced else called_off

    def _discards(self, event: ev.Discarded, now: float) -> list[Command]:
        self._have = minus(self._have, event.bits)
        self._complete = False
        self._stuck.moved(now)
        return []

    def _upstream(self, event: ev.Upstream, now: float) -> list[Command]:
        if event.usable and not self._usable:
            self._lease.works()
            self._upstream_pause = now
        self._usable = event.usable
        return []

    def _tick(self, event: ev.Tick, now: float) -> list[Command]:
        self._armed = None
        return []

    # --- decisions ------------------------------------------------------------------------------

    def _pace(self, source: NodeId) -> Pace:
        if source == UPSTREAM:
            return self._upstream_pace
        return self._peers.add(source).pace

    def _call_off(self, source: NodeId, bits: int | None = None) -> list[Command]:
        """Cancel what is on order from a source: these chunks, or all."""
        commands: list[Command] = []
        for order in self._orders.of(source):
            gone = self._orders.settle_bits(order, from_members(order.pending) if bits is None else bits)
            if gone:
                commands.append(ev.Cancel(order.number, gone))
        return commands

    def _give_up_stalled(self, now: float) -> list[Command]:
        """Leave sources that have stopped, and do not count on peers that never name what they have."""
        commands: list[Command] = []
        for source in self._orders.sources():
            pace = self._pace(source)
            if now < pace.stalled_at(self._orders.longest(source), self._crowd):
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
        """What is missing, on order from nobody, offered by nobody and announced by nobody."""
        unordered = minus(self.missing, self._orders.bits)
        return minus(minus(unordered, self._peers.held[0]), self._lease.under_way(now))

    def _follow_lease(self, now: float) -> list[Command]:
        fetching = bool(self._orders.owed(UPSTREAM))
        served = bool(self._orders.bits or self.missing & self._lease.under_way(now))
        situation = Situation(bool(self._for_upstream(now)), served, fetching, self._usable)
        changed = self._lease.step(situation, now)
        held = self._lease.held
        if not changed and not (held and now >= self._said_at + LEASE_SAY_SECONDS):
            return []
        self._said_at = now
        return [ev.SayLease(held, self._fetched)]

    def _order_upstream(self, now: float) -> list[Command]:
        pace = self._upstream_pace
        slots = parallel(pace) - len(self._orders.of(UPSTREAM))
        if not self._lease.may_fetch or now < self._upstream_pause or slots <= 0:
            return []
        commands: list[Command] = []
        needed = self._for_upstream(now)
        for _ in range(slots):
            if not needed:
                break
            budget = span_bytes(pace, needed.bit_count() * self._longest)
            chunks = next_span(self._layout, needed, self._upstream_start, budget)
            commands.append(ev.SayFetching(from_members(chunks)))
            commands += self._place(UPSTREAM, chunks, now)
            needed = minus(needed, from_members(chunks))
        return commands

    def _place(self, source: NodeId, chunks: dict[int, int], now: float) -> list[Command]:
        """Order these chunks, in as many Fetches as it takes."""
        if not self._orders.owed(source):
            self._pace(source).started(now)
        items = list(chunks.items())
        parts = [dict(items[at : at + MAX_PIECES]) for at in range(0, len(items), MAX_PIECES)]
        orders: list[Order] = [self._orders.place(source, part) for part in parts]
        self._crowd.busy(len(self._orders.sources()), now)
        return [ev.Fetch(order.number, source, tuple(order.pending)) for order in orders]

    def _order_from_touched(self, now: float) -> list[Command]:
        """Fill the windows of the peers that the event was about."""
        touched = [peer for peer in map(self._peers.get, sorted(self._touched)) if peer is not None]
        return [
            command for peer in touched for command in self._place_from(peer, self._choose(peer, now), now)
        ]

    def _order_from_all(self, now: float) -> list[Command]:
        """Fill the windows of all peers, if need be with what is on order elsewhere; ask for digests."""
        if not self.missing:
            return []
        commands: list[Command] = []
        overdue = self._overdue(now)
        for peer in self._peers:
            chosen = self._choose(peer, now) or self._choose_again(peer, overdue)
            commands += self._place_from(peer, chosen, now)
        lacking = minus(self.missing & self._peers.held[0], self._vouched)
        return [*commands, *self._desk.ask(self._peers, lacking, now)]

    def _place_from(self, peer: Peer, chosen: dict[int, int], now: float) -> list[Command]:
        return self._place(peer.node, chosen, now) if chosen else []

    def _room(self, peer: Peer) -> int:
        """Bytes that may be ordered from a peer; nothing until at least half of its window is free."""
        window = peer.pace.window(self._longest)
        room = window - self._orders.owed(peer.node)
        return room if 2 * room >= window else 0

    def _choose(self, peer: Peer, now: float) -> dict[int, int]:
        """What to order from a peer, as its window and the policy have it: chunk number to length."""
        chosen: dict[int, int] = {}
        room = self._room(peer)
        want = minus(self.missing & self._vouched, self._orders.bits) if room and peer.offers else 0
        if want & peer.offers:
            view = View(self._peers, want, self._present, self._lease.origin(now), self._longest)
            start = self._picker.start(view)
            for tier in self._picker.tiers(peer, view, now):
                room = self._take(tier, start, room, chosen)
        return chosen

    def _overdue(self, now: float) -> frozenset[NodeId]:
        """The sources that are later than their history explains."""
        sources = self._orders.sources()
        return frozenset(
            source
            for source in sources
            if now >= self._pace(source).overdue_at(self._orders.longest(source), self._crowd)
        )

    def _choose_again(self, peer: Peer, overdue: frozenset[NodeId]) -> dict[int, int]:
        """What to order from a peer though it is on order elsewhere."""
        chosen: dict[int, int] = {}
        room = self._room(peer)
        allowed = self._orders.bits & self._vouched & peer.offers if room else 0
        if allowed:
            paces = {source: self._pace(source) for source in self._orders.sources()}
            last = not minus(self.missing, self._orders.bits)
            again = duplicates(peer, allowed, self._orders, paces, overdue, last=last)
            self._take(again, 0, room, chosen)
        return chosen

    def _find_present(self) -> None:
        wanting = [peer.node for peer in self._peers if peer.wants]
        self._present = tuple(sorted([self._me, *wanting]))

    def _take(self, bits: int, start: int, room: int, chosen: dict[int, int]) -> int:
        """Add chunks of a set to what is chosen while there is room; returns the room left."""
        if not bits or room <= 0:
            return room
        for chunk in members(bits, start):
            length = self._layout.length(chunk)
            if length > room or len(chosen) == MAX_PICKS:
                return 0
            chosen[chunk] = length
            room -= length
        return room

    def _finish(self, now: float) -> list[Command]:
        """Say that all is there or that nothing can be had, and when to go on."""
        missing = self.missing
        if not missing:
            said: list[Command] = [] if self._complete else [ev.Complete()]
            self._complete = True
            return said
        commands: list[Command] = []
        hopeful = self._breakdowns < HOPELESS_BREAKDOWNS
        ordered = [source for source in self._orders.sources() if hopeful or source != UPSTREAM]
        obtainable = bool(
            ordered
            or missing & self._vouched & self._peers.held[0]
            or self._lease.somebody_could(now, self._usable and hopeful)
        )
        origin_lives = self._lease.origin(now) is not None
        if self._stuck.check(obtainable, origin_lives, now):
            commands.append(ev.Stuck(missing))
        return [*commands, *self._arm(self._next_wake(now), now)]

    def _arm(self, wake: float, now: float) -> list[Command]:
        """Ask for a Tick at this time, unless one that comes sooner was asked for."""
        if self._armed is not None and now < self._armed <= wake:
            return []
        self._armed = wake
        return [ev.WakeAt(wake)]

    def _next_wake(self, now: float) -> float:
        times: list[float | None] = [
            self._lease.next_wake(now),
            self._said_at + LEASE_SAY_SECONDS,
            self._peers.next_wake(),
            self._picker.next_wake(now),
            self._desk.next_wake(),
            self._upstream_pause,
            self._stuck.next_wake(),
        ]
        for source in self._orders.sources():
            longest = self._orders.longest(source)
            pace = self._pace(source)
            times += [pace.overdue_at(longest, self._crowd), pace.stalled_at(longest, self._crowd)]
        return min((time for time in times if time is not None and time > now), default=now + IDLE_SECONDS)


_HANDLERS: Final[dict[type[Event], Callable[[Scheduler, Any, float], list[Command]]]] = {
    ev.PeerJoined: Scheduler._peer_joined,
    ev.PeerLeft: Scheduler._peer_left,
    ev.PeerCompany: Scheduler._peer_company,
    ev.PeerHas: Scheduler._peer_has,
    ev.PeerLost: Scheduler._peer_lost,
    ev.PeerLease: Scheduler._peer_lease,
    ev.PeerFetching: Scheduler._peer_fetching,
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
