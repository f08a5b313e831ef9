"""The table of peers: whom to dial when, what to forget, and which of two connections stays."""

from __future__ import annotations

import itertools
import math

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import NodeId
from swarm.exchange.hearsay import (
    MAX_CANDIDATES_OF_A_HOST,
    MAX_HEARSAY_OF_A_PEER,
    UNPROVEN_DIALS_A_SECOND,
    UNPROVEN_DIALS_AT_ONCE,
)
from swarm.exchange.peers import (
    BEYOND,
    COURTESY_SECONDS,
    FORGET_AFTER_FAILURES,
    LASTING_SECONDS,
    LEFT_FREE,
    MAX_CANDIDATES,
    MAX_RETRY_SECONDS,
    REFUSED_RETRY_SECONDS,
    SIGHTING_RETRY_SECONDS,
    STAGGER_SECONDS,
    PeerTable,
    second_connection,
)
from swarm.scheduler.neighbours import MAX_LINKS, WANTED_LINKS, Neighbours
from swarm.sources.address import Address

SMALL, ME, LARGE = (NodeId(bytes([number]) * 32) for number in (1, 2, 3))


def at(number: int) -> Address:
    return Address(f"10.0.{number // 256}.{number % 256}", 7677)


def known(table: PeerTable) -> list[Address]:
    """All addresses it remembers."""
    return [candidate.address for candidate in table.candidates]


@pytest.fixture
def table() -> PeerTable:
    return PeerTable(ME)


def test_who_has_the_smaller_id_dials_first(table: PeerTable) -> None:
    table.sighting(LARGE, [at(3)], "mdns", 0)
    table.sighting(SMALL, [at(1)], "mdns", 0)
    assert table.dials(0) == [at(3)]
    assert table.next_dial(0) == COURTESY_SECONDS
    assert table.dials(COURTESY_SECONDS) == [at(1)]
    assert table.next_dial(COURTESY_SECONDS) == math.inf


def test_addresses_of_a_node_are_tried_one_after_another(table: PeerTable) -> None:
    table.sighting(LARGE, [at(1), at(2), at(3)], "mdns", 10)
    assert table.dials(10) == [at(1)]
    assert table.dials(10 + STAGGER_SECONDS) == [at(2)]
    table.reached(at(2), LARGE, 10.4)
    table.link_up(LARGE, at(2), 10.4, mine=True)
    assert table.dials(20) == []
    assert table.next_dial(20) == math.inf


def test_who_was_refused_is_called_now_and_then_until_something_changes(table: PeerTable) -> None:
    table.sighting(LARGE, [at(1)], "mdns", 0)
    assert table.dials(0) == [at(1)]
    table.reached(at(1), LARGE, 1)
    table.refused(at(1), 1)
    assert table.next_dial(1) == 1 + REFUSED_RETRY_SECONDS
    table.sighting(LARGE, [at(1)], "mdns", 2)
    assert table.next_dial(2) == 1 + REFUSED_RETRY_SECONDS
    table.reconsider(3)
    assert table.next_dial(3) == 4
    table.refused(at(9), 3)  # forgotten meanwhile


def test_failures_double_the_wait_up_to_a_limit(table: PeerTable) -> None:
    table.sighting(None, [at(1)], "static", 0)
    now, waits = 0.0, []
    for _ in range(9):
        assert table.dials(now) == [at(1)]
        table.failed(at(1), now)
        waits.append(table.next_dial(now) - now)
        now = table.next_dial(now)
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert set(waits[5:]) == {MAX_RETRY_SECONDS}


def test_a_hint_that_fails_is_forgotten(table: PeerTable) -> None:
    table.sighting(LARGE, [at(1)], "mdns", 0)
    for now in range(0, FORGET_AFTER_FAILURES * 100, 100):
        assert table.dials(now) == [at(1)]
        table.failed(at(1), now)
    assert table.next_dial(10_000) == math.inf


def test_a_new_sighting_is_a_reason_to_try_again_soon(table: PeerTable) -> None:
    table.sighting(LARGE, [at(1)], "mdns", 0)
    for _ in range(5):
        table.dials(0)
        table.failed(at(1), 0)
        table.sighting(LARGE, [at(1)], "exchange", 0)
    assert table.next_dial(0) == 16
    table.sighting(LARGE, [at(1)], "mdns", 0)
    assert table.next_dial(0) == SIGHTING_RETRY_SECONDS
    assert table.dials(1) == []


