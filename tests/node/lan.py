"""A LAN of whole nodes in memory: real exchange, transfers and store, a hub that counts what it sends.

Each node is what `swarm.node.run` puts together, on a host of the `MemoryNetwork`, without discovery: every
node is told where the others are. Time is trio's MockClock, hashing and disk run inline, all keys and
faults come from numbers, so that a scenario always runs alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import time
from typing import Final

import trio
import trio.testing
from blake3 import blake3

from protocol.chunks import Bytes
from protocol.ids import NodeId, to_text
from protocol.limits import MIB
from protocol.manifest import File
from protocol.signing import Identity
from swarm.exchange.exchange import Exchange
from swarm.exchange.interfaces import Catalog, Network
from swarm.node.site import SiteKeeper
from swarm.node.transfers import Transfers
from swarm.scheduler.neighbours import MAX_LINKS
from swarm.sites.gate import SiteGate
from swarm.sources import Source, SourceFailed
from swarm.sources.address import Address
from swarm.sources.interface import Deliver
from swarm.sources.rate import RateLimiter
from swarm.store import Store, open_store
from swarm.transfer.ledger import Ledger
from swarm.workers import InlineWorkers
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import PORT, Content, Seen, entropy, identity

SETTLE: Final = 1.0
MIN_SETTLE: Final = 0.2

HUB: Final = "https://hub.test"
MIRROR: Final = "https://mirror.test"


class Hub:
    """The internet: mirrors that have all of a content, behind one line of `rate` bytes a second.

    `sent`: how often each chunk was sent. `wrong`: chunks that a mirror sends with a byte flipped.
    """

    def __init__(self, content: Content, *, rate: float = 4 * MIB, mirrors: Sequence[str] = (HUB,)) -> None:
        self.content = content
        self.mirrors = tuple(mirrors)
        self.wrong: dict[str, set[int]] = {}
        self.down = False
        self.sent: Counter[int] = Counter()
        self.times: list[float] = []
        self._rate = rate
        self._free_at = 0.0
        self._news = trio.lowlevel.ParkingLot()

    @property
    def share(self) -> float:
        """Payload sent so far as a multiple of the content's size."""
        layout = self.content.layout
        sent = sum(layout.length(chunk) * times for chunk, times in self.sent.items())
        return sent / sum(map(layout.length, range(layout.total)))

    async def reached(self, share: float) -> None:
        """Wait until so much of the content was sent."""
        while self.share < share:
            await self._news.park()

    async def send(self, mirror: str, chunk: int) -> bytes:
        data = self.content.chunk(chunk)
        self._free_at = max(self._free_at, trio.current_time()) + len(data) / self._rate
        await trio.sleep_until(self._free_at)
        self.sent[chunk] += 1
        self.times.append(trio.current_time())
        self._news.unpark_all()
        return flipped(data) if chunk in self.wrong.get(mirror, ()) else data


class Line:
    """A node's way to the hub (`swarm.transfer.orders.Upstream`), as an `UpstreamPool` would behave."""

    def __init__(self, hub: Hub, *, mirrors: Sequence[str] = ()) -> None:
        self.hub = hub
        self.mirrors = tuple(mirrors) or hub.mirrors
        self.closed = False
        self._avoided: dict[str, float] = {}

    @property
    def usable(self) -> bool:
        return not self.hub.down and self._mirror() is not None

    def avoid(self, source: Source, seconds: float) -> None:
        self._avoided[source.name] = trio.current_time() + seconds

    def _mirror(self) -> str | None:
        """The first that is not avoided."""
        now = trio.current_time()
        return next((name for name in self.mirrors if self._avoided.get(name, 0.0) <= now), None)

    async def fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._fetch, chunks, deliver)
        if not self.usable:
            raise SourceFailed(Source("upstream", self.mirrors[0]), "out of reach", lasting=True)

    async def _fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
        for chunk in chunks:
            mirror = self._mirror()
            if mirror is None or self.hub.down:
                return
            data = await self.hub.send(mirror, chunk)
            await deliver(Source("upstream", mirror), [(chunk, data)])

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed = True


