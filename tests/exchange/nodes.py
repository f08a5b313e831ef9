"""Nodes for tests of the exchange: identities from a number, snapshots in memory, a LAN of exchanges."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio
from blake3 import blake3

from protocol.bits import everything
from protocol.ids import ChunkDigest, NodeId, SnapshotKey
from protocol.manifest import Blob, File, Layout, Snapshot
from protocol.messages import Claims, Company, Ranges
from protocol.signing import Identity, attest
from protocol.standing import Audience, Standing, admits
from swarm.exchange.exchange import Exchange
from swarm.exchange.interfaces import PeerGone, PeerMessage, Reader, Served
from swarm.exchange.topics import Topic
from swarm.sources.address import Address
from swarm.sources.interface import Arrived, Source
from swarm.store import ChunkReader
from swarm.workers import InlineWorkers
from tests.exchange.memory import MemoryNetwork

PORT = 7677


def identity(number: int) -> Identity:
    return Identity(number.to_bytes(32, "big"), (number + 1000).to_bytes(32, "big"))


def made_up(number: int) -> NodeId:
    """The id of a node that there is not."""
    return NodeId(number.to_bytes(32, "big"))


def entropy(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


class Content:
    """A snapshot and all of its bytes."""

    def __init__(self, *sizes: int, seed: int = 0) -> None:
        source = random.Random(seed)
        self.files = [source.randbytes(size) for size in sizes]
        files = [
            File(f"f{number:03}", Blob("sha256", hashlib.sha256(data).digest(), len(data)))
            for number, data in enumerate(self.files)
        ]
        self.snapshot = Snapshot("hf", "model", "org/model", f"{seed:040x}", tuple(files))
        self._by_blob = {file.blob: data for file, data in zip(files, self.files, strict=True)}

    @property
    def key(self) -> SnapshotKey:
        return self.snapshot.key

    @property
    def layout(self) -> Layout:
        return self.snapshot.layout

    def chunk(self, number: int) -> bytes:
        blob, index = self.layout.locate(number)
        offset, length = blob.span(index)
        return self._by_blob[blob][offset : offset + length]

    def digest(self, number: int) -> ChunkDigest:
        return ChunkDigest(blake3(self.chunk(number)).digest())


class Offer:
    """A node's share of a content, as the exchange is to serve it."""

    def __init__(self, content: Content, have: int, *, wants: bool | None = None) -> None:
        self.audience: Audience = "everyone"
        self.content = content
        self.have = have
        self.wants = have != everything(content.layout.total) if wants is None else wants
        self.can_fetch = True
        self.vouchers: list[Identity] = []
        self.gate: Callable[[int], object] | None = None
        self.reads: list[int] = []

    def admits(self, standing: Standing) -> bool:
        return admits(self.audience, standing)

    @property
    def layout(self) -> Layout:
        return self.content.layout

    @property
    def manifest(self) -> bytes:
        return self.content.snapshot.encoded

    def claims(self, ranges: Ranges) -> Iterable[Claims]:
        for voucher in self.vouchers:
            for first, count in ranges:
                digests = [self.content.digest(chunk) for chunk in range(first, first + count)]
                yield attest(voucher, self.content.key, first, digests, whole=False)

    def reader(self, chunk: int, digest: ChunkDigest | None) -> Reader | None:
        if not self.have >> chunk & 1 or digest not in (None, self.content.digest(chunk)):
            return None
        return ChunkReader(lambda memory, at: self.read(chunk)[at : at + len(memory)])

    def read(self, chunk: int) -> bytes:
        self.reads.append(chunk)
        return self.content.chunk(chunk)


