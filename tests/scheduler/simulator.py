"""A simulated LAN on which nodes run the real Scheduler: discrete events, exact times, one seed.

What is modelled: every host sends at most `up` and receives at most `down` bytes per second; its uplink is
shared piece by piece, in turn, among the flows that have something to send and whose receiver has room
(so a slow receiver holds up nobody else); messages take `latency` and stay in order. The hub is a host
that only sends. A node's adapter does what swarm/transfer and swarm/exchange do: turns commands into
messages, tells everybody of stored chunks, gathered as swarm/transfer/news has it, attests what came from
upstream, answers questions for digests.
What is not: loss and retransmission, processor time, disks.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from protocol.bits import from_members, members, minus, single
from protocol.ids import NodeId, SnapshotKey
from protocol.limits import KIB
from protocol.manifest import Blob, Layout
from swarm.scheduler import events as ev
from swarm.scheduler.events import UPSTREAM
from swarm.scheduler.scheduler import Scheduler
from swarm.transfer.news import pause

PIECE = 64 * KIB
"""Bytes sent at a time by one flow before the next flow's turn."""

IN_FLIGHT = 4 * PIECE
"""Bytes a flow may have sent that the receiver's link has not taken yet."""

MBIT = 1_000_000 / 8
"""Bytes per second of one megabit per second."""

TOPIC = SnapshotKey(bytes(32))


def layout(*sizes: int) -> Layout:
    """Blobs of these sizes, in this order."""
    return Layout(Blob("sha256", number.to_bytes(32, "big"), size) for number, size in enumerate(sizes))


@dataclass
class Host:
    """A machine's two directions; `sending` are its flows in the order of their turns."""

    up: float
    down: float
    sending: deque[Flow] = field(default_factory=deque)
    busy: bool = False
    down_free_at: float = 0.0


@dataclass(eq=False)
class Flow:
    """Chunks queued from one host for one order's node: (order, chunk, bytes left)."""

    sender: Host
    node: Node
    source: NodeId
    queue: deque[list[int]] = field(default_factory=deque)
    in_flight: int = 0
    open: bool = True


class World:
    """The event queue and the hosts. `upstream_rate` is shared by all nodes, as one line to the internet."""

    def __init__(
        self,
        lengths: Layout,
        *,
        upstream_rate: float,
        seed: int = 0,
        latency: float = 0.001,
        pause: Callable[[float, int, int], float] = pause,
    ) -> None:
        self.lengths = lengths
        self.pause = pause
        self.now = 0.0
        self.random = random.Random(seed)
        self.latency = latency
        self.hub = Host(upstream_rate, upstream_rate)
        self.hub_latency = 0.02
        self.nodes: dict[NodeId, Node] = {}
        self.upstream_bytes = 0
        self.steady: Node | None = None
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (time, next(self._numbers), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds, action)

    def add(self, number: int, **options: object) -> Node:
        """A node; it does nothing until `start`."""
        node = Node(self, NodeId(bytes([number % 251 * 97 % 256]) + number.to_bytes(31, "big")), **options)  # type: ignore[arg-type]
        self.nodes[node.id] = node
        return node

    def run(self, until: Callable[[], bool], limit: float = 600.0) -> float:
        """Go on until the condition holds; its time. AssertionError after `limit` s or if all is quiet."""
        while not until():
            assert self._queue, "nothing will ever happen again"
            self.now, _, action = heapq.heappop(self._queue)
            assert self.now < limit, self.report()
            action()
        return self.now

    def run_to_end(self, limit: float = 600.0) -> float:
        """Until every node that wants something and lives has all of it."""
        return self.run(
            lambda: all(node.done for node in self.nodes.values() if node.alive and node.wanted), limit
        )

    def report(self) -> str:
        lines = [f"at {self.now:.2f}s"]
        for node in self.nodes.values():
            lines.append(
                f"{node} missing {node.scheduler.missing.bit_count()} origin {node.scheduler.is_origin}"
            )
        return "\n".join(lines)

    # --- bytes ----------------------------------------------------------------------------------

    def enqueue(self, flow: Flow, order: int, chunk: int) -> None:
        flow.queue.append([order, chunk, self.lengths.length(chunk)])
        if flow not in flow.sender.sending:
            flow.sender.sending.append(flow)
        self._pump(flow.sender)

    def _pump(self, host: Host) -> None:
        """Send the next piece of the next flow that may send."""
        if host.busy:
            return
        for _ in range(len(host.sending)):
            flow = host.sending.popleft()
            if not flow.queue or not flow.open:
                continue
            host.sending.append(flow)
            if flow.in_flight < IN_FLIGHT:
                self._send_piece(host, flow)
                return

    def _send_piece(self, host: Host, flow: Flow) -> None:
        order, chunk, left = flow.queue[0]
        size = min(PIECE, left)
        flow.in_flight += size
        flow.queue[0][2] -= size
        last = flow.queue[0][2] == 0
        if last:
            flow.queue.popleft()
        host.busy = True
        sent_at = self.now + size / host.up
        latency = self.hub_latency if host is self.hub else self.latency
        self.at(sent_at, lambda: self._sent(host))
        self.at(sent_at + latency, lambda: self._reached(flow, order, chunk, size, last))

    def _sent(self, host: Host) -> None:
        host.busy = False
        self._pump(host)

    def _reached(self, flow: Flow, order: int, chunk: int, size: int, last: bool) -> None:
        """The last byte of a piece is at the receiver's link, which may be busy with others."""
        receiver = flow.node.host
        took = size / receiver.down
        receiver.down_free_at = max(self.now, receiver.down_free_at + took)
        self.at(receiver.down_free_at, lambda: self._taken(flow, order, chunk, size, last))

    def _taken(self, flow: Flow, order: int, chunk: int, size: int, last: bool) -> None:
        flow.in_flight -= size
        if flow.source == UPSTREAM:
            self.upstream_bytes += size
            flow.node.upstream_bytes += size
        if flow.open and flow.node.alive:
            flow.node.received += size
            if last:
                flow.node.arrived(flow.source, order, chunk)
        self._pump(flow.sender)


