"""Shared by the tests of transfers: an order, workers that can be held, a store on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import trio

from protocol import bits as bitset
from protocol.chunks import Bytes
from protocol.ids import ChunkDigest, NodeId
from protocol.signing import attest
from swarm.sources import Source
from swarm.store import Store, open_store
from swarm.transfer.claims import ClaimBook
from swarm.transfer.intake import Intake, Taken
from swarm.transfer.transfer import Transfer
from swarm.workers import InlineWorkers
from tests.exchange.nodes import Content, identity

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ME, ORIGIN, PEER, LIAR = (identity(number) for number in (1, 2, 3, 4))
HUB = Source("upstream", "https://hub.test")


@dataclass
class Order:
    """`swarm.transfer.intake.Asked`, wanting everything."""

    giver: NodeId = PEER.node_id
    digests: dict[int, ChunkDigest] = field(default_factory=dict)
    called_off: int = 0
    settled: int = 0

    def wants(self, chunk: int) -> bool:
        return not self.called_off >> chunk & 1

    def digest(self, chunk: int) -> ChunkDigest | None:
        return self.digests.get(chunk)

    def settle(self, chunk: int) -> None:
        self.settled |= 1 << chunk


class HeldWorkers:
    """Workers that, while `holding`, finish nothing; like threads they pay no heed to cancellation."""

    def __init__(self) -> None:
        self.holding = False
        self._let_go = trio.Event()

    def let_go(self) -> None:
        self.holding = False
        self._let_go.set()

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        await trio.lowlevel.checkpoint()
        if self.holding:
            with trio.CancelScope(shield=True):
                await self._let_go.wait()
        return function(*arguments)


class Kitchen:
    """An intake with what is round it."""

    def __init__(self, content: Content, store: Store) -> None:
        self.content = content
        self.store = store
        self.book = ClaimBook(content.layout)
        self.have = 0
        self.quarantine: set[int] = set()
        self.taken: list[Taken] = []
        self.intake = Intake(
            content.layout,
            store,
            self.book,
            InlineWorkers(),
            held=lambda chunk: bool(self.have >> chunk & 1),
            quarantined=self.quarantine.__contains__,
            release=self._release,
            stored=self._stored,
        )

    def _release(self, chunk: int) -> bool:
        held = chunk in self.quarantine
        self.quarantine.discard(chunk)
        return held

    def _stored(self, taken: Taken) -> None:
        self.have |= 1 << taken.chunk
        self.taken.append(taken)

    async def take(self, order: Order, chunk: int, data: bytes | None = None) -> None:
        source = HUB if not order.giver else Source("peer", order.giver.hex())
        arrived = [(chunk, self.content.chunk(chunk) if data is None else data)]
        await self.intake.take(order, source, arrived)

    async def on_disk(self, chunk: int) -> Bytes | None:
        return await self.store.read(*self.content.layout.locate(chunk))


@asynccontextmanager
async def kitchen(root: Path, content: Content) -> AsyncIterator[Kitchen]:
    async with open_store(root, InlineWorkers()) as store:
        yield Kitchen(content, store)


def vouch(book: ClaimBook, content: Content, *chunks: int, whole: bool = False) -> None:
    """The origin attests these chunks as they are."""
    for chunk in chunks:
        claims = attest(ORIGIN, content.key, chunk, [content.digest(chunk)], whole)
        book.add(claims, ORIGIN.node_id, 0)


@asynccontextmanager
async def opened(root: Path, content: Content, *held: int) -> AsyncIterator[tuple[Transfer, Store]]:
    """A transfer that is not running, over a store that holds these chunks."""
    async with open_store(root, InlineWorkers()) as store:
        cooking = Kitchen(content, store)
        for chunk in held:
            await cooking.take(Order(NodeId(b"")), chunk)
        transfer = Transfer(
            content.snapshot, store=store, identity=ME, workers=InlineWorkers(), upstream=None, settle=0
        )
        await transfer.open()
        assert transfer.have == bitset.from_members(held)
        yield transfer, store
