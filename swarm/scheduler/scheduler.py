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
from collections.abc import Callable, Set
from typing import Any, Final

from protocol.bits import everything, from_members, minus, single
from protocol.ids import NodeId, SnapshotKey
from protocol.manifest import Layout
from swarm.scheduler import events as ev
from swarm.scheduler.choice import Choice
from swarm.scheduler.claims import ClaimsDesk
from swarm.scheduler.dispatch import Clocks, Dispatch
from swarm.scheduler.events import UPSTREAM, Command, Event
from swarm.scheduler.hearsay import Hearsay
from swarm.scheduler.lease import Lease
from swarm.scheduler.orders import Orders
from swarm.scheduler.origin import Origin
from swarm.scheduler.peers import Peer, Peers
from swarm.scheduler.picker import Picker, SliceFirst, View
from swarm.scheduler.states import State
from swarm.scheduler.stuck import StuckClock
from swarm.scheduler.upstream import UpstreamRecord
from swarm.scheduler.windows import HEDGE_MIN_SECONDS

SWEEP_SECONDS: Final = 0.05
"""Chunks and news of chunks come by the thousand a second. Each is followed up at once, with the source it
is about and a question for its digest; everything else (other sources, clocks, hedges, turns) is looked at so
often at most: a fifth of what a source has outstanding (PIPELINE_SECONDS), a tenth of the patience of a
hedge."""

FREQUENT: Final = frozenset([ev.Stored, ev.PeerHas, ev.Vouched])
"""The events that come by the thousand."""

