"""Our orders on one bulk connection: what we asked for, and putting its pieces together. Pure.

A chunk may come in one piece, which is passed on without a copy, or in parts, with no other chunk in
between, so that at most one is in pieces. It is asked for once, however many orders want it, and goes to
each of them. A chunk that was called off may still come, as
the peer may have begun to send it; such chunks are remembered and dropped in silence. Bytes that were
never asked for are a breach of the protocol.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from protocol.chunks import Bytes
from protocol.ids import SnapshotKey
from protocol.manifest import Layout
from protocol.messages import Data, Refuse

MAX_LATE: Final = 16_384
"""Chunks called off that one peer may still send: many times what is ever under way."""

Key = tuple[SnapshotKey, int]


class Unsolicited(ValueError):
    """The peer sent, or refused, what it was not asked for."""


class Order:
    """Chunks of one topic asked of one peer. `left`: not yet delivered, refused or called off."""

    def __init__(self, topic: SnapshotKey, layout: Layout, chunks: Sequence[int]) -> None:
        self.topic = topic
        self.layout = layout
        self.left = dict.fromkeys(chunks)
        self.refused: list[int] = []


class _Expected:
    """One chunk we wait for; `buffer` holds its first `filled` bytes once a part of it came."""

    __slots__ = ("buffer", "filled", "length", "orders")

    def __init__(self, length: int) -> None:
        self.orders: list[Order] = []
        self.length = length
        self.buffer: bytearray | None = None
        self.filled = 0


class Orders:
    """All orders under way on one connection."""

    def __init__(self) -> None:
        self._expected: dict[Key, _Expected] = {}
        self._late: OrderedDict[Key, None] = OrderedDict()
        self._partial: _Expected | None = None

    def __len__(self) -> int:
        """Chunks asked for and not yet had."""
        return len(self._expected)

    def ask(self, order: Order, chunks: Iterable[int]) -> list[int]:
        """The order wants these chunks now; returns those that nobody has asked for yet."""
        new = []
        for chunk in chunks:
            key = (order.topic, chunk)
            if key not in self._expected:
                self._expected[key] = _Expected(order.layout.length(chunk))
                new.append(chunk)
            self._expected[key].orders.append(order)
        return new

    def call_off(self, order: Order, chunks: Iterable[int]) -> list[int]:
        """The order wants these no more; returns those that nobody wants now, as the peer should be told."""
        unwanted = []
        for chunk in chunks:
            order.left.pop(chunk, None)
            expected = self._expected.get((order.topic, chunk))
            if expected is None or order not in expected.orders:
                continue
            expected.orders.remove(order)
            if not expected.orders:
                del self._expected[order.topic, chunk]
                self._forgive(order.topic, chunk)
                unwanted.append(chunk)
        return unwanted

    def refused(self, message: Refuse) -> set[Order]:
        """The peer will not send these. Returns the orders this concerns."""
        concerned: set[Order] = set()
        for first, count in message.ranges:
            if count > len(self._expected) + len(self._late):
                raise Unsolicited("a refusal of more than was asked for")
            for chunk in range(first, first + count):
                expected = self._expected.pop((message.topic, chunk), None)
                if expected is None:
                    if (message.topic, chunk) not in self._late:
                        raise Unsolicited("a refusal of a chunk that was not asked for")
                    continue
                for order in expected.orders:
                    order.left.pop(chunk, None)
                    order.refused.append(chunk)
                concerned.update(expected.orders)
        return concerned

    def data(self, message: Data) -> dict[Order, list[tuple[int, Bytes]]]:
        """The chunks that these bytes complete, by order."""
        complete: dict[Order, list[tuple[int, Bytes]]] = {}
        payload = memoryview(message.payload)
        for chunk, offset, length in message.pieces:
            piece, payload = payload[:length], payload[length:]
            expected = self._expected.get((message.topic, chunk))
            whole = self._add(message.topic, chunk, offset, piece, expected)
            if whole is not None:
                assert expected is not None
                del self._expected[message.topic, chunk]
                for order in expected.orders:
                    order.left.pop(chunk, None)
                    complete.setdefault(order, []).append((chunk, whole))
        return complete

    def _add(
        self, topic: SnapshotKey, chunk: int, offset: int, piece: memoryview, expected: _Expected | None
    ) -> Bytes | None:
        """The chunk's bytes if this piece completes it."""
        late = (topic, chunk) in self._late
        if expected is None:
            if not late:
                raise Unsolicited("a chunk that was not asked for")
            return None
        if late and offset != expected.filled:
            if offset:  # the rest of a copy that was called off; the one asked for since is still to come
                return None
            expected.buffer, expected.filled, self._partial = None, 0, None
        if offset != expected.filled or offset + len(piece) > expected.length:
            raise Unsolicited("a piece of a chunk that does not follow the one before, or is too long")
        return self._append(expected, piece)

    def _append(self, expected: _Expected, piece: memoryview) -> Bytes | None:
        if len(piece) == expected.length:
            return piece
        if expected.buffer is None:
            if self._partial is not None and self._partial.orders:
                raise Unsolicited("a part of a chunk before the one begun was complete")
            self._partial = expected
            expected.buffer = bytearray(expected.length)
        end = expected.filled + len(piece)
        expected.buffer[expected.filled : end] = piece
        expected.filled = end
        if end < expected.length:
            return None
        self._partial = None
        return expected.buffer

    def _forgive(self, topic: SnapshotKey, chunk: int) -> None:
        self._late[topic, chunk] = None
        self._late.move_to_end((topic, chunk))
        if len(self._late) > MAX_LATE:
            self._late.popitem(last=False)
