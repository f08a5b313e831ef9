"""One simulated node: the real scheduler, and what swarm/transfer and swarm/exchange do around it.

Commands become messages and orders, what arrives becomes events. What is stored is told of as the real
transfer does it; who is linked with whom is the business of `members`. Left out is what decides nothing
here: hashing, disks, processors. What makes no difference to a node is counted and not simulated (`cares`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from protocol.bits import minus, single, to_ranges
from protocol.ids import NodeId
from protocol.messages import (
    Cancel,
    Company,
    Fetching,
    FetchingHeard,
    Have,
    HaveMap,
    Join,
    Lease,
    LeaseHeard,
    NeedClaims,
    Refuse,
    SeedHeard,
)
from swarm.exchange.company import COMPANY_SECONDS
from swarm.exchange.usage import Usage
from swarm.scheduler import events as ev
from swarm.scheduler.dealing import dealt
from swarm.scheduler.events import UPSTREAM
from swarm.scheduler.scheduler import Scheduler
from swarm.transfer.news import pause
from tests.scale.lines import Flow, Line
from tests.scale.traffic import TOPIC, Tally, claims_bytes, request_bytes, wire_bytes

if TYPE_CHECKING:
    from tests.scale.swarm import Swarm

ANSWER_SECONDS: Final = 0.1
"""From the start of a `get` to the moment at which the peers' maps are heard (swarm/transfer/answers.py)."""

SETTLE_SECONDS: Final = 0.2
"""What a daemon that has run for a while waits before it claims the lease."""


class Link:
    """One side of a link: the peer, what it sends to this node, and whether it wants to hear of the topic."""

    __slots__ = ("flow", "listens", "peer", "since", "wants")

    def __init__(self, peer: Node, flow: Flow, since: float) -> None:
        self.peer = peer
        self.flow = flow
        self.listens = False
        self.wants = False
        self.since = since


