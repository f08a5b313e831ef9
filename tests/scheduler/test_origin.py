"""Events in, commands out: taking and following the lease, and fetching from upstream."""

from __future__ import annotations

from protocol.bits import from_members
from swarm.scheduler.events import (
    UPSTREAM,
    Cancel,
    Complete,
    Fetch,
    OrderFailed,
    PassSeed,
    PeerCompany,
    PeerFetching,
    PeerHas,
    PeerJoined,
    PeerLease,
    PeerLeft,
    PeerSeed,
    SayFetching,
    SayLease,
    Stored,
    Tick,
)
from swarm.scheduler.lease import LEASE_CLAIM_SECONDS, LEASE_SAY_SECONDS
from swarm.scheduler.rival import LEASE_LEFT_SECONDS
from swarm.scheduler.seeds import SEED_SAY_SECONDS, SEED_SILENT_SECONDS
from swarm.scheduler.spans import FIRST_PARALLEL, FIRST_SPAN_BYTES
from swarm.scheduler.upstream import UPSTREAM_ATTEMPTS, UPSTREAM_PAUSE_SECONDS
from tests.scheduler.bench import CHUNK, ME, SETTLE, A, B, Bench, C


def origin_of(*sizes: int) -> Bench:
    """A node alone that is the origin since SETTLE."""
    bench = Bench(*sizes, usable=True)
    bench.until(SETTLE)
    assert bench.scheduler.is_origin
    return bench


def test_a_node_alone_goes_upstream_right_after_settling() -> None:
    bench = Bench(40 * CHUNK, usable=True)
    bench.until(SETTLE - 0.001)
    assert bench.take(SayLease, Fetch) == []
    bench.until(SETTLE)
    said = bench.take(SayLease, SayFetching, Fetch)
    assert said[0] == SayLease(True, 0)
    orders = [command for command in said if isinstance(command, Fetch)]
    assert len(orders) == FIRST_PARALLEL
    assert all(0 < len(order.chunks) * CHUNK <= FIRST_SPAN_BYTES for order in orders)


def test_every_span_is_announced_before_it_is_fetched() -> None:
    bench = origin_of(40 * CHUNK)
    announced = 0
    for command in bench.take(SayFetching, Fetch):
        if isinstance(command, SayFetching):
            assert not announced & command.bits
            announced |= command.bits
        elif isinstance(command, Fetch):
            assert from_members(command.chunks) & announced == from_members(command.chunks)


def test_an_offline_node_does_not_go_upstream() -> None:
    bench = Bench(CHUNK)
    bench.until(10.0)
    assert bench.take(SayLease, Fetch) == []


def test_the_holder_says_so_once_a_second_and_to_whom_is_new() -> None:
    bench = origin_of(40 * CHUNK)
    ordered = from_members(bench.fetches()[UPSTREAM])
    bench.until(SETTLE + LEASE_SAY_SECONDS - 0.01)
    assert bench.take(SayLease) == []
    bench.until(SETTLE + LEASE_SAY_SECONDS)
    assert bench.take(SayLease) == [SayLease(True, 0)]
    bench.tell(PeerJoined(A, True, True))
    assert bench.take(SayLease, SayFetching) == [SayLease(True, 0), SayFetching(ordered)]


def test_the_origin_takes_from_a_peer_what_the_peer_has() -> None:
    bench = Bench(2 * CHUNK, usable=True)
    bench.tell(PeerJoined(A, False, False), PeerHas(A, 0b01))
    assert bench.fetches() == {A: [0]}
    bench.until(SETTLE)
    assert bench.fetches() == {UPSTREAM: [1]}


def test_a_node_follows_an_origin_and_fetches_nothing_that_it_announced() -> None:
    bench = Bench(4 * CHUNK, usable=True)
    bench.tell(PeerJoined(A, True, True), PeerLease(A, True, 0), PeerFetching(A, bench.all))
    bench.until(3.0)
    assert bench.take(SayLease, Fetch) == []
    assert bench.scheduler.origin(3.0) == A
    bench.tell(PeerHas(A, bench.all), PeerLease(A, False, 4 * CHUNK))
    bench.until(4.0)
    assert set(bench.fetches()) == {A}


def test_what_a_dead_origin_had_announced_is_fetched_by_the_next() -> None:
    bench = Bench(2 * CHUNK, usable=True)
    bench.tell(PeerJoined(A, True, True), PeerLease(A, True, 0), PeerFetching(A, bench.all))
    bench.until(3.0)
    bench.tell(PeerLeft(A))
    assert bench.fetches() == {}
    bench.until(3.0 + LEASE_LEFT_SECONDS)
    assert sorted(bench.fetches()[UPSTREAM]) == [0, 1]


