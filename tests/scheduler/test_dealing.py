"""To whom a holder's chunks are dealt out as those who want them come and go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import NodeId
from swarm.scheduler.dealing import UNEVEN, dealt

NODES = [NodeId(bytes([number]) * 32) for number in range(40)]
EIGHT = tuple(NODES[:8])


def test_the_first_are_dealt_to_by_their_ids() -> None:
    assert dealt((), set(EIGHT)) == EIGHT
    assert dealt((), set()) == ()


def test_who_comes_gets_the_place_of_one_who_is_gone() -> None:
    assert dealt(EIGHT, {*EIGHT[:3], *EIGHT[4:], NODES[20]}) == (*EIGHT[:3], NODES[20], *EIGHT[4:])


def test_where_nobody_comes_another_has_two_places_until_somebody_does() -> None:
    seven = dealt(EIGHT, set(EIGHT) - {EIGHT[3]})
    assert seven == (*EIGHT[:3], EIGHT[0], *EIGHT[4:])
    assert dealt(seven, set(seven)) == seven
    assert dealt(seven, {*seven, NODES[20]}) == (*EIGHT[:3], NODES[20], *EIGHT[4:])


def test_one_who_is_gone_is_followed_before_one_who_has_two_places() -> None:
    seven = dealt(EIGHT, set(EIGHT) - {EIGHT[3]})
    assert dealt(seven, set(seven) - {EIGHT[5]} | {NODES[20]}) == (*seven[:5], NODES[20], *seven[6:])


def test_of_two_gone_one_after_the_other_another_gets_the_second_place() -> None:
    sixteen = tuple(NODES[:16])
    fewer = dealt(dealt(sixteen, set(sixteen[1:])), set(sixteen[2:]))
    assert fewer == (sixteen[2], sixteen[3], *sixteen[2:])


def test_nobody_gets_a_third_place() -> None:
    many = tuple(NODES[:24])
    one_less = dealt(many, set(many[1:]))
    assert one_less == (many[1], *many[1:])
    assert dealt(one_less, set(many[1:]) - {many[5]}) == (*one_less[:5], many[2], *one_less[6:])


def test_of_those_who_come_one_may_get_two_places() -> None:
    assert dealt(EIGHT, set(NODES[20:27])) == (*NODES[20:27], NODES[20])


def test_when_too_many_would_have_two_or_one_more_comes_all_is_dealt_anew() -> None:
    assert dealt(EIGHT, set(EIGHT[2:])) == EIGHT[2:]
    assert dealt(EIGHT[1:], set(EIGHT)) == EIGHT


@given(st.lists(st.sets(st.sampled_from(NODES)), max_size=12))
def test_all_have_a_place_few_have_two_and_nobody_moves_without_need(ever: list[set[NodeId]]) -> None:
    order: tuple[NodeId, ...] = ()
    for company in ever:
        before, order = order, dealt(order, company)
        assert set(order) == company
        assert all(order.count(node) <= 2 for node in company)
        assert UNEVEN * (len(order) - len(company)) <= len(order)
        if 0 <= UNEVEN * (len(before) - len(company)) <= len(before):
            places = zip(before, order, strict=True)
            assert all(then == now or before.count(then) == 2 for then, now in places if then in company)