def flipped(data: Bytes) -> bytes:
    """The same with its first byte changed."""
    changed = bytearray(data)
    changed[0] ^= 0xFF
    return bytes(changed)


class Killed(Exception):
    """The node was switched off under a `get`."""


class Node:
    """A whole node. `hub` None: it may not go upstream."""

    def __init__(
        self,
        store: Store,
        me: Identity,
        network: Network,
        hub: Hub | None,
        *,
        seed: int,
        upload: float | None,
        wrap: Callable[[Transfers], Catalog],
        mirrors: Sequence[str] = (),
        max_links: int = MAX_LINKS,
        gate: SiteGate | None = None,
        share_private: bool = False,
    ) -> None:
        self.id = me.node_id
        self.source = Source("peer", to_text(me.node_id))
        self.store = store
        self._hub = hub
        self._mirrors = mirrors
        began = trio.current_time()
        self.transfers = Transfers(
            store,
            me,
            InlineWorkers(),
            lambda: max(MIN_SETTLE, began + SETTLE - trio.current_time()),
            share_private=share_private,
        )
        self.exchange = Exchange(
            me,
            network,
            wrap(self.transfers),
            port=PORT,
            agent="test",
            entropy=entropy(seed),
            workers=InlineWorkers(),
            upload=RateLimiter(int(upload), trio.current_time) if upload else None,
            max_links=max_links,
            gate=gate,
        )
        self.site = (
            SiteKeeper(gate, self.exchange, me, InlineWorkers(), share_private=share_private)
            if gate
            else None
        )
        self.finished_at = float("inf")
        self._scope = trio.CancelScope()
        self._gets: list[trio.CancelScope] = []
        self.notes: list[str] = []
        self.ledger = Ledger()

    async def get(self, content: Content, *names: str, public: bool = True) -> None:
        """Have these files of the content committed, or all of them; Killed when the node is."""
        with trio.CancelScope() as scope:
            self._gets.append(scope)
            await self._get(content, names, public)
        if scope.cancelled_caught:
            raise Killed

    def kill(self) -> None:
        for scope in [*self._gets, self._scope]:
            scope.cancel()

    async def _get(self, content: Content, names: Sequence[str], public: bool) -> None:
        files = [file for file in content.snapshot.files if not names or file.path in names]
        line = Line(self._hub, mirrors=self._mirrors) if self._hub else None
        await self.store.remember(content.snapshot, public=public, revisions=["main"])
        async with self.transfers.use(content.snapshot, line) as transfer:
            try:
                await transfer.want(files)
            finally:
                self.notes += transfer.notes
                self.ledger = transfer.ledger
        await self.store.mark_complete(content.snapshot.key, [file.path for file in files])
        self.finished_at = trio.current_time()

    async def holds(self, files: Sequence[File]) -> bool:
        """Whether all of these are committed and every byte on disk is the publisher's."""
        held = await self.store.held(file.blob for file in files)
        for blob, state in held.items():
            if not state.complete:
                return False
            hasher = blob.hasher()
            hasher.update(self.store.path(blob).read_bytes())
            if hasher.digest() != blob.digest:
                return False
        return True

    async def received(self, content: Content) -> Counter[str]:
        """Bytes held of the content by the kind of who sent them."""
        count: Counter[str] = Counter()
        for blob in content.layout.blobs:
            for source, length in (await self.store.provenance(blob)).items():
                count[source.kind] += length
        return count

    async def blamed(self) -> set[Source]:
        """Who is named in this node's incidents."""
        return {incident.source for incident in await self.store.incidents()}

    @property
    def payload(self) -> int:
        """Chunk bytes that came over the links there are."""
        return sum(peer.received for peer in self.exchange.peers())