def test_what_is_known_is_no_news(table: PeerTable) -> None:
    assert table.sighting(LARGE, [at(1)], "exchange", 0)
    assert not table.sighting(LARGE, [at(1)], "mdns", 1)
    assert table.sighting(LARGE, [at(1), at(2)], "mdns", 1)
    assert table.sighting(SMALL, [at(1)], "mdns", 1)
    assert table.sighting(None, [at(1)], "static", 1)
    assert not table.sighting(ME, [at(3)], "mdns", 1)
    table.dials(1)
    for _ in range(4):
        table.failed(at(1), 1)
    assert table.sighting(SMALL, [at(1)], "mdns", 1)


def test_nor_is_what_there_is_no_room_for(table: PeerTable) -> None:
    for number in range(MAX_CANDIDATES):
        table.sighting(None, [at(number)], "mdns", 0)
    assert not table.sighting(LARGE, [at(9999)], "exchange", 0)
    assert table.sighting(LARGE, [at(9999)], "mdns", 0)


def test_this_node_is_not_dialled_again(table: PeerTable) -> None:
    table.sighting(None, [at(1)], "static", 0)
    table.dials(0)
    table.reached(at(1), ME, 0)
    table.sighting(None, [at(1)], "static", 100)
    table.sighting(ME, [at(2)], "mdns", 100)
    assert table.dials(1000) == []
    assert table.admits(ME, 0) is not None
    table.sighting(LARGE, [at(1)], "mdns", 1000)
    assert table.dials(1000) == [at(1)]


def test_an_address_one_cannot_dial_is_ignored(table: PeerTable) -> None:
    table.sighting(LARGE, [Address("0.0.0.0", 7677), Address("10.0.0.1", 0)], "mdns", 0)
    table.link_up(LARGE, Address("10.0.0.1", 0), 0, mine=True)
    assert table.candidates.of(LARGE) == []


def test_no_more_links_than_the_limit() -> None:
    table = PeerTable(ME, max_links=3)
    table.sighting(None, [at(number) for number in range(9)], "static", 0)
    assert len(table.dials(100)) == 3
    assert table.next_dial(100) == math.inf
    table.failed(at(0), 100)
    assert len(table.dials(100)) == 1
    for number in range(3):
        assert table.has_room(LARGE, mine=True)
        table.link_up(NodeId(bytes([10 + number]) * 32), None, 100, mine=True)
    assert not table.has_room(LARGE, mine=True)
    assert table.has_room(NodeId(bytes([10]) * 32), mine=True)


def test_a_short_link_counts_as_a_failure(table: PeerTable) -> None:
    """Otherwise a peer with all the links it wants would be dialled once a second for ever."""
    table.sighting(LARGE, [at(1)], "static", 0)
    waits, now = [], 0.0
    for _ in range(4):
        assert table.dials(now) == [at(1)]
        table.reached(at(1), LARGE, now)
        table.link_up(LARGE, at(1), now, mine=True)
        table.link_down(LARGE, now, lasted=0.1)
        waits.append(table.next_dial(now) - now)
        now = table.next_dial(now)
    assert waits == [1, 2, 4, 8]
    table.dials(now)
    table.reached(at(1), LARGE, now)
    table.link_up(LARGE, at(1), now, mine=True)
    table.link_down(LARGE, now, lasted=LASTING_SECONDS)
    assert table.next_dial(now) == now + 1


def test_distrust_ends(table: PeerTable) -> None:
    table.sighting(LARGE, [at(1)], "static", 0)
    table.distrust(LARGE, 50, 0)
    table.distrust(LARGE, 20, 0)
    assert table.dials(49) == []
    assert table.admits(LARGE, 49) is not None
    assert table.next_dial(49) == 50
    assert table.admits(LARGE, 50) is None
    assert table.dials(50) == [at(1)]


def test_goodbye_forgets_hints_only(table: PeerTable) -> None:
    table.sighting(LARGE, [at(1)], "mdns", 0)
    table.sighting(LARGE, [at(2)], "static", 0)
    table.vanished(LARGE)
    assert [candidate.address for candidate in table.candidates.of(LARGE)] == [at(2)]
    table.link_up(LARGE, at(3), 0, mine=True)
    table.vanished(LARGE)
    assert len(table.candidates.of(LARGE)) == 2


def test_hearsay_pushes_nothing_out(table: PeerTable) -> None:
    for number in range(MAX_CANDIDATES):
        table.sighting(None, [at(number)], "mdns", 0)
    table.sighting(LARGE, [at(9999)], "exchange", 0)
    assert table.candidates.of(LARGE) == []
    table.sighting(LARGE, [at(9999)], "mdns", 0)
    assert len(table.candidates.of(LARGE)) == 1


