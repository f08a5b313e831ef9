"""Equal parts for all who relay for a seed, and an uplink that is not left idle for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol.limits import KIB
from swarm.exchange.turns import (
    LATE_FACTOR,
    LATE_SECONDS,
    LEAD_FRAMES,
    MEMORY_FRAMES,
    SIDE_BY_SIDE,
    SLOW_FRAMES,
    USUAL_FRAMES,
    Turn,
    Turns,
)

FRAME = 256 * KIB


def links(turns: Turns, count: int) -> list[Turn]:
    return [Turn(turns, lambda: 0.0) for _ in range(count)]


def send(turns: Turns, turn: Turn, seconds: float, *, times: int = 1) -> None:
    """So many frames of a link that nobody makes wait, one after another."""
    for number in range(times):
        turns.ask(turn, FRAME)
        assert turns.admit(float(number)) == [turn]
        turns.done(turn, number + seconds)


def served(turns: Turns, seconds: Sequence[float], until: float) -> Counter[int]:
    """How many frames each link sent that always has another one, and needs so many seconds for it."""
    every = links(turns, len(seconds))
    done: Counter[int] = Counter()
    ends: dict[int, float] = {}
    now = 0.0
    for turn in every:
        turns.ask(turn, FRAME)
    while now < until:
        for turn in turns.admit(now):
            ends[every.index(turn)] = now + seconds[every.index(turn)]
        now = min(ends.values())
        for place in [place for place, end in ends.items() if end <= now]:
            del ends[place]
            turns.done(every[place], now)
            done[place] += 1
            turns.ask(every[place], FRAME)
    return done


def test_few_never_wait() -> None:
    turns = Turns()
    first, *others = links(turns, SIDE_BY_SIDE)
    for turn in others:
        turns.ask(turn, FRAME)
    assert len(turns.admit(0.0)) == SIDE_BY_SIDE - 1
    send(turns, first, 0.0, times=2 * LEAD_FRAMES)


def test_who_is_ahead_waits_for_the_least_served() -> None:
    done = served(Turns(), [0.01, 0.01, 0.01, 0.02, 0.02, 0.04, 0.04, 0.04], 10.0)
    assert max(done.values()) <= min(done.values()) + LEAD_FRAMES + 1


def test_without_turns_they_would_not_be_even() -> None:
    seconds = [0.01, 0.01, 0.01, 0.02, 0.02, 0.04, 0.04, 0.04]
    done = served(Turns(), seconds[-SIDE_BY_SIDE:], 10.0)
    assert max(done.values()) > min(done.values()) + 10 * LEAD_FRAMES


@pytest.mark.parametrize("slow", [1, 3])
def test_nobody_waits_for_a_link_that_is_slow_by_itself(slow: int) -> None:
    done = served(Turns(), [0.01] * 8 + [2 * LATE_SECONDS] * slow, 20.0)
    assert min(done[place] for place in range(8)) > 0.9 * SIDE_BY_SIDE * 20.0 / 0.01 / 8


def test_who_is_slow_is_waited_for_again_once_it_is_not() -> None:
    turns = Turns()
    link, other = links(turns, 2)
    send(turns, link, LATE_SECONDS)
    assert link.slow
    send(turns, link, LATE_SECONDS / 2)
    assert not link.slow
    assert not other.slow


def test_a_link_whose_frames_all_take_far_longer_is_slow() -> None:
    turns = Turns()
    usual, other = links(turns, 2)
    send(turns, usual, 0.05, times=USUAL_FRAMES)
    for seconds, slow in [*[(0.21, False)] * (SLOW_FRAMES - 1), (0.21, True), (0.21, True), (0.05, False)]:
        send(turns, other, seconds)
        assert other.slow == slow


def test_a_pause_among_fast_frames_makes_no_link_slow() -> None:
    turns = Turns()
    usual, other = links(turns, 2)
    send(turns, usual, 0.001, times=USUAL_FRAMES // 2)
    send(turns, other, 0.09, times=USUAL_FRAMES // 2 - 1)
    assert not other.slow


def test_what_is_late_follows_from_what_frames_usually_take() -> None:
    turns = Turns()
    usual, other = links(turns, 2)
    send(turns, usual, LATE_SECONDS, times=USUAL_FRAMES)
    send(turns, other, 0.9 * LATE_FACTOR * LATE_SECONDS)
    assert not other.slow
    send(turns, other, LATE_FACTOR * LATE_SECONDS)
    assert other.slow


def test_what_a_link_was_given_long_ago_is_past() -> None:
    turns = Turns()
    old, *new = links(turns, SIDE_BY_SIDE + 1)
    send(turns, old, 0.0, times=1000)
    for turn in new:
        turns.ask(turn, FRAME)
    assert len(turns.admit(0.0)) == SIDE_BY_SIDE
    rounds = 0
    turns.ask(old, FRAME)
    while old not in turns.admit(0.0):
        for turn in new:
            turns.done(turn, 0.0)
            turns.ask(turn, FRAME)
        rounds += 1
    assert rounds == MEMORY_FRAMES - LEAD_FRAMES


@given(st.lists(st.sampled_from([0.01, 0.02, 0.1, 0.3]), min_size=1, max_size=12))
def test_the_uplink_is_never_left_idle(seconds: list[float]) -> None:
    turns = Turns()
    every = links(turns, len(seconds))
    ends: dict[Turn, float] = {}
    now = 0.0
    for turn in every:
        turns.ask(turn, FRAME)
    for _ in range(100):
        ends |= {turn: now + seconds[every.index(turn)] for turn in turns.admit(now)}
        assert len(ends) >= min(SIDE_BY_SIDE, len(every))
        now = min(ends.values())
        for turn in [turn for turn, end in ends.items() if end <= now]:
            del ends[turn]
            turns.done(turn, now)
            turns.ask(turn, FRAME)


async def test_who_waits_goes_on_when_all_that_are_sending_are_late(autojump_clock: MockClock) -> None:
    turns = Turns()
    stuck = [Turn(turns, trio.current_time) for _ in range(SIDE_BY_SIDE)]
    behind, ahead = Turn(turns, trio.current_time), Turn(turns, trio.current_time)
    for _ in range(LEAD_FRAMES + 1):
        await ahead.begin(FRAME)
        ahead.end()
    began = trio.current_time()
    for turn in stuck:
        turn.given = ahead.given - (LEAD_FRAMES + 1) * FRAME
        await turn.begin(FRAME)
    await ahead.begin(FRAME)
    assert trio.current_time() - began == LATE_SECONDS
    await behind.begin(FRAME)
    assert trio.current_time() - began == LATE_SECONDS


async def test_who_gives_up_waiting_leaves_its_place_to_others(autojump_clock: MockClock) -> None:
    turns = Turns()
    ahead, *busy = [Turn(turns, trio.current_time) for _ in range(SIDE_BY_SIDE + 1)]
    for _ in range(LEAD_FRAMES + 1):
        await ahead.begin(FRAME)
        ahead.end()
    before = ahead.given
    for turn in busy:
        await turn.begin(FRAME)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ahead.begin, FRAME)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert ahead.given == before
    for turn in busy:
        turn.end()
    assert turns.admit(trio.current_time()) == []
    await ahead.begin(FRAME)