class Lan:
    """Nodes on one switch, in front of one hub. `calendar`: what time the stores take it to be."""

    def __init__(self, root: Path, content: Content, hub: Hub, network: MemoryNetwork) -> None:
        self.root = root
        self.content = content
        self.hub = hub
        self.network = network
        self.nodes: dict[int, Node] = {}
        self.max_links = MAX_LINKS
        self.calendar: Callable[[], float] = time
        self._nursery: trio.Nursery

    async def start(
        self,
        number: int,
        *,
        online: bool = True,
        upload: float | None = None,
        wrap: Callable[[Transfers], Catalog] = lambda transfers: transfers,
        mirrors: Sequence[str] = (),
        gate: SiteGate | None = None,
        share_private: bool = False,
    ) -> Node:
        """Switch a node on; its store is the one it had before, if it ran before."""
        node: Node = await self._nursery.start(
            self._run, number, online, upload, wrap, mirrors, gate, share_private
        )
        for other_number, other in self.nodes.items():
            node.exchange.sighting(Seen(other.id, (_address(other_number),), "mdns"))
            other.exchange.sighting(Seen(node.id, (_address(number),), "mdns"))
        self.nodes[number] = node
        return node

    async def _run(
        self,
        number: int,
        online: bool,
        upload: float | None,
        wrap: Callable[[Transfers], Catalog],
        mirrors: Sequence[str],
        gate: SiteGate | None,
        share_private: bool,
        *,
        task_status: trio.TaskStatus[Node],
    ) -> None:
        async with AsyncExitStack() as stack:
            opening = open_store(self.root / str(number), InlineWorkers(), now=self.calendar)
            store = await stack.enter_async_context(opening)
            node = Node(
                store,
                identity(number),
                self.network.host(_address(number).host),
                self.hub if online else None,
                seed=number,
                upload=upload,
                wrap=wrap,
                mirrors=mirrors,
                max_links=self.max_links,
                gate=gate,
                share_private=share_private,
            )
            stack.enter_context(node._scope)
            nursery = await stack.enter_async_context(trio.open_nursery())
            if node.site is not None:
                await node.site.begin()
                nursery.start_soon(node.site.run)
            await nursery.start(node.exchange.run)
            node.transfers.start(nursery, node.exchange)
            task_status.started(node)
            await trio.sleep_forever()

    async def crash(self, number: int) -> None:
        """The process is killed: its connections close, its store stays as it is on disk."""
        self.nodes.pop(number).kill()
        await trio.testing.wait_all_tasks_blocked()

    async def restart(self, number: int, *, upload: float | None = None, mirrors: Sequence[str] = ()) -> Node:
        """The same node again, with another line to its peers or other mirrors."""
        await self.crash(number)
        return await self.start(number, upload=upload, mirrors=mirrors)

    def first_in_rank(self) -> int:
        """Who will be the origin of the content if all these nodes want it."""
        topic = self.content.key
        return min(self.nodes, key=lambda number: blake3(topic + self.nodes[number].id).digest())

    def origin_first(self) -> list[int]:
        """All nodes: who will be the origin, then the others by number."""
        origin = self.first_in_rank()
        return [origin, *sorted(set(self.nodes) - {origin})]

    async def get_all(self, *numbers: int) -> None:
        """Have these nodes, or all, get the whole content at the same moment."""
        async with trio.open_nursery() as nursery:
            for number in numbers or tuple(self.nodes):
                nursery.start_soon(self.nodes[number].get, self.content)

    async def all_hold(self, *numbers: int) -> bool:
        """Whether these nodes, or all, hold the whole content, byte for byte."""
        files = self.content.snapshot.files
        return all([await self.nodes[number].holds(files) for number in numbers or tuple(self.nodes)])

    def break_link(self, one: int, other: int) -> None:
        self.network.break_streams(_address(one).host, _address(other).host)

    def cut_cable(self, number: int) -> None:
        self.network.cut(_address(number).host)


def _address(number: int) -> Address:
    return Address(f"10.0.0.{number}", PORT)


def node_id(number: int) -> NodeId:
    return identity(number).node_id


@asynccontextmanager
async def lan(
    root: Path, content: Content, hub: Hub, *, nodes: int = 0, seed: int = 0, max_links: int = MAX_LINKS
) -> AsyncIterator[Lan]:
    """A LAN with this many nodes, numbered from 1, which may all go upstream."""
    made = Lan(root, content, hub, MemoryNetwork(seed))
    made.max_links = max_links
    async with trio.open_nursery() as nursery:
        made._nursery = nursery
        for number in range(1, nodes + 1):
            await made.start(number)
        yield made
        nursery.cancel_scope.cancel()
