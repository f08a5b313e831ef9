"""Places for callers, and places that callers cannot have."""

from __future__ import annotations

from protocol.ids import NodeId
from swarm.exchange.places import Places
from swarm.scheduler.neighbours import MAX_LINKS, WANTED_LINKS


def peer(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


def with_links(dialled: int, called: int) -> Places:
    """Eight places; peers from 1 on were dialled, from 100 on they called."""
    places = Places(8)
    for number in range(dialled):
        places.take(peer(1 + number), mine=True)
    for number in range(called):
        places.take(peer(100 + number), mine=False)
    return places


def test_as_many_may_call_as_a_node_wants() -> None:
    assert Places(MAX_LINKS).callers == WANTED_LINKS


def test_callers_leave_room_for_who_is_dialled() -> None:
    places = with_links(0, 6)
    assert not places.has_room(peer(9), mine=False)
    assert places.has_room(peer(9), mine=True)
    assert places.has_room(peer(100), mine=False)
    places.leave(peer(100))
    assert places.has_room(peer(9), mine=False)


def test_who_is_dialled_leaves_no_more_than_there_is() -> None:
    places = with_links(7, 1)
    assert not places.has_room(peer(9), mine=True)
    assert not places.has_room(peer(9), mine=False)


def test_those_dialled_first_are_kept() -> None:
    places = with_links(4, 4)
    assert places.kept(mine=False) == places.kept(mine=True) == {peer(1), peer(2)}
    places.leave(peer(1))
    assert places.kept(mine=False) == {peer(2), peer(3)}
    places.take(peer(1), mine=True)
    assert places.kept(mine=False) == {peer(2), peer(3)}


def test_callers_beyond_theirs_take_places_of_callers_only() -> None:
    places = with_links(2, 6)
    places.take(peer(3), mine=True)
    assert places.kept(mine=False) == {peer(1), peer(2), peer(3)}
    assert places.kept(mine=True) == {peer(1), peer(2)}
