"""Events in, commands out: one node's scheduler at exact times."""

from __future__ import annotations

import pytest

from protocol.bits import everything, from_members, members
from protocol.ids import NodeId
from protocol.limits import KIB, MAX_PIECES
from swarm.scheduler.events import (
    UPSTREAM,
    AskClaims,
    Cancel,
    Command,
    Complete,
    Discarded,
    Doubted,
    Event,
    Fetch,
    OrderFailed,
    PeerElsewhere,
    PeerFetching,
    PeerHas,
    PeerJoined,
    PeerLease,
    PeerLeft,
    PeerLost,
    SayFetching,
    SayLease,
    Stored,
    Stuck,
    Tick,
    Upstream,
    Vouched,
    WakeAt,
    Wanted,
)
from swarm.scheduler.lease import LEASE_CLAIM_SECONDS, LEASE_SAY_SECONDS
from swarm.scheduler.peers import DISTRUST_SECONDS, ELSEWHERE_SECONDS, PAUSE_SECONDS, REFUSED_SECONDS
from swarm.scheduler.picker import OWN_SLICE_GRACE
from swarm.scheduler.rival import LEASE_LEFT_SECONDS
from swarm.scheduler.scheduler import (
    SWEEP_SECONDS,
    Scheduler,
)
from swarm.scheduler.spans import FIRST_PARALLEL, FIRST_SPAN_BYTES
from swarm.scheduler.stuck import NO_SOURCE_SECONDS
from swarm.scheduler.upstream import UPSTREAM_ATTEMPTS, UPSTREAM_PAUSE_SECONDS
from swarm.scheduler.windows import HEDGE_MIN_SECONDS, MIN_WINDOW, ORDER_STALL_SECONDS
from tests.scheduler.simulator import TOPIC, layout

CHUNK = 256 * KIB
SETTLE = 0.5
ME = NodeId(b"m" * 32)
A, B, C = (NodeId(name * 32) for name in (b"a", b"b", b"c"))


class Bench:
    """A scheduler whose commands are kept; time goes on as told, with a Tick at every WakeAt that passes."""

    def __init__(self, *sizes: int, have: int = 0, usable: bool = False, vouched: bool = True) -> None:
        lengths = layout(*sizes)
        self.now = 0.0
        self.all = everything(lengths.total)
        self.wake: float | None = None
        self.scheduler = Scheduler(ME, TOPIC, lengths, have, 0.0, settle=SETTLE)
        self.said: list[Command] = []
        self.tell(Upstream(usable), Wanted(self.all))
        if vouched:
            self.tell(Vouched(self.all))
        self.said.clear()

    def tell(self, *events: Event) -> None:
        for event in events:
            commands = self.scheduler.step(event, self.now)
            for command in commands:
                if isinstance(command, WakeAt):
                    assert command.time > self.now
                    self.wake = command.time
            self.said += commands
            if self.scheduler.missing:
                assert self.wake is not None
                assert self.wake > self.now

    def until(self, time: float) -> None:
        """Time passes and nothing happens."""
        while self.wake is not None and self.wake <= time:
            self.now, self.wake = self.wake, None
            self.tell(Tick())
        self.now = time

    def seed(self, *peers: NodeId) -> None:
        """Peers that have everything and want nothing."""
        for peer in peers:
            self.tell(PeerJoined(peer, False, False), PeerHas(peer, self.all))

    def take(self, *kinds: type[Command]) -> list[Command]:
        """The commands of these kinds said since last time."""
        found = [command for command in self.said if isinstance(command, kinds)]
        self.said.clear()
        return found

    def fetches(self) -> dict[NodeId, list[int]]:
        """What was ordered since last time, by source."""
        ordered: dict[NodeId, list[int]] = {}
        for command in self.take(Fetch):
            assert isinstance(command, Fetch)
            ordered.setdefault(command.source, []).extend(command.chunks)
        return ordered


# --- from peers -----------------------------------------------------------------------------------


