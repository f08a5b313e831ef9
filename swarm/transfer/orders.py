"""Orders under way: each is a task that asks one source for chunks and hands what comes to the intake.

A source that sends wrong bytes loses its order at once. When an order ends with chunks still owed,
`ended` is told, once. A chunk that cannot be stored ends the transfer, not the link it came over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import trio

from protocol import bits as bitset
from protocol.ids import ChunkDigest, NodeId, to_text
from swarm.errors import SwarmError
from swarm.exchange.topics import Topic
from swarm.scheduler import events as ev
from swarm.sources import Arrived, ChunkSource, Source, SourceFailed
from swarm.transfer.claims import ClaimBook
from swarm.transfer.intake import Intake, WrongChunk


class Upstream(ChunkSource, Protocol):
    """All mirrors of one snapshot together."""

    @property
    def usable(self) -> bool:
        """Whether any mirror may still answer."""
        ...

    def avoid(self, source: Source, seconds: float) -> None:
        """Take nothing from this mirror for so long from now on; 0: use it again."""
        ...

    async def aclose(self) -> None:
        """Close what is kept open between orders; none may be running."""
        ...


Ended = Callable[[ev.OrderFailed, str, int | None, Source], None]
"""Called with what failed, why, the chunk that came wrong (if that is why), and who is to blame."""


Spawn = Callable[..., None]
"""Starts an async function with arguments as a task of the transfer."""


@dataclass(slots=True)
class _Order:
    """An order under way (`swarm.transfer.intake.Asked`). `fault`: why its chunks cannot be stored."""

    fetch: ev.Fetch
    digests: dict[int, ChunkDigest | None]
    owed: int
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    wrong: int | None = None
    reason: str = "did not send everything"
    lasting: bool = False
    absent: bool = False
    culprit: Source | None = None
    fault: SwarmError | None = None

    @property
    def giver(self) -> NodeId:
        return self.fetch.source

    def wants(self, chunk: int) -> bool:
        return bool(self.owed >> chunk & 1)

    def digest(self, chunk: int) -> ChunkDigest | None:
        return self.digests.get(chunk)

    def settle(self, chunk: int) -> None:
        self.owed &= ~(1 << chunk)


class Orders:
    """Places and cancels orders with peers and upstream."""

    def __init__(self, intake: Intake, book: ClaimBook, upstream: Upstream | None, ended: Ended) -> None:
        self._intake = intake
        self._book = book
        self.upstream = upstream
        self._ended = ended
        self._orders: dict[int, _Order] = {}

    def start(self, spawn: Spawn, topic: Topic | None) -> None:
        """Orders are tasks started by `spawn`; peers are those of this topic."""
        self._spawn = spawn
        self._topic = topic

    @property
    def can_fetch(self) -> bool:
        """Whether there is an upstream that may still answer."""
        return self.upstream is not None and self.upstream.usable

    def place(self, fetch: ev.Fetch) -> None:
        digests = {chunk: self._book.digest(chunk) for chunk in fetch.chunks}
        order = _Order(fetch, digests, bitset.from_members(fetch.chunks))
        self._orders[fetch.order] = order
        self._spawn(self._carry_out, order)

    def cancel(self, number: int, bits: int) -> None:
        """Call chunks of an order off; the whole order when nothing is left of it."""
        order = self._orders.get(number)
        if order is None:
            return
        order.owed &= ~bits
        if not order.owed:
            order.scope.cancel()
        elif self._topic is not None and order.fetch.source != ev.UPSTREAM:
            self._topic.source(order.fetch.source).withdraw(bitset.members(bits))

    async def _carry_out(self, order: _Order) -> None:
        source = order.fetch.source
        with order.scope:
            try:
                await self._source(order).fetch(order.fetch.chunks, partial(self._deliver, order))
            except SourceFailed as failure:
                order.reason, order.lasting, order.culprit = failure.reason, failure.lasting, failure.source
                order.absent = failure.absent
        del self._orders[order.fetch.order]
        if order.fault is not None:
            raise order.fault
        if order.owed:
            culprit = order.culprit or Source("peer", to_text(source))
            failed = ev.OrderFailed(order.fetch.order, source, order.owed, order.lasting, order.absent)
            self._ended(failed, order.reason, order.wrong, culprit)

    def _source(self, order: _Order) -> ChunkSource:
        if order.fetch.source != ev.UPSTREAM and self._topic is not None:
            return self._topic.source(order.fetch.source)
        if self.upstream is None:
            raise SourceFailed(Source("upstream", ""), "this node may not go upstream", lasting=True)
        return self.upstream

    async def _deliver(self, order: _Order, source: Source, arrived: Arrived) -> None:
        try:
            await self._intake.take(order, source, arrived)
        except SwarmError as fault:
            order.fault = fault
            order.scope.cancel()
        except WrongChunk as wrong:
            order.wrong, order.reason, order.culprit = wrong.chunk, str(wrong), source
            order.lasting = order.fetch.source != ev.UPSTREAM
            order.scope.cancel()
