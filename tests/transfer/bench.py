"""A transfer that runs among peers who do as they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import trio
import trio.testing

from protocol import bits as bitset
from protocol.ids import NodeId, SnapshotKey
from protocol.limits import KIB
from protocol.messages import Have, Join
from protocol.signing import Identity, attest
from swarm.exchange.interfaces import PeerMessage, TopicEvent
from swarm.exchange.topics import Sayable, Topic
from swarm.sources import Source
from swarm.sources.interface import Deliver
from swarm.store import Store
from swarm.transfer.blame import LIAR_SECONDS
from swarm.transfer.transfer import Transfer
from swarm.workers import InlineWorkers
from tests.exchange.nodes import Content
from tests.node.lan import Line
from tests.transfer.parts import ME, kitchen

CHUNK = 256 * KIB
CONTENT = Content(4 * CHUNK, 50)
TOTAL = CONTENT.layout.total
FILES = CONTENT.snapshot.files


class Company:
    """The peers of a transfer, as its topic: what was said to them, and what they send.

    `sends`: a peer's bytes by chunk, where they are not the right ones.
    """

    def __init__(self, key: SnapshotKey) -> None:
        self.key = key
        self.said: list[Sayable] = []
        self.asked: list[tuple[NodeId, int]] = []
        self.linked: frozenset[NodeId] = frozenset()
        self.searched = trio.Event()
        self.searched.set()
        self.sends: dict[NodeId, dict[int, bytes]] = {}
        self.refuses: set[NodeId] = set()
        self.distrusted: list[NodeId] = []
        self._events, self.events = trio.open_memory_channel[TopicEvent](float("inf"))

    def say(self, message: Sayable, peer: NodeId | None = None) -> None:
        self.said.append(message)

    def distrust(self, peer: NodeId, seconds: float) -> None:
        assert seconds == LIAR_SECONDS
        self.distrusted.append(peer)

    def source(self, peer: NodeId) -> _Seat:
        return _Seat(self, peer)

    async def hears(self, *events: TopicEvent) -> None:
        for event in events:
            self._events.send_nowait(event)
        await trio.testing.wait_all_tasks_blocked()

    async def attests(self, who: Identity, *digests: bytes, first: int = 0, whole: bool = False) -> None:
        claims = attest(who, self.key, first, digests, whole)  # type: ignore[arg-type]  # digests are bytes
        await self.hears(PeerMessage(who.node_id, claims, who.node_id))

    async def comes_with(self, who: Identity, bits: int) -> None:
        ranges = bitset.to_ranges(bits)
        await self.hears(
            PeerMessage(who.node_id, Join(self.key, False, False, False)),
            PeerMessage(who.node_id, Have(self.key, ranges)),
        )


class _Seat:
    """One peer as a source."""

    def __init__(self, company: Company, peer: NodeId) -> None:
        self._company = company
        self._peer = peer

    async def fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
        for chunk in chunks:
            await trio.lowlevel.checkpoint()
            self._company.asked.append((self._peer, chunk))
            data = self._company.sends.get(self._peer, {}).get(chunk, CONTENT.chunk(chunk))
            await deliver(Source("peer", self._peer.hex()), [(chunk, data)])

    def withdraw(self, chunks: Sequence[int]) -> None:
        pass


class Bench:
    def __init__(self, transfer: Transfer, company: Company, store: Store) -> None:
        self.transfer = transfer
        self.company = company
        self.store = store

    async def wrong(self) -> set[Source]:
        return {incident.source for incident in await self.store.incidents()}


@asynccontextmanager
async def bench(
    root: Path, line: Line | None = None, linked: Sequence[Identity] = ()
) -> AsyncIterator[Bench]:
    """A transfer that runs among peers who do as they are told; `linked` are there from the start."""
    async with kitchen(root, CONTENT) as kit:
        company = Company(CONTENT.key)
        company.linked = frozenset(who.node_id for who in linked)
        transfer = Transfer(
            CONTENT.snapshot, store=kit.store, identity=ME, workers=InlineWorkers(), upstream=line, settle=0
        )
        await transfer.open()
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[None]) -> None:
                topic = cast(Topic, company)  # it has what a transfer asks of one
                await transfer.run(topic, company.distrust, task_status=task_status)

            await nursery.start(run)
            yield Bench(transfer, company, kit.store)
            nursery.cancel_scope.cancel()


def digests(*, wrong: Sequence[int] = ()) -> list[bytes]:
    """Of the four chunks of the long file; some of them of flipped bytes."""
    forged = Content(4 * CHUNK, seed=99)
    return [forged.digest(chunk) if chunk in wrong else CONTENT.digest(chunk) for chunk in range(4)]


def forged(chunk: int) -> bytes:
    return Content(4 * CHUNK, seed=99).chunk(chunk)
