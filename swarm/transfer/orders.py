"""Orders under way: each is a task that asks one source for chunks and hands what comes to the intake.

A source that sends wrong bytes loses its order at once. When an order ends with chunks still owed,
`ended` is told, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import trio

from protocol import bits as bitset
from protocol.chunks import Bytes, WrongBytes
from protocol.ids import to_text
from swarm.exchange.topics import Topic
from swarm.scheduler import events as ev
from swarm.sources import ChunkSource, Source, SourceFailed
from swarm.transfer.intake import Intake


class Upstream(ChunkSource, Protocol):
    """All mirrors of one snapshot together."""

    @property
    def usable(self) -> bool:
        """Whether any mirror may still answer."""
        ...

    def avoid(self, source: Source, seconds: float) -> None:
        """Use this mirror only when no other is left."""
        ...


Ended = Callable[[ev.OrderFailed, str, int | None, Source], None]
"""Called with what failed, why, the chunk that came wrong (if that is why), and who is to blame."""


Spawn = Callable[..., None]
"""Starts an async function with arguments as a task of the transfer."""


@dataclass(slots=True)
class _Order:
    fetch: ev.Fetch
    owed: int
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    wrong: int | None = None
    reason: str = "did not send everything"
    lasting: bool = False
    culprit: Source | None = None


class Orders:
    """Places and cancels orders with peers and upstream."""

    def __init__(self, intake: Intake, upstream: Upstream | None, ended: Ended) -> None:
        self._intake = intake
        self.upstream = upstream
        self._ended = ended
        self._orders: dict[int, _Order] = {}

    def start(self, spawn: Spawn, topic: Topic | None) -> None:
        """Orders are tasks started by `spawn`; peers are those of this topic."""
        self._spawn = spawn
        self._topic = topic

    def place(self, fetch: ev.Fetch) -> None:
        order = _Order(fetch, bitset.from_members(fetch.chunks))
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
        del self._orders[order.fetch.order]
        if order.owed:
            culprit = order.culprit or Source("peer", to_text(source))
            failed = ev.OrderFailed(order.fetch.order, source, order.owed, order.lasting)
            self._ended(failed, order.reason, order.wrong, culprit)

    def _source(self, order: _Order) -> ChunkSource:
        if order.fetch.source != ev.UPSTREAM and self._topic is not None:
            return self._topic.source(order.fetch.source)
        if self.upstream is None:
            raise SourceFailed(Source("upstream", ""), "this node may not go upstream", lasting=True)
        return self.upstream

    async def _deliver(self, order: _Order, source: Source, chunk: int, data: Bytes) -> None:
        if not order.owed >> chunk & 1:
            return
        try:
            await self._intake.take(order.fetch.source, source, chunk, data)
        except WrongBytes as wrong:
            order.wrong, order.reason, order.culprit = chunk, str(wrong), source
            order.lasting = order.fetch.source != ev.UPSTREAM
            order.scope.cancel()
            return
        order.owed &= ~(1 << chunk)