IDLE_SECONDS: Final = 1.0
"""Longest time without a step while something is missing."""


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
        self._peers = Peers()
        self._orders = Orders()
        self._record = UpstreamRecord(me, lengths, self._longest, now)
        self._dispatch = Dispatch(self._orders, self._peers, self._record.pace)
        self._lease = Lease(me, topic, now, settled_at=now + settle, longest_chunk=self._longest)
        self._origin = Origin(self._lease, self._record, self._orders, self._dispatch, now)
        self._hearsay = Hearsay(me, self._lease, self._peers)
        self._picker: Picker = picker or SliceFirst(me, lengths.total, now)
        self._choice = Choice(lengths, self._longest, self._picker, self._orders, self._dispatch)
        self._desk = ClaimsDesk(now)
        self._stuck = StuckClock(now)
        self._complete = True
        self._touched: set[NodeId] = set()
        self._curious = False  # somebody has what cannot be checked and was not asked about
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
            if self._curious:
                commands += self._ask_digests(now)
            commands += self._arm(self._sweep_due, now)
            return commands
        return commands + self._sweep(now)

    def _sweep(self, now: float) -> list[Command]:
        """Look at everything."""
        self._swept_at = now
        self._sweep_due = math.inf
        self._peers.wake(now)
        self._dispatch.look(now)
        clocks = self._dispatch.clocks()
        commands = self._give_up_stalled(clocks, now)
        commands += self._hearsay.seeds(self.missing, now)
        commands += self._origin.follow(self.missing, self._for_upstream(now), self._served(now), now)
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
        return self._origin.greet(now) if self._lease.held else self._hearsay.newcomer(event.peer, now)

    def _peer_left(self, event: ev.PeerLeft, now: float) -> list[Command]:
        self._peers.remove(event.peer)
        self._find_present()
        self._lease.left(event.peer, now)
        self._desk.left(event.peer)
        return self._dispatch.call_off(event.peer)

    def _peer_company(self, event: ev.PeerCompany, now: float) -> list[Command]:
        self._hearsay.company(event.peer, event.nodes, now)
        return []

    def _peer_has(self, event: ev.PeerHas, now: float) -> list[Command]:
        new = self._peers.gained(self._peers.add(event.peer), event.bits)
        self._lease.arrived(event.peer, event.bits, now)
        self._picker.arrived(event.peer, new, now)
        self._touched.add(event.peer)
        if minus(minus(new & self.missing, self._vouched), self._desk.expected):
            self._curious = True
        return []

    def _peer_lost(self, event: ev.PeerLost, now: float) -> list[Command]:
        self._peers.lost(self._peers.add(event.peer), event.bits)
        return self._dispatch.call_off(event.peer, event.bits)

    def _peer_lease(self, event: ev.PeerLease, now: float) -> list[Command]:
        return self._hearsay.lease(event, now)

    def _peer_fetching(self, event: ev.PeerFetching, now: float) -> list[Command]:
        if event.holder is None:
            self._desk.announced(event.bits)
        return self._hearsay.fetching(event, self._have, now)

    def _peer_seed(self, event: ev.PeerSeed, now: float) -> list[Command]:
        return self._hearsay.seed(event, now)

    def _peer_elsewhere(self, event: ev.PeerElsewhere, now: float) -> list[Command]:
        peer = self._peers.add(event.peer)
        self._peers.elsewhere(peer, event.bits, now)
        self._touched.add(event.peer)
        return self._dispatch.call_off(event.peer, event.bits)

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
        return [command for source in doubtful for command in self._dispatch.call_off(source, event.bits)]

    def _stored(self, event: ev.Stored, now: float) -> list[Command]:
        self._have |= single(event.chunk)
        self._stuck.moved(now)
        self._touched.add(event.source)
        if event.source == UPSTREAM:
            self._origin.came(self._layout.length(event.chunk))
        elif (peer := self._peers.get(event.source)) is not None:
            self._peers.came(peer)
            self._lease.received()
        self._touched.update(order.source for order in self._orders.holding(event.chunk))
        return self._dispatch.came(event.chunk, event.source, now)

    def _order_failed(self, event: ev.OrderFailed, now: float) -> list[Command]:
        order = self._orders.get(event.order)
        if order is not None:
            self._orders.settle_bits(order, event.bits)
        if event.source == UPSTREAM:
            return self._origin.failed(event.lasting, now)
        peer = self._peers.get(event.source)
        if peer is None:
            return []
        if not event.lasting:
            self._peers.refused(peer, event.bits, now, absent=event.absent)
            return []
        self._peers.distrust(peer, now)
        return self._dispatch.call_off(event.source)

    def _discards(self, event: ev.Discarded, now: float) -> list[Command]:
        self._have = minus(self._have, event.bits)
        self._complete = False
        self._stuck.moved(now)
        return []

    def _upstream(self, event: ev.Upstream, now: float) -> list[Command]:
        self._origin.reachable(event.usable, now)
        return []

    def _tick(self, event: ev.Tick, now: float) -> list[Command]:
        self._armed = None
        return []

    # --- decisions ------------------------------------------------------------------------------

    def _give_up_stalled(self, clocks: Clocks, now: float) -> list[Command]:
        """Leave sources that have stopped, and do not count on peers that never name what they have."""
        commands: list[Command] = []
        for source, (_, stalled_at) in clocks.items():
            if now < stalled_at:
                continue
            if source == UPSTREAM:
                commands += self._origin.give_up(now)
            else:
                peer = self._peers.add(source)
                self._peers.refused(peer, from_members(self._orders.pending(source)), now)
                commands += self._dispatch.call_off(source)
        for node, bits in self._desk.mute().items():
            if (peer_found := self._peers.get(node)) is not None:
                self._peers.refused(peer_found, bits, now)
        return commands

    def _for_upstream(self, now: float) -> int:
        """What is missing, on order from nobody, expected of nobody and announced by nobody."""
        unordered = minus(self.missing, self._orders.bits)
        return minus(minus(unordered, self._peers.expected), self._lease.under_way(now))

    def _served(self, now: float) -> int:
        """What is on order, and what is missing and announced by others."""
        return self._orders.bits or self.missing & self._lease.under_way(now)

    def _order_upstream(self, now: float) -> list[Command]:
        return self._origin.order(self._for_upstream(now), now) if self._origin.may_order(now) else []

    def _order_from_touched(self, now: float) -> list[Command]:
        """Fill the windows of the peers that the event was about."""
        commands: list[Command] = []
        for node in sorted(self._touched):
            peer = self._peers.get(node)
            room = self._choice.room(peer) if peer is not None else 0
            if peer is not None and room and (chosen := self._choose(peer, room, now)):
                commands += self._dispatch.place(node, chosen, now)
        return commands

    def _order_from_all(self, clocks: Clocks, now: float) -> list[Command]:
        """Fill the windows of all peers, if need be with what is on order elsewhere; ask for digests."""
        missing = self.missing
        if not missing:
            return []
        commands: list[Command] = []
        overdue = {source for source, (overdue_at, _) in clocks.items() if now >= overdue_at}
        for peer in self._peers:
            room = self._choice.room(peer)
            chosen = room and (self._choose(peer, room, now) or self._choose_again(peer, room, overdue))
            if chosen:
                commands += self._dispatch.place(peer.node, chosen, now)
            elif not self._orders.owed(peer.node):
                self._peers.spared(peer, self._longest, now)
        return [*commands, *self._ask_digests(now)]

    def _ask_digests(self, now: float) -> list[Command]:
        """Ask for those without which what is missing, and somebody has, cannot be checked."""
        self._curious = False
        lacking = minus(self.missing & self._peers.expected, self._vouched)
        return [*self._desk.ask(self._peers, lacking, now)]

    def _choose(self, peer: Peer, room: int, now: float) -> dict[int, int]:
        """What to order from a peer that is on order from nobody: chunk number to length."""
        want = minus(self.missing & self._vouched, self._orders.bits)
        if not want & peer.offers:
            return {}
        view = View(self._peers, want, self._present, self.origin(now), self._longest)
        return self._choice.first(peer, room, view, now)

    def _choose_again(self, peer: Peer, room: int, overdue: Set[NodeId]) -> dict[int, int]:
        """What to order from a peer though it is on order elsewhere; `overdue`: sources that are late."""
        last = not minus(self.missing, self._orders.bits)
        return self._choice.again(peer, room, self._orders.bits & self._vouched, overdue, last=last)

    def _find_present(self) -> None:
        wanting = [peer.node for peer in self._peers if peer.wants]
        self._present = tuple(sorted([self._me, *wanting]))

    def _finish(self, clocks: Clocks, now: float) -> list[Command]:
        """Say that all is there or that nothing can be had, and when to go on."""
        missing = self.missing
        if not missing:
            said: list[Command] = [] if self._complete else [ev.Complete()]
            self._complete = True
            return said
        commands: list[Command] = []
        obtainable = bool(
            self._orders.busy - bool(self._orders.count(UPSTREAM))
            or missing & self._vouched & self._peers.expected
            or missing & self._lease.seeds.coming(now)
            or self._origin.promising(now)
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
            *self._origin.next_wake(),
            self._peers.next_wake(),
            self._desk.next_wake(),
            self._stuck.next_wake(),
        ]
        if (turn := self._picker.next_wake(now)) is not None:
            times.append(max(turn, now + SWEEP_SECONDS))
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
    ev.PeerSeed: Scheduler._peer_seed,
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
