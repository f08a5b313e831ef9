"""Nodes that run the real Scheduler on a simulated LAN: discrete events, exact times, one seed.

A node's adapter does what swarm/transfer and swarm/exchange do: turns commands into messages, tells everybody
of stored chunks (gathered for `gather` seconds), attests what came from upstream, answers questions for
digests. Messages take the latency of the LAN and stay in order; bytes travel as `network` describes. The hub
is a host that only sends.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any

from protocol.bits import from_members, members, minus, single
from protocol.ids import NodeId, SnapshotKey
from protocol.manifest import Blob, Layout
from swarm.exchange.given import Given
from swarm.scheduler import events as ev
from swarm.scheduler.events import UPSTREAM
from swarm.scheduler.scheduler import Scheduler
from tests.scheduler.network import (
    MBIT,
    PIECE,
    Clock,
    Cores,
    Costs,
    Desk,
    Flow,
    Host,
    Piece,
    Processor,
    seeded,
)

__all__ = ["MBIT", "TOPIC", "Node", "World", "layout", "missing_of", "relayed"]

FREE = Costs()
"""Work that takes no time."""

TOPIC = SnapshotKey(bytes(32))


def layout(*sizes: int) -> Layout:
    """Blobs of these sizes, in this order."""
    return Layout(Blob("sha256", number.to_bytes(32, "big"), size) for number, size in enumerate(sizes))


class World(Clock):
    """The nodes and the hub. `upstream_rate` is shared by all nodes, as one line to the internet.

    costs, cores: of the nodes' work, and how many cores they share (None: one each). gather: seconds for
    which a node gathers news of its chunks. pieces: one of these is drawn for each flow, its share of a link.
    """

    def __init__(
        self,
        lengths: Layout,
        *,
        upstream_rate: float,
        seed: int = 0,
        costs: Costs = FREE,
        cores: int | None = None,
        gather: float = 0.0,
        pieces: tuple[int, ...] = (PIECE,),
    ) -> None:
        super().__init__()
        self.lengths = lengths
        self.random = seeded(seed)
        self.costs = costs
        self.cores = None if cores is None else Cores(cores)
        self.gather = gather
        self.pieces = pieces
        self.latency = 0.001
        self.hub = Host(upstream_rate, upstream_rate, Processor(self), latency=0.02)
        self.nodes: dict[NodeId, Node] = {}
        self.upstream_bytes = 0
        self.messages = 0
        self.steady: Node | None = None

    def add(self, number: int, **options: Any) -> Node:
        """A node; it does nothing until `start`."""
        node = Node(self, NodeId(bytes([number % 251 * 97 % 256]) + number.to_bytes(31, "big")), **options)
        self.nodes[node.id] = node
        return node

    def run_to_end(self, limit: float = 600.0) -> float:
        """Until every node that wants something and lives has all of it."""
        return self.run(
            lambda: all(node.done for node in self.nodes.values() if node.alive and node.wanted), limit
        )

    def report(self) -> str:
        lines = [super().report()]
        for node in self.nodes.values():
            lines.append(
                f"{node} missing {node.scheduler.missing.bit_count()} origin {node.scheduler.is_origin}"
            )
        return "\n".join(lines)


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
        self.host = Host(up, down or up, Processor(world, world.cores))
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
        self.given = Given()
        self.askers: dict[Flow, Node] = {}
        self.orders: dict[int, NodeId] = {}
        self.served: Counter[int] = Counter()
        self.fresh = 0
        self.received = 0
        self.upstream_bytes = 0
        self.upstream_dead = False
        self.scheduler: Scheduler
        self._wake = 0

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
                self.world.after(delay, partial(self.link, other))

    def link(self, other: Node) -> None:
        if not (self.alive and other.alive) or other.id in self.links:
            return
        for one, two in ((self, other), (other, self)):
            one.links.add(two.id)
            flow = one.flows[two.id] = one.flow(two.host, two.id, two)
            two.given.open(flow)
            two.askers[flow] = one
            one.tell(two, ev.PeerJoined(one.id, bool(one.scheduler.missing), one.can_fetch))
            one.tell(two, ev.PeerHas(one.id, one.claimed))

    def flow(self, sender: Host, source: NodeId, desk: Desk | None = None) -> Flow:
        """Bytes from this sender to this node."""
        piece = self.world.random.choice(self.world.pieces)
        take = partial(self.take, source)
        return Flow(self.world, self.world.costs, sender, self.host, take, piece, desk)

    def give(self, flow: Flow, chunk: int) -> bool:
        """Whether this node sends a chunk, or lets others do so (swarm/exchange/serving.py)."""
        if not self.scheduler.missing and not self.given.give(flow, TOPIC, [chunk], self.world.now):
            asker = self.askers[flow]
            self.tell(asker, ev.PeerElsewhere(self.id, single(chunk)))
            return False
        self.served[chunk] += 1
        return True

    def sent(self, flow: Flow, chunk: int) -> None:
        self.given.sent(flow, TOPIC, [chunk], self.world.now)

    @property
    def claimed(self) -> int:
        return (1 << self.world.lengths.total) - 1 if self.liar else self.have

    def unlink(self, other: Node) -> None:
        for one, two in ((self, other), (other, self)):
            if two.id in one.links:
                one.links.discard(two.id)
                flow = one.flows.pop(two.id)
                flow.open = False
                two.given.close(flow)
                del two.askers[flow]
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

    def stop(self) -> None:
        """The process does nothing any more; its links stay."""
        self.host.processor.stop()
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
        if key not in self.flows:
            self.flows[key] = self.flow(self.world.hub, UPSTREAM)
        return self.flows[key]

    def send(self, other: Node, heard: Callable[[], None]) -> None:
        """A message to another node: work to send it, its way, and work to hear it."""
        cost = self.world.costs.message

        def deliver() -> None:
            if other.alive and not self.mute:
                other.host.processor.do(cost, heard)

        self.world.messages += 1
        self.host.processor.do(cost, lambda: self.world.after(self.world.latency, deliver))

    def tell(self, other: Node, event: ev.Event) -> None:
        """A control message: what the other node's scheduler will hear."""

        def heard() -> None:
            if self.id in other.links:
                other.step(event)

        self.send(other, heard)

    def tell_all(self, event: ev.Event) -> None:
        if self.fresh:
            self.flush()
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
            case ev.PassLease() | ev.PassFetching() | ev.PassSeed():
                self.pass_on(command)
            case ev.WakeAt(time):
                self.wake(time)
            case ev.Complete():
                self.done, self.done_at = True, self.world.now
                self.tell_all(ev.PeerJoined(self.id, False, self.can_fetch))
            case ev.Stuck():
                self.stuck = True

    def pass_on(self, command: ev.PassLease | ev.PassFetching | ev.PassSeed) -> None:
        event: ev.Event
        match command:
            case ev.PassLease(holder, held, fetched, age, _):
                event = ev.PeerLease(self.id, held, fetched, holder, age)
            case ev.PassFetching(holder, bits, _):
                event = ev.PeerFetching(self.id, bits, holder)
            case ev.PassSeed(seed, bits, age, _):
                event = ev.PeerSeed(self.id, seed, bits, age)
        for peer in command.to:
            self.tell(self.world.nodes[peer], event)

    def wake(self, time: float) -> None:
        self._wake += 1
        number = self._wake
        assert time >= self.world.now, "woken in the past"

        def tick() -> None:
            if number == self._wake:
                self.step(ev.Tick())

        self.world.at(time, lambda: self.host.processor.do(0.0, tick))

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
            self.world.after(self.world.hub.latency, lambda: self.flow_all(flow, order, chunks))
            return
        sender = self.world.nodes[source]
        flow = self.flows[source]
        self.send(sender, lambda: sender.serve(self, flow, order, chunks))

    def flow_all(self, flow: Flow, order: int, chunks: tuple[int, ...]) -> None:
        """The hub has the request."""
        for chunk in chunks:
            flow.send(order, chunk, self.world.lengths.length(chunk))

    def serve(self, asking: Node, flow: Flow, order: int, chunks: tuple[int, ...]) -> None:
        """This node was asked for chunks."""
        if not flow.open or self.mute:
            return
        refused = 0
        for chunk in chunks:
            if self.claimed >> chunk & 1:
                flow.send(order, chunk, self.world.lengths.length(chunk))
            else:
                refused |= single(chunk)
        if refused:
            self.refuse(asking, flow, order, refused)

    def refuse(self, asking: Node, flow: Flow, order: int, bits: int) -> None:
        """Say that these will not come."""
        failed = ev.OrderFailed(order, self.id, bits, False, absent=True)
        self.send(asking, lambda: asking.step(failed) if flow.open else None)

    def cancel(self, order: int, bits: int) -> None:
        source = self.orders[order]
        flow = self.upstream_flow(order) if source == UPSTREAM else self.flows.get(source)
        if flow is None:
            return

        withdraw = partial(flow.withdraw, order, bits, self.world.lengths)
        if source == UPSTREAM:
            self.world.after(self.world.hub.latency, withdraw)
        else:
            self.send(self.world.nodes[source], withdraw)

    def ask(self, peer: Node, bits: int) -> None:
        def answer() -> None:
            if peer.alive and not peer.mute:
                known = bits & (peer.claimed if peer.liar else peer.known)
                peer.send(self, lambda: self.learn(known))

        self.send(peer, answer)

    def attest(self, peer: Node, bits: int) -> None:
        """The peer hears the digests of what came from upstream."""
        if not self.mute:
            peer.learn(bits)

    def learn(self, bits: int) -> None:
        if minus(bits, self.known):
            self.known |= bits
            self.step(ev.Vouched(bits))

    # --- what arrives ---------------------------------------------------------------------------

    def take(self, source: NodeId, piece: Piece, wanted: bool) -> None:
        """Some bytes came. wanted: the flow is still open."""
        if source == UPSTREAM:
            self.world.upstream_bytes += piece.size
            self.upstream_bytes += piece.size
        if self.alive and wanted:
            self.received += piece.size
            if piece.last:
                self.arrived(source, piece.order, piece.chunk)

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
            for other in sorted(self.links):
                peer = self.world.nodes[other]
                self.send(peer, partial(self.attest, peer, single(chunk)))
        if not self.fresh:
            self.world.after(self.world.gather, lambda: self.host.processor.do(0.0, self.flush))
        self.fresh |= single(chunk)
        self.step(ev.Stored(chunk, source))

    def flush(self) -> None:
        """Tell everybody of the chunks stored since the last time."""
        fresh, self.fresh = self.fresh, 0
        if fresh:
            self.tell_all(ev.PeerHas(self.id, fresh))


def relayed(node: Node) -> float:
    """How often a node sent each chunk that it sent, on average."""
    return sum(node.served.values()) / max(len(node.served), 1)


def missing_of(node: Node) -> list[int]:
    return list(members(node.scheduler.missing))