class Node:
    """A machine. `have`: chunks; `wants`: takes part and lacks some; `can_fetch`: may go upstream."""

    def __init__(self, world: Swarm, node_id: NodeId, line: Line, *, can_fetch: bool) -> None:
        self.world = world
        self.id = node_id
        self.line = line
        self.can_fetch = can_fetch
        self.alive = True
        self.links: dict[NodeId, Link] = {}
        self.most_links = 0
        self.tally = Tally()
        self.usage = Usage()
        self.scheduler: Scheduler | None = None
        self.have = 0
        self.vouched = 0
        self.whole = False
        self.asked_at = 0.0
        self.done_at: float | None = None
        self.stuck = False
        self.upstream_bytes = 0
        self.leases = 0
        self._holds = False
        self._orders: dict[int, Flow] = {}
        self._fresh = 0
        self._attested = 0
        self._told = 0
        self._since: float | None = None
        self._gathering = False
        self._company_set = False
        self._company: tuple[NodeId, ...] = ()
        self._wake_at = 0.0
        self._alarm_at: float | None = None

    # --- life -----------------------------------------------------------------------------------

    @property
    def takes_part(self) -> bool:
        return self.alive and self.scheduler is not None

    @property
    def wants(self) -> bool:
        return self.scheduler is not None and bool(self.scheduler.missing)

    def seed(self) -> None:
        """This node has everything from the start."""
        self.have = self.vouched = self.world.everything
        self.whole = True
        self.start()

    def start(self) -> None:
        """The user says `swarm get`."""
        world = self.world
        now = world.clock.now
        self.asked_at = now
        self.scheduler = Scheduler(self.id, TOPIC, world.layout, self.have, now, settle=SETTLE_SECONDS)
        self.step(ev.Vouched(self.vouched))
        self.step(ev.Wanted(world.everything))
        if self.whole:
            self.done_at = now
        for link in list(self.links.values()):
            self.announce(link, ask=True)
        world.clock.after(ANSWER_SECONDS, self.step, ev.Upstream(self.can_fetch))

    def die(self) -> None:
        """The process is gone; what it was sending does not arrive."""
        self.alive = False
        self.world.upstream.forget(self)

    # --- links ----------------------------------------------------------------------------------

    def link_up(self, peer: Node) -> None:
        flow = Flow(peer.line, self.line, self._arrived_from(peer.id))
        link = self.links[peer.id] = Link(peer, flow, self.world.clock.now)
        self.most_links = max(self.most_links, len(self.links))
        if self.scheduler is not None:
            self.announce(link, ask=True)

    def carried_to(self, peer: NodeId) -> int:
        """Bytes sent to a peer since the link came up."""
        link = self.links.get(peer)
        back = link.peer.links.get(self.id) if link is not None else None
        return back.flow.carried if back is not None else 0

    def link_down(self, peer: NodeId) -> None:
        link = self.links.pop(peer, None)
        if link is None:
            return
        self.world.lines.close(link.flow)
        if link.wants:
            self._company_changed()
        if link.listens or self.scheduler is not None:
            self.step(ev.PeerLeft(peer))

    def announce(self, link: Link, *, ask: bool) -> None:
        """Join, and the map of what is held."""
        link.listens = True
        join = Join(TOPIC, self.wants, self.can_fetch, ask)
        size = self.world.join_bytes
        if self.have:
            packed = self.have.to_bytes((self.have.bit_length() + 7) // 8, "little")
            size += wire_bytes(HaveMap(TOPIC, 0, packed))
        self.tally.add("Join", size)
        self._post(link.peer, link.peer.hear_join, self.id, join, self.have)

    def hear_join(self, sender: NodeId, join: Join, bits: int) -> None:
        link = self.links.get(sender)
        if link is None or self.scheduler is None:
            return
        if join.ask:
            self.announce(link, ask=False)
        self.step(ev.PeerJoined(sender, join.wants, join.can_fetch))
        self._company_of(link, join.wants)
        if bits:
            self.step(ev.PeerHas(sender, bits))

    def _company_of(self, link: Link, wants: bool) -> None:
        """A peer wants chunks, or does no more: tell those who do, soon."""
        if link.wants != wants:
            link.wants = wants
            self._company_changed()

    def _company_changed(self) -> None:
        if not self._company_set:
            self._company_set = True
            self.world.clock.after(COMPANY_SECONDS, self._say_company)

    def _say_company(self) -> None:
        self._company_set = False
        company = [link.peer for link in self.links.values() if link.wants]
        nodes = dealt(self._company, {node.id for node in company})
        before, self._company = self._company, nodes
        if self.takes_part and nodes and nodes != before:
            self.tally.add("Company", wire_bytes(Company(TOPIC, nodes)), len(company))
            self.world.clock.after(
                self.world.latency, _hear, self.id, company, ev.PeerCompany(self.id, nodes)
            )

    # --- messages -------------------------------------------------------------------------------

    def _post(self, target: Node, action: Callable[..., object], *arguments: Any) -> None:
        """A message to one peer; lost if it is gone by then."""
        self.world.clock.after(self.world.latency, _deliver, target, action, arguments)

    def _say(self, name: str, size: int, event: ev.Event) -> None:
        """A message to everybody who takes part."""
        self._flush()
        self._broadcast(name, size, event)

    def _audience(self) -> list[Node]:
        return [link.peer for link in self.links.values() if link.listens]

    def _broadcast(self, name: str, size: int, event: ev.Event) -> None:
        audience = self._audience()
        self.tally.add(name, size, len(audience))
        self.world.clock.after(self.world.latency, _hear, self.id, audience, event)

    def _flush(self) -> None:
        """Tell everybody what was stored since the last time: first the digests of it that are news."""
        fresh, self._fresh = self._fresh, 0
        attested, self._attested = self._attested, 0
        self._told += fresh.bit_count()
        if attested:
            size = sum(claims_bytes(first, count) for first, count in to_ranges(attested))
            audience = self._audience()
            self.tally.add("Claims", size, len(audience))
            self.world.clock.after(self.world.latency, _learn, self.id, audience, attested)
        if fresh:
            self._broadcast("Have", wire_bytes(Have(TOPIC, to_ranges(fresh))), ev.PeerHas(self.id, fresh))

    def _tell_gathered(self) -> None:
        """As swarm/transfer/news does it: tell what was stored, and gather what follows for a while."""
        self._gathering = bool(self._fresh) and self.alive
        if not self._gathering or self.scheduler is None:
            return
        self._flush()
        now = self.world.clock.now
        self._since = now if self._since is None else self._since
        missing = self.scheduler.missing.bit_count()
        self.world.clock.after(pause(now - self._since, self._told, missing), self._tell_gathered)

    def cares(self, bits: int) -> bool:
        """Whether it makes any difference to this node that a peer has these now.

        It makes none to one that has them too, but where all see all: there one is late that moves late.
        """
        return self.done_at is None and (not self.world.partial or bool(minus(bits, self.have)))

    # --- the scheduler --------------------------------------------------------------------------

    def step(self, event: ev.Event) -> None:
        if self.scheduler is None or not self.alive:
            return
        for command in self.scheduler.step(event, self.world.clock.now):
            _CARRY_OUT[type(command)](self, command)

    def _wake(self, command: ev.WakeAt) -> None:
        self._wake_at = command.time
        if self._alarm_at is None or command.time < self._alarm_at:
            self._alarm_at = command.time
            self.world.clock.at(command.time, self._ring, command.time)

    def _ring(self, time: float) -> None:
        if time != self._alarm_at:
            return
        self._alarm_at = None
        if self._wake_at > time:
            self._wake(ev.WakeAt(self._wake_at))
        else:
            self.step(ev.Tick())

    def _completed(self, command: ev.Complete) -> None:
        self.done_at = self.world.clock.now
        self.world.finished(self)
        join = Join(TOPIC, False, self.can_fetch, False)
        self._flush()
        audience = self._audience()
        self.tally.add("Join", wire_bytes(join), len(audience))
        for peer in audience:
            self._post(peer, peer.hear_join, self.id, join, 0)

    def _is_stuck(self, command: ev.Stuck) -> None:
        self.stuck = True

    def _say_lease(self, command: ev.SayLease) -> None:
        if command.held and not self._holds:
            self.leases += 1
        self._holds = command.held
        size = wire_bytes(Lease(TOPIC, command.held, command.fetched))
        self._say("Lease", size, ev.PeerLease(self.id, command.held, command.fetched))

    def _say_fetching(self, command: ev.SayFetching) -> None:
        size = wire_bytes(Fetching(TOPIC, to_ranges(command.bits)))
        self._say("Fetching", size, ev.PeerFetching(self.id, command.bits))

    def _pass_lease(self, command: ev.PassLease) -> None:
        holder, held, fetched, age = command.holder, command.held, command.fetched, command.age
        size = wire_bytes(LeaseHeard(TOPIC, holder, held, fetched, int(1000 * age)))
        self._tell(command.to, "LeaseHeard", size, ev.PeerLease(self.id, held, fetched, holder, age))

    def _pass_fetching(self, command: ev.PassFetching) -> None:
        size = wire_bytes(FetchingHeard(TOPIC, command.holder, to_ranges(command.bits)))
        self._tell(command.to, "FetchingHeard", size, ev.PeerFetching(self.id, command.bits, command.holder))

    def _pass_seed(self, command: ev.PassSeed) -> None:
        seed, bits, age = command.seed, command.bits, command.age
        size = wire_bytes(SeedHeard(TOPIC, seed, to_ranges(bits), int(1000 * age)))
        self._tell(command.to, "SeedHeard", size, ev.PeerSeed(self.id, seed, bits, age))

    def _tell(self, to: tuple[NodeId, ...], name: str, size: int, event: ev.Event) -> None:
        self.tally.add(name, size, len(to))
        audience = [self.links[peer].peer for peer in to if peer in self.links]
        self.world.clock.after(self.world.latency, _hear, self.id, audience, event)

    # --- digests --------------------------------------------------------------------------------

    def _ask_claims(self, command: ev.AskClaims) -> None:
        link = self.links.get(command.peer)
        if link is not None:
            self.tally.add("NeedClaims", wire_bytes(NeedClaims(TOPIC, to_ranges(command.bits))))
            self._post(link.peer, link.peer.answer_claims, self.id, command.bits)

    def answer_claims(self, asker: NodeId, bits: int) -> None:
        link = self.links.get(asker)
        known = bits & self.vouched
        if link is not None and known:
            self.tally.add("Claims", sum(claims_bytes(first, count) for first, count in to_ranges(known)))
            self._post(link.peer, link.peer.learn, known)

    def learn(self, bits: int) -> None:
        fresh = minus(bits, self.vouched)
        if fresh:
            self.vouched |= fresh
            self.step(ev.Vouched(fresh))

    # --- chunks ---------------------------------------------------------------------------------

    def _fetch(self, command: ev.Fetch) -> None:
        order, source, chunks = command.order, command.source, command.chunks
        if source == UPSTREAM:
            self.world.upstream.fetch(self, order, chunks)
            return
        link = self.links[source]
        self._orders[order] = link.flow
        self.tally.add("Request", request_bytes(chunks))
        self._post(link.peer, link.peer.serve, self.id, link.flow, order, chunks)

    def serve(self, asker: NodeId, flow: Flow, order: int, chunks: tuple[int, ...]) -> None:
        """A request came."""
        refused = 0
        lines, layout = self.world.lines, self.world.layout
        for chunk in chunks if flow.open else ():
            if self.have >> chunk & 1:
                lines.send(flow, order, chunk, layout.length(chunk))
            else:
                refused |= single(chunk)
        link = self.links.get(asker)
        if refused and link is not None:
            self.tally.add("Refuse", wire_bytes(Refuse(TOPIC, to_ranges(refused))))
            self._post(link.peer, link.peer.step, ev.OrderFailed(order, self.id, refused, False, absent=True))

    def _cancel(self, command: ev.Cancel) -> None:
        if self.world.upstream.cancel(self, command.order, command.bits):
            return
        flow = self._orders[command.order]
        if flow.open:
            self.tally.add("Cancel", wire_bytes(Cancel(TOPIC, to_ranges(command.bits))))
            self.world.clock.after(
                self.world.latency, self.world.lines.withdraw, flow, command.order, command.bits
            )

    def _arrived_from(self, source: NodeId) -> Callable[[int, int], None]:
        def arrived(order: int, chunk: int) -> None:
            self.stored(source, chunk)

        return arrived

    def stored(self, source: NodeId, chunk: int) -> None:
        """A chunk is here and right."""
        bit = single(chunk)
        if not self.alive or self.have & bit:
            self.world.wasted += 1
            return
        self.have |= bit
        if source == UPSTREAM:
            self.vouched |= bit
            self._attested |= bit
        self._fresh |= bit
        if not self._gathering:
            self._tell_gathered()
        self.step(ev.Stored(chunk, source))
        if source == UPSTREAM:
            self.step(ev.Vouched(bit))


def _deliver(target: Node, action: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    if target.alive:
        action(*arguments)


def _hear(sender: NodeId, audience: list[Node], event: ev.Event) -> None:
    news = event.bits if type(event) is ev.PeerHas else None
    for node in audience:
        if node.alive and sender in node.links and (news is None or node.cares(news)):
            node.step(event)


def _learn(sender: NodeId, audience: list[Node], bits: int) -> None:
    for node in audience:
        if node.alive and sender in node.links:
            node.learn(bits)


_CARRY_OUT: Final[dict[type[ev.Command], Callable[[Node, Any], None]]] = {
    ev.Fetch: Node._fetch,
    ev.Cancel: Node._cancel,
    ev.AskClaims: Node._ask_claims,
    ev.SayLease: Node._say_lease,
    ev.SayFetching: Node._say_fetching,
    ev.PassLease: Node._pass_lease,
    ev.PassFetching: Node._pass_fetching,
    ev.PassSeed: Node._pass_seed,
    ev.WakeAt: Node._wake,
    ev.Complete: Node._completed,
    ev.Stuck: Node._is_stuck,
}