def test_one_peer_fills_no_more_than_its_share(table: PeerTable) -> None:
    table.sighting(None, [at(number) for number in range(2 * MAX_HEARSAY_OF_A_PEER)], "exchange", 0, LARGE)
    assert len(known(table)) == MAX_HEARSAY_OF_A_PEER
    table.sighting(None, [at(9999)], "exchange", 0, SMALL)
    assert len(known(table)) == MAX_HEARSAY_OF_A_PEER + 1


def test_the_ports_of_a_host_are_not_tried_one_by_one(table: PeerTable) -> None:
    ports = [Address("10.0.0.1", port) for port in range(1, 1000)]
    table.sighting(None, ports, "mdns", 0)
    assert len(known(table)) == MAX_CANDIDATES_OF_A_HOST
    table.sighting(None, ports[-2:], "static", 0)
    assert len(known(table)) == MAX_CANDIDATES_OF_A_HOST + 2


def test_what_is_forgotten_makes_room(table: PeerTable) -> None:
    for round_of in range(3):
        ports = [Address("10.0.0.1", 1 + port + 100 * round_of) for port in range(MAX_CANDIDATES_OF_A_HOST)]
        table.sighting(LARGE, ports, "exchange", 0, SMALL)
        assert known(table) == ports
        table.vanished(LARGE)


def test_strange_addresses_are_dialled_at_a_bounded_rate() -> None:
    table = PeerTable(ME, max_links=1000)
    table.sighting(None, [at(number) for number in range(400)], "mdns", 0)
    table.sighting(None, [Address("10.9.9.9", 1)], "static", 0)
    now, dialled = 1000.0, 0
    first = table.dials(now)
    assert Address("10.9.9.9", 1) in first
    assert len(first) == UNPROVEN_DIALS_AT_ONCE + 1
    while now < 1010:
        now = table.next_dial(now)
        dialled += len(table.dials(now))
    assert dialled == pytest.approx(10 * UNPROVEN_DIALS_A_SECOND, abs=1)


def crowd(count: int) -> PeerTable:
    """A table that knows of so many nodes and is linked with none."""
    table = PeerTable(ME)
    for number in range(count):
        table.sighting(NodeId(blake3(b"%d" % number).digest()), [at(number)], "mdns", 0)
    return table


def at_node(table: PeerTable, address: Address) -> NodeId:
    candidate = table.candidates.at(address)
    assert candidate is not None
    assert candidate.node_id is not None
    return candidate.node_id


def test_when_those_wanted_are_dialled_the_next_in_rank_fill_up_all_places_but_two() -> None:
    table = crowd(200)
    first = [at_node(table, address) for address in table.dials(100)]
    assert len(first) == MAX_LINKS - LEFT_FREE
    assert set(first[:WANTED_LINKS]) == Neighbours(ME).wanted(table.candidates.nodes)
    assert set(first) <= Neighbours(ME).wanted(table.candidates.nodes, BEYOND)
    for node in first:
        table.reached(table.candidates.of(node)[0].address, node, 100)
        table.link_up(node, None, 100, mine=True)
    assert table.dials(200) == []
    assert table.next_dial(200) == math.inf


def test_who_has_no_room_is_passed_over_and_no_more_are_asked_than_so_many() -> None:
    table = crowd(200)
    linked = Neighbours(ME).wanted(table.candidates.nodes)
    for node in linked:
        table.link_up(node, None, 0, mine=False)
    asked: list[NodeId] = []
    for now in range(100, 110):
        for address in table.dials(now):
            node = at_node(table, address)
            asked.append(node)
            table.reached(address, node, now)
            table.turned_away(node, now)
    beyond = Neighbours(ME).wanted(table.candidates.nodes, BEYOND) - linked
    assert len(asked) == BEYOND
    assert set(asked) == beyond


def test_the_last_two_places_are_for_whom_the_node_wants() -> None:
    table = crowd(200)
    wanted = Neighbours(ME).wanted(table.candidates.nodes)
    late, *others = sorted(wanted)
    more = sorted(table.candidates.nodes - wanted)[: MAX_LINKS - LEFT_FREE - len(others)]
    for node in [*others, *more]:
        table.link_up(node, None, 0, mine=False)
    assert table.dials(100) == [candidate.address for candidate in table.candidates.of(late)]


def test_where_a_node_was_met_there_is_no_hurry() -> None:
    table = PeerTable(ME, max_links=1000)
    table.sighting(LARGE, [at(1)], "mdns", 0)
    assert table.dials(1) == [at(1)]
    table.reached(at(1), LARGE, 1)
    table.sighting(None, [at(number) for number in range(2, 400)], "mdns", 2)
    assert len(table.dials(1000)) == UNPROVEN_DIALS_AT_ONCE + 1


