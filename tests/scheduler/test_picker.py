"""Whom to ask first for which chunk: own slices, the rarest, and help for slower relays."""

from __future__ import annotations

from protocol.bits import from_members, members, single, span
from protocol.ids import NodeId
from swarm.scheduler.events import (
    Event,
    PeerElsewhere,
    PeerHas,
    PeerJoined,
    PeerLease,
    PeerLeft,
    Stored,
    Vouched,
)
from swarm.scheduler.peers import ELSEWHERE_IDLE_SECONDS
from swarm.scheduler.picker import HORIZON_ROUNDS, OWN_SLICE_GRACE
from tests.scheduler.bench import CHUNK, ME, A, B, Bench, C, D


def slices(bench: Bench, *present: NodeId) -> dict[NodeId, set[int]]:
    """How chunks are dealt out: in turn, to the nodes sorted by id."""
    order = sorted(present)
    chunks = list(members(bench.all))
    return {node: set(chunks[place :: len(order)]) for place, node in enumerate(order)}


def test_of_what_only_one_peer_has_ones_own_slice_comes_first() -> None:
    bench = Bench(400 * CHUNK)
    bench.tell(PeerJoined(A, True, True), PeerJoined(B, True, True))
    bench.seed(C)
    first = set(bench.fetches()[C])
    own = slices(bench, ME, A, B)[ME]
    assert first
    assert first <= own
    for number, chunk in enumerate(sorted(first)):
        bench.now = 0.01 * (number + 1)
        bench.tell(Stored(chunk, C))
    assert set(bench.fetches()[C]) <= own


def test_the_slice_of_a_relay_that_takes_nothing_is_open_after_its_grace() -> None:
    bench = Bench(9 * CHUNK)
    bench.tell(PeerJoined(A, True, True))
    bench.seed(C)
    own = slices(bench, ME, A)[ME]
    seen: set[int] = set()
    while own - seen:
        bench.now += 0.01
        seen |= set(bench.fetches().get(C, ()))
        for chunk in seen & set(members(bench.scheduler.missing)):
            bench.tell(Stored(chunk, C))
    assert seen == own
    assert bench.scheduler.missing == from_members(slices(bench, ME, A)[A])
    bench.until(OWN_SLICE_GRACE - 0.01)
    assert bench.fetches() == {}
    bench.until(OWN_SLICE_GRACE + 0.1)
    assert set(bench.fetches()[C]) <= slices(bench, ME, A)[A]


def test_who_is_ahead_helps_a_slower_relay_with_what_comes_next_from_its_far_end() -> None:
    bench = Bench(80 * CHUNK)
    slower = NodeId(bytes([0xFF]) * 32)
    bench.tell(PeerJoined(slower, True, False))
    bench.seed(A)
    ordered = race(bench, A, slower, steps=30)
    helped = [chunk for chunk in ordered if chunk % 2]
    first_help = ordered.index(helped[0])
    assert ordered[:first_help] == list(range(0, 2 * first_help, 2))
    relayed = (helped[0] + 1) // 2 - HORIZON_ROUNDS  # by the slower one, if help begins at the far end
    assert 0 < relayed <= first_help // 4
    assert HORIZON_ROUNDS <= first_help - relayed <= HORIZON_ROUNDS + 2


def test_who_gets_chunks_nearly_as_slowly_is_not_helped_at_the_end() -> None:
    bench = Bench(10 * CHUNK)
    slower = NodeId(bytes([0xFF]) * 32)
    bench.tell(PeerJoined(slower, True, False))
    bench.seed(A)
    asked: list[int] = []
    came = ((0.3, 0), (0.5, 1), (0.6, 2), (0.9, 4), (1.0, 3), (1.1, 5), (1.2, 6), (1.5, 8))
    for bench.now, chunk in came:
        asked += bench.fetches().get(A, [])
        bench.tell(PeerHas(slower, 1 << chunk) if chunk % 2 else Stored(chunk, A))
    bench.until(2.0)
    assert asked == [0, 2, 4, 6, 8]
    assert not {7, 9} & set(bench.fetches()[A])


