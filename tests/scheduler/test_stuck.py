"""When it is said that the rest cannot be had."""

from __future__ import annotations

from swarm.scheduler.stuck import NO_SOURCE_SECONDS, STANDSTILL_SECONDS, StuckClock


def test_said_once_when_nothing_was_obtainable_for_long() -> None:
    clock = StuckClock(0.0)
    assert not clock.check(False, False, 1.0)
    assert clock.next_wake() == 1.0 + NO_SOURCE_SECONDS
    assert not clock.check(False, False, 0.9 + NO_SOURCE_SECONDS)
    assert clock.check(False, False, 1.0 + NO_SOURCE_SECONDS)
    assert not clock.check(False, False, 2.0 + NO_SOURCE_SECONDS)


def test_a_source_starts_the_clock_anew() -> None:
    clock = StuckClock(0.0)
    clock.check(False, False, 0.0)
    clock.check(True, False, NO_SOURCE_SECONDS - 1)
    assert not clock.check(False, False, NO_SOURCE_SECONDS)
    assert clock.check(False, False, 2 * NO_SOURCE_SECONDS)


def test_said_again_after_something_had_come() -> None:
    clock = StuckClock(0.0)
    clock.check(False, False, 0.0)
    assert clock.check(False, False, 20.0)
    clock.moved(30.0)
    assert not clock.check(False, False, 30.0)
    assert clock.check(False, False, 30.0 + NO_SOURCE_SECONDS)


def test_sources_that_only_promise_are_not_waited_for_for_ever() -> None:
    clock = StuckClock(0.0)
    assert not clock.check(True, False, STANDSTILL_SECONDS - 1)
    assert clock.check(True, False, STANDSTILL_SECONDS)
    assert not clock.check(True, False, STANDSTILL_SECONDS + 1)


def test_an_origin_at_work_may_take_its_time() -> None:
    clock = StuckClock(0.0)
    assert not clock.check(True, True, 10 * STANDSTILL_SECONDS)
    assert not clock.check(True, False, 11 * STANDSTILL_SECONDS - 1)
    assert clock.check(True, False, 11 * STANDSTILL_SECONDS)
