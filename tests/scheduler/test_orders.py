"""The book of orders that are out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.bits import from_members, members
from protocol.ids import NodeId
from swarm.scheduler.orders import Order, Orders

A, B = NodeId(b"a" * 32), NodeId(b"b" * 32)


def test_an_order_ends_when_nothing_of_it_is_pending() -> None:
    orders = Orders()
    order = orders.place(A, {3: 10, 5: 20})
    assert orders.owed(A) == 30
    assert orders.longest(A) == 20
    assert orders.bits == 0b101000
    assert orders.settle(order, (3, 4)) == 0b1000
    assert orders.owed(A) == 20
    assert orders.get(order.number) is order
    assert orders.settle_bits(order, 0b111111) == 0b100000
    assert orders.get(order.number) is None
    assert orders.sources() == []
    assert orders.owed(A) == 0
    assert orders.longest(A) == 0


def test_two_orders_for_one_chunk() -> None:
    orders = Orders()
    first, second = orders.place(A, {1: 10}), orders.place(B, {1: 10, 2: 10})
    assert orders.doubled == 0b10
    assert orders.holding(1) == [first, second]
    orders.settle(first, (1,))
    assert orders.doubled == 0
    assert orders.bits == 0b110
    assert orders.holding(1) == [second]


def test_numbers_are_never_used_again() -> None:
    orders = Orders()
    first = orders.place(A, {1: 10})
    orders.settle(first, (1,))
    assert orders.place(A, {1: 10}).number > first.number


def test_pending_keeps_the_order_asked_for() -> None:
    orders = Orders()
    orders.place(A, {9: 1, 2: 1})
    orders.place(A, {5: 1})
    assert list(orders.pending(A)) == [9, 2, 5]


chunk_sets = st.sets(st.integers(0, 12), min_size=1)
actions = st.lists(st.one_of(st.tuples(st.sampled_from([A, B]), chunk_sets), chunk_sets), max_size=30)


@given(actions)
def test_the_sets_say_what_the_orders_say(todo: list[tuple[NodeId, set[int]] | set[int]]) -> None:
    """Never the same chunk twice from one source, as the scheduler has it."""
    orders = Orders()
    alive: list[Order] = []
    for action in todo:
        if isinstance(action, tuple):
            source, chunks = action
            fresh = sorted(chunks - set(orders.pending(source)))
            if fresh:
                alive.append(orders.place(source, dict.fromkeys(fresh, 7)))
        else:
            for order in alive:
                orders.settle(order, action)
        pending = [chunk for order in alive for chunk in order.pending]
        assert set(members(orders.bits)) == set(pending)
        assert orders.doubled == from_members(chunk for chunk in set(pending) if pending.count(chunk) == 2)
        assert orders.owed(A) + orders.owed(B) == 7 * len(pending)
