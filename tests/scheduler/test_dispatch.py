"""Orders on their way: what becomes a Fetch, what a Cancel, and what is learnt of the pace."""

from __future__ import annotations

from protocol.ids import NodeId
from protocol.limits import MAX_PIECES
from swarm.scheduler.dispatch import Dispatch
from swarm.scheduler.events import UPSTREAM, Cancel, Fetch
from swarm.scheduler.orders import Orders
from swarm.scheduler.peers import Peers
from swarm.scheduler.windows import HEDGE_MIN_SECONDS, ORDER_STALL_SECONDS, Pace

A, B = NodeId(b"a" * 32), NodeId(b"b" * 32)
UPSTREAM_STALL = 77.0


def dispatch() -> tuple[Dispatch, Orders]:
    orders = Orders()
    return Dispatch(orders, Peers(), Pace(UPSTREAM_STALL)), orders


def test_what_no_request_can_carry_is_ordered_by_several() -> None:
    desk, orders = dispatch()
    fetches = desk.place(A, dict.fromkeys(range(MAX_PIECES + 3), 1), 0.0)
    chunks = [fetch.chunks for fetch in fetches if isinstance(fetch, Fetch)]
    assert [len(part) for part in chunks] == [MAX_PIECES, 3]
    assert [chunk for part in chunks for chunk in part] == list(range(MAX_PIECES + 3))
    assert orders.owed(A) == MAX_PIECES + 3


def test_who_comes_second_is_told_not_to_send() -> None:
    desk, orders = dispatch()
    desk.place(A, {4: 100, 5: 100}, 0.0)
    [second] = desk.place(B, {5: 100}, 0.0)
    assert isinstance(second, Fetch)
    assert desk.came(5, A, 0.5) == [Cancel(second.order, 0b100000)]
    assert (orders.owed(A), orders.owed(B)) == (100, 0)
    assert (desk.pace(A).rate, desk.pace(B).rate) == (200.0, None)


def test_what_comes_from_somebody_else_tells_nothing_of_the_pace() -> None:
    desk, orders = dispatch()
    [first] = desk.place(A, {4: 100}, 0.0)
    assert isinstance(first, Fetch)
    assert desk.came(4, B, 0.5) == [Cancel(first.order, 0b10000)]
    assert desk.pace(A).rate is None
    assert orders.busy == 0


def test_calling_off_some_or_all() -> None:
    desk, orders = dispatch()
    [order] = desk.place(A, {4: 100, 5: 100, 6: 100}, 0.0)
    assert isinstance(order, Fetch)
    assert desk.call_off(A, 0b0110000) == [Cancel(order.order, 0b0110000)]
    assert desk.call_off(A, 0b0110000) == []
    assert desk.call_off(A) == [Cancel(order.order, 0b1000000)]
    assert orders.busy == 0


def test_clocks_run_for_those_that_owe_something() -> None:
    desk, _ = dispatch()
    desk.place(A, {4: 1}, 10.0)
    desk.place(UPSTREAM, {5: 1}, 10.0)
    desk.place(B, {6: 1}, 10.0)
    desk.call_off(B)
    assert desk.clocks() == {
        A: (10.0 + HEDGE_MIN_SECONDS, 10.0 + ORDER_STALL_SECONDS),
        UPSTREAM: (10.0 + HEDGE_MIN_SECONDS, 10.0 + UPSTREAM_STALL),
    }
