"""Putting pieces together, whatever was called off in between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import SnapshotKey
from protocol.messages import Data, Refuse
from swarm.exchange.orders import MAX_LATE, Order, Orders, Unsolicited
from tests.exchange.nodes import Content

CONTENT = Content(5 * (1 << 18), 700, 800)
TOPIC = CONTENT.key
OTHER = SnapshotKey(bytes(32))


def piece(chunk: int, start: int = 0, end: int | None = None) -> Data:
    data = CONTENT.chunk(chunk)[start:end]
    return Data(TOPIC, ((chunk, start, len(data)),), data)


def asked(*chunks: int) -> tuple[Orders, Order]:
    orders, order = Orders(), Order(TOPIC, CONTENT.layout, chunks)
    assert orders.ask(order, chunks) == list(chunks)
    return orders, order


def test_a_whole_chunk_is_not_copied() -> None:
    orders, order = asked(0)
    data = CONTENT.chunk(0)
    [(chunk, found)] = orders.data(Data(TOPIC, ((0, 0, len(data)),), data))[order]
    assert chunk == 0
    assert isinstance(found, memoryview)
    assert found.obj is data
    assert (len(orders), order.left) == (0, {})


def test_parts_are_joined() -> None:
    orders, order = asked(0)
    assert orders.data(piece(0, 0, 1000)) == {}
    assert orders.data(piece(0, 1000, 1001)) == {}
    assert orders.data(piece(0, 1001)) == {order: [(0, CONTENT.chunk(0))]}


def test_many_chunks_in_one_message() -> None:
    orders, order = asked(6, 5)
    data = CONTENT.chunk(6) + CONTENT.chunk(5)
    message = Data(TOPIC, ((6, 0, 800), (5, 0, 700)), data)
    assert orders.data(message) == {order: [(6, CONTENT.chunk(6)), (5, CONTENT.chunk(5))]}


@pytest.mark.parametrize(
    "messages",
    [
        [piece(1)],
        [Data(OTHER, ((0, 0, 10),), bytes(10))],
        [piece(0, 1)],
        [piece(0, 0, 10), piece(0, 11)],
        [piece(0, 0, 10), piece(0, 0, 10)],
        [piece(0), piece(0)],
        [Data(TOPIC, ((0, 0, (1 << 18) + 1),), bytes((1 << 18) + 1))],
        [piece(0, 0, 10), piece(2, 0, 10)],
    ],
    ids=["not asked", "other topic", "no beginning", "gap", "again", "twice", "too long", "two in pieces"],
)
def test_what_was_not_asked_for_is_a_fault(messages: list[Data]) -> None:
    orders, _ = asked(0, 2)
    for message in messages[:-1]:
        orders.data(message)
    with pytest.raises(Unsolicited):
        orders.data(messages[-1])


def test_what_was_called_off_is_dropped_in_silence() -> None:
    orders, order = asked(0, 1)
    orders.data(piece(0, 0, 10))
    assert orders.call_off(order, [0]) == [0]
    assert orders.data(piece(0, 10)) == {}
    assert orders.data(piece(1)) == {order: [(1, CONTENT.chunk(1))]}


def test_a_chunk_asked_for_again_outlives_the_rest_of_its_first_copy() -> None:
    orders, order = asked(0)
    orders.data(piece(0, 0, 10))
    orders.call_off(order, [0])
    again = Order(TOPIC, CONTENT.layout, [0])
    assert orders.ask(again, [0]) == [0]
    assert orders.data(piece(0, 10)) == {}
    assert orders.data(piece(0)) == {again: [(0, CONTENT.chunk(0))]}
    assert orders.data(piece(0)) == {}


def test_a_chunk_wanted_twice_is_asked_for_once() -> None:
    orders, one = asked(0)
    two = Order(TOPIC, CONTENT.layout, [0])
    assert orders.ask(two, [0]) == []
    assert orders.call_off(one, [0]) == []
    assert orders.data(piece(0)) == {two: [(0, CONTENT.chunk(0))]}


def test_refusals() -> None:
    orders, order = asked(0, 1, 2, 3)
    orders.call_off(order, [3])
    assert orders.refused(Refuse(TOPIC, ((1, 3),))) == {order}
    assert (order.refused, list(order.left)) == ([1, 2], [0])
    for ranges in (((5, 1),), ((1, 1),), ((0, 4_000_000),)):
        with pytest.raises(Unsolicited):
            orders.refused(Refuse(TOPIC, ranges))


def test_what_was_called_off_long_ago_is_forgotten() -> None:
    many = Content(*range(1, MAX_LATE // 512))
    orders = Orders()
    for number in range(MAX_LATE + 1):
        topic = SnapshotKey(number.to_bytes(32, "big"))
        order = Order(topic, many.layout, [0])
        orders.ask(order, [0])
        orders.call_off(order, [0])
    assert orders.data(Data(topic, ((0, 0, 1),), b"x")) == {}
    with pytest.raises(Unsolicited):
        orders.data(Data(SnapshotKey(bytes(32)), ((0, 0, 1),), b"x"))


class HonestSender:
    """Serves in order, in parts of any length. A chunk called off is left out only if it has not begun."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.orders = Orders()
        self.queue: list[int] = []
        self.under_way: list[Data] = []
        self.wanted: dict[int, Order] = {}

    def ask(self) -> None:
        chunk = self._data.draw(st.integers(0, 6))
        if chunk not in self.wanted:
            self.wanted[chunk] = Order(TOPIC, CONTENT.layout, [chunk])
            self.queue += self.orders.ask(self.wanted[chunk], [chunk])

    def call_off(self) -> None:
        if self.wanted:
            chunk = self._data.draw(st.sampled_from(sorted(self.wanted)))
            assert self.orders.call_off(self.wanted.pop(chunk), [chunk]) == [chunk]
            if chunk in self.queue and self._data.draw(st.booleans()):
                self.queue.remove(chunk)

    def send(self) -> None:
        if not self.under_way and self.queue:
            self.under_way = self._parts(self.queue.pop(0))
        if self.under_way:
            for order, chunks in self.orders.data(self.under_way.pop(0)).items():
                for chunk, found in chunks:
                    assert self.wanted.pop(chunk) is order
                    assert bytes(found) == CONTENT.chunk(chunk)

    def _parts(self, chunk: int) -> list[Data]:
        length = CONTENT.layout.length(chunk)
        cuts = sorted(self._data.draw(st.sets(st.integers(1, length - 1), max_size=3)))
        return [piece(chunk, start, end) for start, end in zip([0, *cuts], [*cuts, length], strict=True)]


@given(st.data())
def test_an_honest_sender_is_never_accused_and_nothing_is_lost(data: st.DataObject) -> None:
    sender = HonestSender(data)
    for action in data.draw(st.lists(st.sampled_from(["ask", "call_off", "send", "send"]), max_size=40)):
        getattr(sender, action)()
    while sender.under_way or sender.queue:
        sender.send()
    assert not sender.wanted
    assert len(sender.orders) == 0
