"""Whom to ask first for which chunk: own slices, the rarest, and help for slower relays."""

from __future__ import annotations

from protocol.bits import from_members, members
from protocol.ids import NodeId
from swarm.scheduler.events import PeerHas, PeerJoined, PeerLease, PeerLeft, Stored, Vouched
from swarm.scheduler.picker import OWN_SLICE_GRACE
from tests.scheduler.bench import CHUNK, ME, A, B, Bench, C


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


def test_who_is_done_with_its_own_slice_helps_a_slower_relay_from_the_far_end() -> None:
    bench = Bench(80 * CHUNK)
    slower = NodeId(bytes([0xFF]) * 32)
    bench.tell(PeerJoined(slower, True, False))
    bench.seed(A)
    own = list(range(0, 80, 2))
    ordered: list[int] = []
    for chunk in own:
        ordered += bench.fetches().get(A, [])
        bench.now += 0.05
        bench.tell(Stored(chunk, A))
        if chunk % 8 == 0:
            bench.tell(PeerHas(slower, 1 << chunk // 4 + 1))
    ordered += bench.fetches().get(A, [])
    assert ordered[: len(own)] == own
    assert ordered[len(own) : len(own) + 2] == [79, 77]


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