def test_the_lease_is_given_up_when_the_upstream_breaks() -> None:
    bench = origin_of(40 * CHUNK)
    orders = [command for command in bench.take(Fetch) if isinstance(command, Fetch)]
    bench.tell(OrderFailed(orders[0].order, UPSTREAM, from_members(orders[0].chunks), True))
    assert bench.take(SayLease, Cancel, Fetch) == [
        Cancel(orders[1].order, from_members(orders[1].chunks)),
        SayLease(False, 0),
    ]


def test_orders_upstream_are_tried_again_some_times_before_that() -> None:
    bench = origin_of(CHUNK)
    for attempt in range(UPSTREAM_ATTEMPTS):
        (order,) = bench.take(Fetch)
        assert isinstance(order, Fetch)
        bench.tell(OrderFailed(order.order, UPSTREAM, 0b1, False))
        if attempt < UPSTREAM_ATTEMPTS - 1:
            assert bench.take(SayLease, Fetch) == []
            bench.until(bench.now + UPSTREAM_PAUSE_SECONDS * 2**attempt)
    assert SayLease(False, 0) in bench.take(SayLease)


def test_the_lease_ends_with_the_last_chunk_and_tells_what_was_fetched() -> None:
    bench = origin_of(2 * CHUNK)
    bench.until(0.6)
    bench.tell(Stored(0, UPSTREAM), Stored(1, UPSTREAM))
    assert bench.take(SayLease, Complete)[-2:] == [SayLease(False, 2 * CHUNK), Complete()]


def test_two_claims_at_once_leave_one_origin() -> None:
    bench = Bench(2 * CHUNK, usable=True)
    bench.tell(PeerJoined(A, True, True), PeerJoined(B, True, True))
    while not bench.take(SayLease):
        bench.until(bench.now + 0.05)
    claimed = bench.now
    bench.tell(PeerLease(A, True, 0), PeerLease(B, True, 0), Tick())
    bench.until(claimed + LEASE_CLAIM_SECONDS)
    fetched = bool(bench.take(Fetch))
    assert fetched == bench.scheduler.is_origin


def test_an_origin_that_leaves_out_what_this_node_wants() -> None:
    bench = Bench(CHUNK, usable=True)
    bench.tell(PeerJoined(A, True, True))
    for second in range(1, 12):
        bench.until(float(second))
        bench.tell(PeerLease(A, True, second))
    assert bench.fetches() == {UPSTREAM: [0]}
    bench.tell(Stored(0, UPSTREAM))
    assert bench.take(Complete) == [Complete()]


def test_what_a_vanished_origin_had_announced_is_fetched_last() -> None:
    """Others may have it by now, of whom this node knows nothing."""
    bench = Bench(64 * CHUNK, usable=True)
    announced = from_members(range(0, 64, 2))
    bench.tell(PeerJoined(A, True, True), PeerLease(A, True, 0), PeerFetching(A, announced))
    bench.tell(PeerLeft(A))
    bench.until(SETTLE + LEASE_LEFT_SECONDS)
    asked: list[int] = []
    while len(asked) < 64:
        orders = bench.fetches()[UPSTREAM]
        asked += orders
        bench.tell(*(Stored(chunk, UPSTREAM) for chunk in orders))
    assert {chunk % 2 for chunk in asked[:32]} == {1}


def test_what_a_seed_has_that_this_node_is_not_linked_with_is_not_fetched_while_it_is_told_of() -> None:
    bench = Bench(4 * CHUNK, usable=True)
    bench.tell(PeerJoined(A, True, False))
    bench.tell(PeerSeed(A, C, bench.all, 0.0))
    bench.until(SEED_SILENT_SECONDS - 0.01)
    assert bench.take(SayLease, Fetch) == []
    bench.until(SEED_SILENT_SECONDS + 0.01)
    assert bench.take(SayLease, Fetch)[0] == SayLease(True, 0)


def test_what_a_seed_has_whose_link_was_given_up_is_not_fetched_at_once() -> None:
    bench = Bench(4 * CHUNK, usable=True)
    bench.tell(PeerJoined(B, True, False), PeerJoined(A, False, False), PeerHas(A, bench.all))
    bench.tell(PeerCompany(A, (ME,)))
    bench.until(5.0)
    bench.tell(PeerLeft(A))
    bench.until(4.0 + SEED_SILENT_SECONDS - 0.01)
    assert bench.take(SayLease) == []
    bench.until(5.0 + SEED_SILENT_SECONDS + SEED_SAY_SECONDS)
    assert bench.take(SayLease)[0] == SayLease(True, 0)


def test_a_seed_is_told_of_once_a_second_though_nothing_happens() -> None:
    bench = Bench(4 * CHUNK)
    bench.tell(PeerJoined(B, True, False), PeerJoined(A, False, False), PeerHas(A, bench.all))
    bench.until(4.0)
    bench.tell(Stored(1, A))
    assert bench.take(PassSeed) == []
    bench.tell(PeerCompany(A, (ME,)))
    bench.until(7.5)
    assert bench.take(PassSeed) == [PassSeed(A, bench.all, 0.0, (B,))] * 4
