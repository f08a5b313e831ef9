"""Addresses are found by node as if all were looked at, whatever became of them before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import NodeId
from swarm.exchange.candidates import Candidate, Candidates
from swarm.exchange.hearsay import MAX_CANDIDATES_OF_A_HOST, MAX_HEARSAY_OF_A_PEER
from swarm.sources.address import Address

NODES = [NodeId(bytes([number]) * 32) for number in range(4)]
ONE, OTHER = NODES[:2]


def at(number: int, port: int = 7677) -> Address:
    return Address(f"10.0.0.{number}", port)


def candidate(address: Address, node_id: NodeId | None, via: str = "mdns") -> Candidate:
    return Candidate(address, node_id, via, 0.0)


STEPS = st.tuples(
    st.sampled_from(["add", "drop", "belongs", "by hand", "met"]),
    st.integers(0, 2),
    st.sampled_from(NODES),
    st.sampled_from([None, *NODES]),
    st.sampled_from(["static", "mdns"]),
)


@given(st.lists(STEPS, max_size=60))
def test_each_node_has_the_addresses_that_say_so(
    steps: list[tuple[str, int, NodeId, NodeId | None, str]],
) -> None:
    candidates = Candidates()
    for step, number, node_id, said, via in steps:
        there = candidates.at(at(number))
        if there is None:
            if step == "add":
                candidates.add(candidate(at(number), said, via))
        elif step == "drop":
            candidates.drop(there)
        elif step == "belongs":
            candidates.belongs(there, node_id)
        elif step == "by hand":
            candidates.by_hand(there)
        elif step == "met":
            there.proven = True
        every = list(candidates)
        assert len(candidates) == len(every)
        assert candidates.nodes == {each.node_id for each in every} - {None}
        assert candidates.named == {each.node_id for each in every if each.named} - {None}
        for node in NODES:
            assert set(candidates.of(node)) == {each for each in every if each.node_id == node}


def test_who_was_met_where_the_operator_said_is_named_until_it_is_forgotten() -> None:
    candidates = Candidates()
    candidates.add(candidate(at(1), ONE, "static"))
    assert not candidates.named
    for each in candidates:
        each.proven = True
    assert candidates.named == {ONE}
    candidates.drop(candidates.of(ONE)[0])
    assert not candidates.named


def test_they_come_in_the_order_in_which_they_were_heard() -> None:
    candidates = Candidates()
    for number in (3, 1, 2):
        candidates.add(candidate(at(number), ONE))
    assert [each.address for each in candidates] == [at(3), at(1), at(2)]
    assert [each.address for each in candidates.of(ONE)] == [at(3), at(1), at(2)]


def test_what_is_read_may_be_changed_meanwhile() -> None:
    candidates = Candidates()
    for number in range(3):
        candidates.add(candidate(at(number), ONE))
    for each in candidates.of(ONE):
        candidates.drop(each)
    assert not candidates.nodes


def test_a_host_and_a_teller_have_their_share_and_the_operator_has_no_limit() -> None:
    candidates = Candidates()
    for port in range(1, 1 + MAX_CANDIDATES_OF_A_HOST):
        assert candidates.allows(candidate(at(1, port), ONE))
        candidates.add(candidate(at(1, port), ONE))
    assert not candidates.allows(candidate(at(1), ONE))
    assert candidates.allows(candidate(at(1), ONE, "static"))
    candidates.drop(candidates.of(ONE)[0])
    assert candidates.allows(candidate(at(1), ONE))

    for number in range(MAX_HEARSAY_OF_A_PEER):
        candidates.add(Candidate(at(100 + number), None, "exchange", 0.0, told_by=OTHER))
    assert not candidates.allows(Candidate(at(99), None, "exchange", 0.0, told_by=OTHER))
    assert candidates.allows(Candidate(at(99), None, "exchange", 0.0, told_by=ONE))