class Shelf:
    """A catalog of offers. `seconds`: how long it takes to look into."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.offers: dict[SnapshotKey, Served] = {}
        self.names: dict[tuple[str, str, str, str], tuple[SnapshotKey, str]] = {}

    def add(self, offer: Offer) -> Offer:
        snapshot = offer.content.snapshot
        self.offers[snapshot.key] = offer
        self.names[snapshot.hub, snapshot.repo_type, snapshot.repo, "main"] = (snapshot.key, snapshot.commit)
        return offer

    async def open(self, topic: SnapshotKey, standing: Standing) -> Served | None:
        await trio.sleep(self.seconds)
        served = self.offers.get(topic)
        return served if served and served.admits(standing) else None

    async def lookup(
        self, hub: str, repo_type: str, repo: str, revision: str, standing: Standing
    ) -> tuple[SnapshotKey, str] | None:
        await trio.lowlevel.checkpoint()
        found = self.names.get((hub, repo_type, repo, revision))
        return found if found and self.offers[found[0]].admits(standing) else None


@dataclass(frozen=True)
class Seen:
    """A sighting."""

    node_id: NodeId | None
    addresses: tuple[Address, ...]
    via: str = "static"


class Node:
    """An exchange on a host of the LAN in memory."""

    def __init__(self, lan: MemoryNetwork, number: int, **options: object) -> None:
        self.host = f"10.0.0.{number}"
        self.address = Address(self.host, PORT)
        self.identity = identity(number)
        self.id = self.identity.node_id
        self.shelf = Shelf()
        self.source = lan.host(self.host)
        arguments: dict[str, object] = {
            "port": PORT,
            "agent": f"test/{number}",
            "entropy": entropy(number),
            "workers": InlineWorkers(),
        }
        self.exchange = Exchange(self.identity, self.source, self.shelf, **arguments | options)  # type: ignore[arg-type]  # options are a test's

    def sees(self, *others: Node, known: bool = True, via: str = "static") -> None:
        for other in others:
            self.exchange.sighting(Seen(other.id if known else None, (other.address,), via))

    @property
    def linked(self) -> set[NodeId]:
        return {info.node_id for info in self.exchange.peers()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Node]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.exchange.run)
            yield self
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def nodes(lan: MemoryNetwork, count: int, **options: object) -> AsyncIterator[list[Node]]:
    """That many running nodes, which know nothing of one another."""
    made = [Node(lan, number + 1, **options) for number in range(count)]
    async with trio.open_nursery() as nursery:
        for node in made:
            await nursery.start(node.exchange.run)
        yield made
        nursery.cancel_scope.cancel()


async def unwanted(source: Source, arrived: Arrived) -> None:
    """For a fetch that must deliver nothing."""
    raise AssertionError(f"{len(arrived)} chunks were delivered")


class Inbox:
    """Chunks delivered by a fetch, and from whom."""

    def __init__(self) -> None:
        self.chunks: dict[int, bytes] = {}
        self.sources: set[Source] = set()
        self.order: list[int] = []
        self._came = trio.lowlevel.ParkingLot()

    async def has(self, count: int) -> None:
        """Wait until so many chunks have come."""
        while len(self.chunks) < count:
            await self._came.park()

    async def deliver(self, source: Source, arrived: Arrived) -> None:
        await trio.lowlevel.checkpoint()
        self.sources.add(source)
        for chunk, data in arrived:
            assert chunk not in self.chunks
            self.chunks[chunk] = bytes(data)
            self.order.append(chunk)
        self._came.unpark_all()


def heard(topic: Topic) -> list[PeerMessage | PeerGone]:
    """The events that wait, but for who shares whose uplink (`told_of_company`)."""
    return [event for event in _waiting(topic) if not _is_company(event)]


def told_of_company(topic: Topic) -> list[tuple[NodeId, tuple[NodeId, ...]]]:
    """What waits of who shares whose uplink: (whose, who). The other events are dropped."""
    return [
        (event.peer, event.message.nodes)
        for event in _waiting(topic)
        if isinstance(event, PeerMessage) and isinstance(event.message, Company)
    ]


def _is_company(event: PeerMessage | PeerGone) -> bool:
    return isinstance(event, PeerMessage) and isinstance(event.message, Company)


def _waiting(topic: Topic) -> Iterator[PeerMessage | PeerGone]:
    while True:
        try:
            yield topic.events.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return


@asynccontextmanager
async def seed_and_leech(
    content: Content, lan: MemoryNetwork | None = None, **options: object
) -> AsyncIterator[tuple[Node, Node, Topic]]:
    """A node that has everything, one that has nothing, and the topic as the second has joined it."""
    async with nodes(lan or MemoryNetwork(), 2, **options) as (seed, leech):
        seed.shelf.add(Offer(content, everything(content.layout.total)))
        leech.shelf.add(Offer(content, 0))
        leech.sees(seed)
        await trio.sleep(1)
        with leech.exchange.join(content.key, content.digest) as topic:
            await trio.sleep(1)
            yield seed, leech, topic


def offer(node: Node, content: Content) -> Offer:
    found = node.shelf.offers[content.key]
    assert isinstance(found, Offer)
    return found