def test_a_peer_is_asked_at_once_for_as_much_as_its_window_holds() -> None:
    bench = Bench(10 * CHUNK)
    bench.seed(A)
    assert bench.fetches() == {A: list(range(MIN_WINDOW // CHUNK))}


def test_the_window_is_filled_again_when_half_of_it_is_free_and_grows_with_the_rate() -> None:
    bench = Bench(40 * CHUNK)
    bench.seed(A)
    bench.fetches()
    bench.now = 0.01
    bench.tell(Stored(0, A))
    assert len(bench.fetches()[A]) > MIN_WINDOW // CHUNK


def test_news_of_a_chunk_is_followed_up_in_the_same_step() -> None:
    bench = Bench(10 * CHUNK)
    bench.tell(PeerJoined(A, True, True))
    bench.now = 0.001
    bench.said.clear()
    bench.tell(PeerHas(A, 0b100))
    assert bench.fetches() == {A: [2]}


def test_small_files_travel_many_at_a_time() -> None:
    bench = Bench(*[1000] * 600)
    bench.seed(A)
    fetches = bench.take(Fetch)
    assert [len(fetch.chunks) for fetch in fetches if isinstance(fetch, Fetch)] == [MAX_PIECES, 12]


def test_complete_is_said_once() -> None:
    bench = Bench(100)
    bench.seed(A)
    bench.tell(Stored(0, A))
    assert bench.take(Complete) == [Complete()]
    bench.tell(Stored(0, A), PeerHas(B, 1), Tick())
    assert bench.take(Complete, WakeAt) == []


def test_complete_at_once_when_all_is_there_or_nothing_is_wanted() -> None:
    assert Complete() in Scheduler(ME, TOPIC, layout(9), 1, 0.0, settle=0.0).step(Wanted(1), 0.0)
    assert Complete() in Scheduler(ME, TOPIC, layout(0), 0, 0.0, settle=0.0).step(Wanted(0), 0.0)


def test_complete_again_after_chunks_proved_wrong() -> None:
    bench = Bench(100)
    bench.seed(A)
    bench.tell(Stored(0, A), Discarded(0b1))
    assert bench.fetches() == {A: [0, 0]}
    bench.tell(Stored(0, A))
    assert bench.take(Complete) == [Complete()]


def test_only_what_can_be_checked_is_ordered_and_digests_are_asked_for() -> None:
    bench = Bench(4 * CHUNK, vouched=False)
    bench.seed(A)
    bench.until(SWEEP_SECONDS)
    assert bench.take(Fetch, AskClaims) == [AskClaims(A, 0b1111)]
    bench.tell(Vouched(0b0100))
    assert bench.fetches() == {A: [2]}


def test_digests_are_asked_for_with_the_first_news_of_chunks() -> None:
    bench = Bench(4 * CHUNK, vouched=False)
    bench.tell(PeerJoined(A, False, False), PeerHas(A, 0b01), PeerHas(A, 0b11))
    assert bench.take(AskClaims) == [AskClaims(A, 0b01)]
    bench.tell(Vouched(0b01))
    bench.until(SWEEP_SECONDS)
    assert bench.take(AskClaims) == [AskClaims(A, 0b10)]


def test_what_concerns_others_follows_the_news_of_a_chunk_within_a_sweep() -> None:
    bench = Bench(2 * CHUNK)
    bench.seed(A)
    bench.until(0.2)
    bench.tell(PeerHas(B, 0b10))
    bench.now = 0.21
    bench.tell(PeerHas(B, 0b01))
    assert bench.wake == 0.2 + SWEEP_SECONDS


def test_a_tick_before_anything_is_due_only_sets_the_alarm_again() -> None:
    bench = Bench(2 * CHUNK)
    bench.seed(A)
    due = bench.wake
    bench.take()
    bench.now = 0.01
    bench.tell(Tick())
    assert bench.said == [WakeAt(due or 0.0)]


def test_what_can_be_checked_no_more_is_called_off() -> None:
    bench = Bench(2 * CHUNK)
    bench.seed(A)
    bench.take()
    bench.tell(Doubted(0b01))
    assert bench.take(Cancel) == [Cancel(1, 0b01)]


def test_an_order_that_failed_goes_elsewhere() -> None:
    bench = Bench(2 * CHUNK)
    bench.seed(A)
    bench.seed(B)
    assert bench.fetches() == {A: [0, 1]}
    bench.tell(OrderFailed(1, A, 0b11, False))
    assert bench.fetches() == {B: [0, 1]}


def test_a_failed_order_is_tried_again_when_there_is_nobody_else() -> None:
    bench = Bench(CHUNK)
    bench.seed(A)
    bench.fetches()
    bench.tell(OrderFailed(1, A, 0b1, False))
    bench.until(PAUSE_SECONDS)
    assert bench.fetches() == {}
    bench.until(REFUSED_SECONDS)
    assert bench.fetches() == {A: [0]}


def test_a_liar_is_left_alone_and_all_its_orders_are_called_off() -> None:
    bench = Bench(4 * CHUNK)
    bench.seed(A)
    bench.until(0.1)
    bench.tell(Stored(0, A))
    assert len(bench.take(Fetch)) == 2
    bench.tell(OrderFailed(1, A, 0b10, True))
    assert bench.take(Cancel) == [Cancel(2, 0b1100)]
    bench.until(DISTRUST_SECONDS - 0.1)
    assert bench.fetches() == {}
    bench.until(DISTRUST_SECONDS + 0.1)
    assert sorted(bench.fetches()[A]) == [1, 2, 3]


def test_a_peer_that_always_says_elsewhere_is_counted_on_once() -> None:
    bench = Bench(CHUNK, usable=True)
    bench.seed(A)
    assert bench.fetches() == {A: [0]}
    bench.tell(PeerElsewhere(A, 0b1))
    bench.until(3 * ELSEWHERE_SECONDS)
    assert bench.fetches() == {A: [0]}
    bench.tell(PeerElsewhere(A, 0b1))
    assert bench.fetches() == {UPSTREAM: [0]}


def test_what_a_seed_lets_others_relay_is_asked_of_them_and_never_of_upstream() -> None:
    bench = Bench(2 * CHUNK, usable=True)
    bench.seed(A)
    assert bench.fetches() == {A: [0, 1]}
    bench.tell(PeerElsewhere(A, 0b01))
    assert bench.take(Cancel) == [Cancel(1, 0b01)]
    bench.tell(Stored(1, A))
    bench.until(ELSEWHERE_SECONDS - 0.1)
    assert bench.take(Fetch, SayLease) == []
    bench.tell(PeerJoined(B, True, True), PeerHas(B, 0b01))
    assert bench.fetches() == {B: [0]}
    bench.tell(PeerLeft(B))
    assert bench.fetches() == {A: [0]}


def test_what_a_peer_that_left_owed_is_asked_of_another() -> None:
    bench = Bench(2 * CHUNK)
    bench.seed(A, B)
    assert bench.fetches() == {A: [0, 1]}
    bench.tell(PeerLeft(A))
    assert bench.said[0] == Cancel(1, 0b11)
    assert bench.fetches() == {B: [0, 1]}


def test_what_a_peer_has_no_more_is_called_off() -> None:
    bench = Bench(2 * CHUNK)
    bench.seed(A)
    bench.take()
    bench.tell(PeerLost(A, 0b01))
    assert bench.take(Cancel) == [Cancel(1, 0b01)]


def test_a_late_chunk_is_asked_of_another_and_the_slower_order_called_off() -> None:
    bench = Bench(CHUNK)
    bench.seed(A)
    bench.fetches()
    bench.seed(B)
    overdue = max(HEDGE_MIN_SECONDS, 1.0)
    bench.until(overdue - 0.05)
    assert bench.fetches() == {}
    bench.until(overdue + 0.05)
    assert bench.fetches() == {B: [0]}
    bench.tell(Stored(0, A))
    assert bench.take(Cancel, Complete) == [Cancel(2, 0b1), Complete()]


def test_a_source_that_stopped_is_left() -> None:
    bench = Bench(CHUNK)
    bench.seed(A)
    bench.take()
    bench.until(ORDER_STALL_SECONDS - 0.1)
    assert bench.take(Cancel) == []
    bench.until(ORDER_STALL_SECONDS + 0.1)
    assert bench.take(Cancel) == [Cancel(1, 0b1)]


def test_in_the_endgame_the_queue_of_a_slow_source_is_shared_out() -> None:
    """A sends a chunk a second, B ten; when only A's queue is left, B is asked for its tail too."""
    bench = Bench(8 * CHUNK)
    bench.tell(PeerJoined(A, False, False), PeerHas(A, 0b111))
    bench.tell(PeerJoined(B, False, False), PeerHas(B, 0b11111000))
    bench.until(0.1)
    bench.tell(Stored(3, B))
    bench.until(1.0)
    bench.tell(Stored(0, A), *(Stored(chunk, B) for chunk in (4, 5, 6, 7)))
    bench.take()
    bench.tell(PeerHas(B, 0b111))
    bench.until(1.1)
    assert bench.fetches() == {B: [1, 2]}


# --- whom to ask first ----------------------------------------------------------------------------


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


# --- upstream -------------------------------------------------------------------------------------


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


# --- when nothing can be had ----------------------------------------------------------------------


def test_stuck_is_said_when_nobody_has_the_rest_and_nobody_could_fetch_it() -> None:
    bench = Bench(2 * CHUNK)
    bench.tell(PeerJoined(A, True, False), PeerHas(A, 0b01))
    bench.tell(Stored(0, A))
    bench.until(NO_SOURCE_SECONDS - 0.1)
    assert bench.take(Stuck) == []
    bench.until(NO_SOURCE_SECONDS + 0.1)
    assert bench.take(Stuck) == [Stuck(0b10)]


@pytest.mark.parametrize(
    "hope",
    [PeerJoined(A, True, True), Upstream(True), PeerHas(A, 0b1)],
    ids=["a peer that could fetch", "an upstream", "a peer that has it"],
)
def test_not_stuck_while_there_is_hope(hope: Event) -> None:
    bench = Bench(CHUNK)
    bench.until(NO_SOURCE_SECONDS - 1.0)
    bench.tell(hope)
    bench.until(NO_SOURCE_SECONDS + 1.0)
    assert bench.take(Stuck) == []


@pytest.mark.parametrize("usable", [False, True])
def test_while_anything_is_missing_there_is_always_a_next_wake(usable: bool) -> None:
    """`Bench.tell` looks after every step; here nothing ever answers."""
    bench = Bench(9 * CHUNK, usable=usable)
    bench.tell(PeerJoined(A, True, True), PeerHas(A, 0b111), PeerFetching(B, 0b1000), PeerLease(C, True, 1))
    bench.until(400.0)
    assert bench.scheduler.missing == bench.all
