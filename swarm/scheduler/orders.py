"""The orders that are out: which chunks from whom, and how many bytes each source still owes.

A chunk may be on order from two sources at once (a hedge, the endgame); `bits` is what is on order at
all, `doubled` what is on order twice. An order ends when nothing of it is pending.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from protocol.bits import from_members, members, single
from protocol.ids import NodeId


@dataclass(slots=True, eq=False)
class Order:
    """What is still to come of one Fetch: chunk number to length in bytes, in the order asked for.

    longest: length in bytes of the longest chunk that was asked for.
    """

    number: int
    source: NodeId
    pending: dict[int, int] = field(default_factory=dict)
    longest: int = 0


class Orders:
    """All orders that are out."""

    def __init__(self) -> None:
        self.bits = 0
        self.doubled = 0
        self._last = 0
        self._by_number: dict[int, Order] = {}
        self._by_source: dict[NodeId, dict[int, Order]] = {}
        self._by_chunk: dict[int, list[Order]] = {}
        self._owed: dict[NodeId, int] = {}

    def place(self, source: NodeId, chunks: dict[int, int]) -> Order:
        """A new order for these chunks (number to length)."""
        self._last += 1
        order = Order(self._last, source, dict(chunks), max(chunks.values(), default=0))
        self._by_number[order.number] = order
        self._by_source.setdefault(source, {})[order.number] = order
        self._owed[source] = self.owed(source) + sum(chunks.values())
        asked = from_members(chunks)
        self.doubled |= self.bits & asked
        self.bits |= asked
        for chunk in chunks:
            self._by_chunk.setdefault(chunk, []).append(order)
        return order

    def get(self, number: int) -> Order | None:
        """The order with this number unless it has ended."""
        return self._by_number.get(number)

    def of(self, source: NodeId) -> list[Order]:
        """The orders that are out to a source, oldest first."""
        return list(self._by_source.get(source, {}).values())

    def count(self, source: NodeId) -> int:
        """How many orders are out to a source."""
        return len(self._by_source.get(source, ()))

    def sources(self) -> list[NodeId]:
        """Everybody who owes something."""
        return list(self._by_source)

    @property
    def busy(self) -> int:
        """How many sources owe something."""
        return len(self._by_source)

    def owed(self, source: NodeId) -> int:
        """Bytes outstanding from a source."""
        return self._owed.get(source, 0)

    def pending(self, source: NodeId) -> dict[int, int]:
        """What a source still owes: chunk number to length, in the order asked for."""
        return {chunk: length for order in self.of(source) for chunk, length in order.pending.items()}

    def longest(self, source: NodeId) -> int:
        """Length in bytes of the longest chunk in the orders that are out to a source."""
        return max([order.longest for order in self._by_source.get(source, {}).values()], default=0)

    def holding(self, chunk: int) -> list[Order]:
        """The orders in which this chunk is pending."""
        return list(self._by_chunk.get(chunk, ()))

    def settle(self, order: Order, chunks: Iterable[int]) -> int:
        """These chunks are pending in this order no longer; returns those that were, as bits."""
        gone = [chunk for chunk in chunks if chunk in order.pending]
        for chunk in gone:
            self.settle_one(order, chunk)
        return from_members(gone)

    def settle_one(self, order: Order, chunk: int) -> int:
        """This chunk, which is pending in this order, is so no longer; returns its length."""
        length = order.pending.pop(chunk)
        self._owed[order.source] -= length
        others = self._by_chunk[chunk]
        others.remove(order)
        if not others:
            del self._by_chunk[chunk]
            self.bits ^= single(chunk)
        elif len(others) == 1:
            self.doubled ^= single(chunk)
        if not order.pending:
            self._forget(order)
        return length

    def settle_bits(self, order: Order, bits: int) -> int:
        """`settle` for a set."""
        return self.settle(order, members(bits & from_members(order.pending)))

    def _forget(self, order: Order) -> None:
        self._by_number.pop(order.number, None)
        out = self._by_source.get(order.source, {})
        out.pop(order.number, None)
        if not out:
            self._by_source.pop(order.source, None)
            self._owed.pop(order.source, None)