def race(bench: Bench, seed: NodeId, slower: NodeId, steps: int) -> list[int]:
    """What is ordered of the seed while every fourth chunk of this node's comes one of the slower one's."""
    ordered: list[int] = []
    theirs = iter(sorted(slices(bench, ME, slower)[slower]))
    for step in range(steps):
        ordered += bench.fetches().get(seed, [])
        bench.now += 0.05
        bench.tell(Stored(ordered[step], seed))
        if step % 4 == 0:
            bench.tell(PeerHas(slower, 1 << next(theirs)))
    return ordered


def test_what_two_seeds_have_is_dealt_out_as_what_one_has() -> None:
    bench = Bench(400 * CHUNK)
    bench.tell(PeerJoined(A, True, True))
    bench.seed(B, C)
    first = bench.fetches()
    assert set(first) == {B, C}
    assert {*first[B], *first[C]} <= slices(bench, ME, A)[ME]


def test_when_nothing_else_is_to_be_asked_a_seed_is_asked_again_soon() -> None:
    bench = Bench(2 * CHUNK)
    bench.seed(A)
    assert bench.fetches() == {A: [0, 1]}
    bench.tell(Stored(0, A), PeerElsewhere(A, 0b10))
    bench.until(ELSEWHERE_IDLE_SECONDS - 0.01)
    assert bench.fetches() == {}
    bench.until(ELSEWHERE_IDLE_SECONDS + 0.1)
    assert bench.fetches() == {A: [1]}


def test_the_slice_of_a_relay_that_left_is_open_at_once() -> None:
    bench = Bench(2 * CHUNK)
    bench.tell(PeerJoined(A, True, True))
    bench.seed(C)
    own = slices(bench, ME, A)[ME]
    assert set(bench.fetches()[C]) == own
    bench.tell(PeerLeft(A))
    bench.until(0.1)
    assert set(bench.fetches()[C]) == {0, 1} - own


def test_what_others_have_as_well_is_not_asked_of_the_origin() -> None:
    bench = Bench(4 * CHUNK)
    bench.tell(PeerJoined(A, True, True), PeerJoined(B, True, True), PeerLease(A, True, 0))
    theirs = slices(bench, ME, A, B)[B].pop()
    bench.tell(PeerHas(A, 1 << theirs))
    bench.until(0.1)
    assert bench.fetches() == {}
    bench.tell(PeerHas(B, 1 << theirs))
    assert bench.fetches() == {B: [theirs]}


def test_the_rarest_comes_first_among_what_several_have() -> None:
    bench = Bench(40 * CHUNK, vouched=False)
    rare = 0b11 << 30
    bench.tell(PeerJoined(A, True, True), PeerHas(A, bench.all))
    bench.tell(PeerJoined(B, True, True), PeerHas(B, bench.all))
    bench.tell(PeerJoined(C, True, True), PeerHas(C, bench.all ^ rare))
    bench.take()
    bench.tell(Vouched(bench.all))
    assert set(bench.fetches()[A]) == {30, 31}


def test_what_is_far_behind_is_asked_of_a_busy_relay_before_what_few_have() -> None:
    nodes = 4
    assert first_of_a_relay(have=span(1, HORIZON_ROUNDS * nodes)) == [0]
    assert first_of_a_relay(have=span(1, HORIZON_ROUNDS * nodes - 1)) == [150]


def test_of_an_origin_what_is_far_behind_is_not_asked_while_relays_have_it() -> None:
    assert first_of_a_relay(PeerLease(A, True, 0), have=span(1, 100)) == []


def first_of_a_relay(*events: Event, have: int) -> list[int]:
    """What relay A is asked for first, if anything. It has chunk 0, as the other relays have, and some
    from 150 on, as nobody has but the seed. have: what is here already."""
    bench = Bench(200 * CHUNK, have=have, vouched=False)
    for relay in (A, B, D):
        bench.tell(PeerJoined(relay, True, True), PeerHas(relay, single(0)))
    bench.tell(PeerHas(A, span(150, 20)))
    bench.seed(C)
    bench.tell(*events)
    bench.take()
    bench.tell(Vouched(bench.all))
    return bench.fetches().get(A, [])[:1]