def test_how_a_peer_was_found(table: PeerTable) -> None:
    table.link_up(LARGE, at(1), 0, mine=True)
    assert table.via(LARGE) == "inbound"
    table.sighting(LARGE, [at(2)], "exchange", 0)
    assert table.via(LARGE) == "exchange"
    table.sighting(LARGE, [at(2)], "static", 0)
    assert table.via(LARGE) == "static"


def test_a_claim_to_an_address_does_not_take_it_from_a_linked_node(table: PeerTable) -> None:
    table.link_up(LARGE, at(1), 0, mine=True)
    table.sighting(SMALL, [at(1)], "mdns", 0)
    table.link_up(SMALL, at(1), 0, mine=True)
    assert [candidate.address for candidate in table.candidates.of(LARGE)] == [at(1)]


def test_nobody_becomes_a_named_peer_by_saying_so(table: PeerTable) -> None:
    """Named peers are given up for nobody, and any of them takes the place of others."""
    table.sighting(None, [at(1)], "static", 0)
    table.sighting(SMALL, [at(1)], "mdns", 0)
    assert not table.named(SMALL)
    assert table.dials(100) == [at(1)]
    table.reached(at(1), LARGE, 100)
    assert table.named(LARGE)
    table.sighting(SMALL, [at(1)], "mdns", 100)
    assert (table.named(SMALL), table.named(LARGE)) == (False, True)


def test_a_named_peer_that_calls_is_one(table: PeerTable) -> None:
    table.sighting(None, [at(1)], "static", 0)
    table.called(at(1), LARGE)
    table.called(at(2), SMALL)
    table.called(None, SMALL)
    assert (table.named(LARGE), table.named(SMALL)) == (True, False)
    table.link_up(LARGE, at(1), 0, mine=False)
    table.called(at(1), SMALL)
    assert (table.named(LARGE), table.named(SMALL)) == (True, False)


def test_a_named_peer_may_call_where_places_are_for_dialling() -> None:
    table = PeerTable(ME, max_links=4)
    for number in range(3):
        table.link_up(NodeId(bytes([10 + number]) * 32), None, 0, mine=False)
    table.sighting(LARGE, [at(1)], "static", 0)
    assert not table.has_room(LARGE, mine=False)
    table.called(at(1), LARGE)
    assert table.has_room(LARGE, mine=False)


def test_a_named_address_that_has_another_node_now(table: PeerTable) -> None:
    table.sighting(None, [at(1)], "static", 0)
    for node, now in ((LARGE, 100), (SMALL, 200)):
        assert table.dials(now) == [at(1)]
        table.reached(at(1), node, now)
        assert table.named(node)


@pytest.mark.parametrize(("x_first_here", "x_first_there"), list(itertools.product([True, False], repeat=2)))
def test_both_sides_keep_the_same_connection(x_first_here: bool, x_first_there: bool) -> None:
    """X was dialled by the smaller id, Y by the larger; each side may see them in either order."""

    def kept(me: NodeId, peer: NodeId, x_first: bool) -> str:
        x_mine = me < peer
        verdict = second_connection(
            me,
            peer,
            first_mine=x_mine if x_first else not x_mine,
            second_mine=not x_mine if x_first else x_mine,
        )
        first, second = ("X", "Y") if x_first else ("Y", "X")
        return {"drop": first, "probe": first, "replace": second}[verdict]  # both are alive

    assert kept(SMALL, LARGE, x_first_here) == kept(LARGE, SMALL, x_first_there) == "X"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0, 5)), max_size=60))
def test_no_address_is_dialled_twice_at_a_time(steps: list[tuple[int, int, float]]) -> None:
    """Whatever happens in whatever order, and time never has to stand still."""
    table, now = PeerTable(ME, max_links=4), 0.0
    nodes = [NodeId(bytes([10 + number]) * 32) for number in range(6)]
    under_way: set[Address] = set()
    for action, number, pause in steps:
        now += pause
        node, address = nodes[number], at(number)
        if action == 0:
            table.sighting(node, [address], "mdns", now)
        elif action == 1:
            table.link_up(node, address, now, mine=True)
        elif action == 2 and node in table.linked:
            table.link_down(node, now, lasted=pause)
        elif action == 3 and address in under_way:
            under_way.discard(address)
            table.failed(address, now)
        elif action == 4 and address in under_way:
            under_way.discard(address)
            table.reached(address, node, now)
        elif action == 5:
            table.vanished(node)
        for dialled in table.dials(now):
            assert dialled not in under_way
            under_way.add(dialled)
        assert table.next_dial(now) > now
        assert len(under_way) <= 4