class Node:
    """One node: the real Scheduler, and an adapter that does to the simulated world what it says."""

    def __init__(
        self,
        world: World,
        node_id: NodeId,
        *,
        up: float,
        down: float | None = None,
        have: int = 0,
        wanted: int | None = None,
        can_fetch: bool = True,
        liar: bool = False,
        mute: bool = False,
        settle: float = 0.5,
    ) -> None:
        total = world.lengths.total
        self.world = world
        self.id = node_id
        self.host = Host(up, down or up)
        self.have = have
        self.wanted = (1 << total) - 1 if wanted is None else wanted
        self.can_fetch = can_fetch
        self.liar = liar
        self.mute = mute
        self.settle = settle
        self.alive = False
        self.done = False
        self.done_at = 0.0
        self.stuck = False
        self.known = have
        self.links: set[NodeId] = set()
        self.flows: dict[NodeId, Flow] = {}
        self.orders: dict[int, NodeId] = {}
        self.served: Counter[int] = Counter()
        self.received = 0
        self.upstream_bytes = 0
        self.upstream_dead = False
        self.scheduler: Scheduler
        self._wake = 0
        self._fresh = 0
        self._attested = 0
        self._gathering = False
        self._told = 0
        self._since: float | None = None

    def __str__(self) -> str:
        return f"node {self.id[-1]}"

    def start(self, join_delay: Callable[[], float] | None = None) -> None:
        """Begin now; links with everybody alive come up after `join_delay()` seconds each."""
        self.alive = True
        now = self.world.now
        self.scheduler = Scheduler(self.id, TOPIC, self.world.lengths, self.have, now, settle=self.settle)
        self.step(ev.Upstream(self.can_fetch))
        self.step(ev.Vouched(self.have))
        self.step(ev.Wanted(self.wanted))
        for other in list(self.world.nodes.values()):
            if other is not self and other.alive:
                delay = join_delay() if join_delay is not None else self.world.latency
                self.world.after(delay, lambda other=other: self.link(other))  # type: ignore[misc]

    def link(self, other: Node) -> None:
        if not (self.alive and other.alive) or other.id in self.links:
            return
        for one, two in ((self, other), (other, self)):
            one.links.add(two.id)
            one.flows[two.id] = Flow(two.host, one, two.id)
            one.tell(two, ev.PeerJoined(one.id, bool(one.scheduler.missing), one.can_fetch))
            one.tell(two, ev.PeerHas(one.id, one.claimed))

    @property
    def claimed(self) -> int:
        return (1 << self.world.lengths.total) - 1 if self.liar else self.have

    def unlink(self, other: Node) -> None:
        for one, two in ((self, other), (other, self)):
            if two.id in one.links:
                one.links.discard(two.id)
                one.flows.pop(two.id).open = False
                if one.alive:
                    one.step(ev.PeerLeft(two.id))

    def kill(self) -> None:
        """The process dies; the others' links break at once."""
        self.alive = False
        for flow in self.flows.values():
            flow.open = False
        for other in list(self.links):
            self.unlink(self.world.nodes[other])

    def silence(self) -> None:
        """Everything that this node sends from now on is lost, and nobody is told."""
        self.mute = True

    def break_upstream(self) -> None:
        """What is under way from the hub stops, and nothing more will come."""
        self.upstream_dead = True
        for order, source in list(self.orders.items()):
            if source == UPSTREAM:
                self.upstream_flow(order).open = False
                everything_asked = (1 << self.world.lengths.total) - 1
                self.step(ev.OrderFailed(order, UPSTREAM, everything_asked, True))

    def lose(self, bits: int) -> None:
        """Stored chunks turn out wrong."""
        bits &= self.have
        self.have = minus(self.have, bits)
        self.done = False
        self.tell_all(ev.PeerLost(self.id, bits))
        self.tell_all(ev.PeerJoined(self.id, True, self.can_fetch))
        self.step(ev.Discarded(bits))

    def upstream_flow(self, order: int) -> Flow:
        """The flow that carries this order from the hub."""
        key = NodeId(b"order" + order.to_bytes(8, "big"))
        return self.flows.setdefault(key, Flow(self.world.hub, self, UPSTREAM))

    def tell(self, other: Node, event: ev.Event, extra: float = 0.0) -> None:
        """A control message: what the other node's scheduler will hear."""

        def deliver() -> None:
            if other.alive and self.id in other.links and not self.mute:
                other.step(event)

        self.world.after(self.world.latency + extra, deliver)

    def tell_all(self, event: ev.Event) -> None:
        for other in sorted(self.links):
            self.tell(self.world.nodes[other], event)

    def step(self, event: ev.Event) -> None:
        if self.alive:
            for command in self.scheduler.step(event, self.world.now):
                self.carry_out(command)

    # --- commands -------------------------------------------------------------------------------

    def carry_out(self, command: ev.Command) -> None:
        match command:
            case ev.Fetch(order, source, chunks):
                self.fetch(order, source, chunks)
            case ev.Cancel(order, bits):
                self.cancel(order, bits)
            case ev.AskClaims(peer, bits):
                self.ask(self.world.nodes[peer], bits)
            case ev.SayLease(held, fetched):
                self.tell_all(ev.PeerLease(self.id, held, fetched))
            case ev.SayFetching(bits):
                self.tell_all(ev.PeerFetching(self.id, bits))
            case ev.PassLease() | ev.PassFetching():
                self.pass_on(command)
            case ev.WakeAt(time):
                self.wake(time)
            case ev.Complete():
                self.done, self.done_at = True, self.world.now
                self.flush()
                self.tell_all(ev.PeerJoined(self.id, False, self.can_fetch))
            case ev.Stuck():
                self.stuck = True

    def pass_on(self, command: ev.PassLease | ev.PassFetching) -> None:
        event: ev.Event
        match command:
            case ev.PassLease(holder, held, fetched, age, _):
                event = ev.PeerLease(self.id, held, fetched, holder, age)
            case ev.PassFetching(holder, bits, _):
                event = ev.PeerFetching(self.id, bits, holder)
        for peer in command.to:
            self.tell(self.world.nodes[peer], event)

    def wake(self, time: float) -> None:
        self._wake += 1
        number = self._wake
        assert time >= self.world.now, "woken in the past"
        self.world.at(time, lambda: self.step(ev.Tick()) if number == self._wake else None)

    def fetch(self, order: int, source: NodeId, chunks: tuple[int, ...]) -> None:
        assert 0 < len(chunks) <= 512
        assert len(set(chunks)) == len(chunks)
        self.orders[order] = source
        if source == UPSTREAM:
            if self.upstream_dead or not self.can_fetch:
                bits = from_members(chunks)
                self.world.after(0.05, lambda: self.step(ev.OrderFailed(order, source, bits, True)))
                return
            flow = self.upstream_flow(order)
            self.world.after(self.world.hub_latency, lambda: self.queue(flow, order, chunks))
            return
        flow = self.flows[source]
        self.world.after(self.world.latency, lambda: self.queue(flow, order, chunks))

    def queue(self, flow: Flow, order: int, chunks: tuple[int, ...]) -> None:
        """The sender has the request."""
        if not flow.open:
            return
        sender = self.world.nodes.get(flow.source)
        if sender is not None and (not sender.alive or sender.mute):
            return
        refused = 0
        for chunk in chunks:
            if self.orders.get(order) is None:
                return
            if sender is not None and not sender.claimed >> chunk & 1:
                refused |= single(chunk)
                continue
            if sender is not None:
                sender.served[chunk] += 1
            self.world.enqueue(flow, order, chunk)
        if refused:
            self.world.after(
                self.world.latency, lambda: self.step(ev.OrderFailed(order, flow.source, refused, False))
            )

    def cancel(self, order: int, bits: int) -> None:
        source = self.orders[order]
        flow = self.upstream_flow(order) if source == UPSTREAM else self.flows.get(source)
        if flow is None:
            return

        def dequeue() -> None:
            flow.queue = deque(
                item
                for place, item in enumerate(flow.queue)
                if item[0] != order
                or not bits >> item[1] & 1
                or (place == 0 and item[2] < self.world.lengths.length(item[1]))
            )

        self.world.after(self.world.latency, dequeue)

    def ask(self, peer: Node, bits: int) -> None:
        def answer() -> None:
            if peer.alive and not peer.mute:
                known = bits & (peer.claimed if peer.liar else peer.known)
                self.world.after(self.world.latency, lambda: self.learn(known))

        self.world.after(self.world.latency, answer)

    def attest(self, peer: Node, bits: int) -> None:
        """The peer hears the digests of what came from upstream."""
        if not self.mute:
            peer.learn(bits)

    def learn(self, bits: int) -> None:
        if minus(bits, self.known):
            self.known |= bits
            self.step(ev.Vouched(bits))

    # --- what arrives ---------------------------------------------------------------------------

    def arrived(self, source: NodeId, order: int, chunk: int) -> None:
        if self.have >> chunk & 1:
            return
        sender = self.world.nodes.get(source)
        if sender is not None and sender.liar and not sender.have >> chunk & 1:
            flow = self.flows[source]
            gone = [item for item in flow.queue if item[0] == order]
            flow.queue = deque(item for item in flow.queue if item[0] != order)
            bits = from_members([chunk, *(item[1] for item in gone)])
            self.step(ev.OrderFailed(order, source, bits, True))
            return
        self.have |= single(chunk)
        if source == UPSTREAM:
            self.learn(single(chunk))
            self._attested |= single(chunk)
        self._fresh |= single(chunk)
        if not self._gathering:
            self.say_gathered()
        self.step(ev.Stored(chunk, source))

    def say_gathered(self) -> None:
        """Tell everybody what was stored since the last time; what follows is gathered for a while."""
        self._gathering = bool(self._fresh and self.alive)
        if not self._gathering:
            return
        self.flush()
        now, missing = self.world.now, self.scheduler.missing.bit_count()
        self._since = now if self._since is None else self._since
        self.world.after(self.world.pause(now - self._since, self._told, missing), self.say_gathered)

    def flush(self) -> None:
        """Tell everybody what was stored since the last time: first the digests of it that are news."""
        attested, self._attested = self._attested, 0
        fresh, self._fresh = self._fresh, 0
        self._told += fresh.bit_count()
        if attested:
            for other in sorted(self.links):
                self.world.after(self.world.latency, partial(self.attest, self.world.nodes[other], attested))
        if fresh:
            self.tell_all(ev.PeerHas(self.id, fresh))


def relayed(node: Node) -> float:
    """How often a node sent each chunk that it sent, on average."""
    return sum(node.served.values()) / max(len(node.served), 1)


def missing_of(node: Node) -> list[int]:
    return list(members(node.scheduler.missing))
