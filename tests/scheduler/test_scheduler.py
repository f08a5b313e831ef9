"""Events in, commands out: what is asked of peers, and what is said when nothing can be had."""

from __future__ import annotations

import pytest

from protocol.limits import MAX_PIECES
from swarm.scheduler.events import (
    UPSTREAM,
    AskClaims,
    Cancel,
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
    PeerSeed,
    SayLease,
    Stored,
    Stuck,
    Tick,
    Upstream,
    Vouched,
    WakeAt,
    Wanted,
)
from swarm.scheduler.peers import DISTRUST_SECONDS, ELSEWHERE_IDLE_SECONDS, PAUSE_SECONDS, REFUSED_SECONDS
from swarm.scheduler.picker import SliceFirst
from swarm.scheduler.scheduler import SWEEP_SECONDS, Scheduler
from swarm.scheduler.stuck import NO_SOURCE_SECONDS
from swarm.scheduler.windows import HEDGE_MIN_SECONDS, MIN_WINDOW, ORDER_STALL_SECONDS
from tests.scheduler.bench import CHUNK, ME, A, B, Bench, C
from tests.scheduler.simulator import TOPIC, layout

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


def test_to_ask_for_digests_is_no_reason_to_look_at_everything() -> None:
    bench = Bench(4 * CHUNK, vouched=False)
    bench.tell(PeerJoined(A, False, False))
    bench.said.clear()
    bench.tell(PeerHas(A, 0b01))
    assert bench.take(AskClaims, WakeAt) == [AskClaims(A, 0b01), WakeAt(SWEEP_SECONDS)]


def test_what_concerns_others_follows_the_news_of_a_chunk_within_a_sweep() -> None:
    bench = Bench(2 * CHUNK)
    bench.seed(A)
    bench.until(0.2)
    bench.tell(PeerHas(B, 0b10))
    bench.now = 0.21
    bench.tell(PeerHas(B, 0b01))
    assert bench.wake == 0.2 + SWEEP_SECONDS


class Restless(SliceFirst):
    """A policy that would be asked again every millisecond."""

    def next_wake(self, now: float) -> float | None:
        return now + 0.001


def test_turns_that_come_in_quick_succession_are_looked_at_together() -> None:
    scheduler = Scheduler(ME, TOPIC, layout(100), 0, 0.0, settle=0.0, picker=Restless(ME, 1, 0.0))
    assert WakeAt(10.0 + SWEEP_SECONDS) in scheduler.step(Wanted(1), 10.0)


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
    bench.until(3 * ELSEWHERE_IDLE_SECONDS)
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
    bench.until(ELSEWHERE_IDLE_SECONDS - 0.1)
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
    [PeerJoined(A, True, True), Upstream(True), PeerHas(A, 0b1), PeerSeed(A, B, 0b1, 0.0)],
    ids=["a peer that could fetch", "an upstream", "a peer that has it", "a seed that has it"],
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
