"""Which endpoint is asked next, by what each did so far."""

from __future__ import annotations

import pytest

from swarm.upstreams import roster as module
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.roster import CRAWL, REMEASURE_SECONDS, SLOW_RATIO, TRIAL_BYTES, Roster

A, B, C = (Endpoint(f"https://{name}.test") for name in "abc")


def measured(**speeds: float) -> Roster:
    """Endpoints by letter, each with a stream of this many bytes a second for ten seconds behind it."""
    known = {"a": A, "b": B, "c": C}
    roster = Roster([known[name] for name in speeds])
    for name, speed in speeds.items():
        if speed:
            roster.received(known[name], int(speed * 10), 10.0, 0.0)
    return roster


def test_new_ones_are_tried_in_order_one_stream_each() -> None:
    roster = Roster([A, B, C])
    for expected in (A, B, C):
        picked = roster.pick(0.0)
        assert picked == expected
        roster.opened(picked)
    assert roster.pick(0.0) == A, "all are being tried: the first takes the rest"


def test_small_files_do_not_end_a_trial() -> None:
    roster = Roster([A, B])
    roster.received(A, TRIAL_BYTES - 1, 60.0, 0.0)
    assert roster.pick(0.0) == A
    roster.received(A, 1, 0.1, 0.0)
    assert roster.pick(0.0) == B


def test_the_fastest_is_taken() -> None:
    assert measured(a=1e6, b=3e6, c=2e6).pick(0.0) == B


def test_a_measurement_fades() -> None:
    roster = measured(a=8e6, b=6e6)
    for second in range(20):
        roster.received(A, 1_000_000, 1.0, float(second))
    assert roster.pick(20.0) == B


def test_one_not_used_for_a_while_is_new_again() -> None:
    roster = measured(a=9e6, b=1e6)
    now = REMEASURE_SECONDS + 1
    roster.received(A, 9_000_000, 1.0, now)
    assert roster.pick(now) == B
    roster.received(B, TRIAL_BYTES, 0.01, now)
    assert roster.pick(now) == B, "what was measured before counts no more"


def test_failures_rest_longer_each_time() -> None:
    roster = Roster([A])
    now, rests = 0.0, []
    for _ in range(11):
        roster.failed(A, now, "down")
        free_at = roster.next_free()
        assert free_at
        assert roster.pick(now) is None
        rests.append(free_at - now)
        now = free_at
        assert roster.pick(now) == A
    assert rests == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    roster.delivered(A)
    roster.failed(A, now, "down")
    assert roster.next_free() == now + 1


def test_streams_that_fail_together_count_once() -> None:
    roster = Roster([A])
    for _ in range(4):
        roster.failed(A, 0.0, "down")
    assert roster.next_free() == module.FIRST_REST_SECONDS


def test_the_time_an_endpoint_named_is_kept() -> None:
    roster = Roster([A])
    roster.failed(A, 0.0, "busy", retry_after=42.0)
    assert roster.next_free() == 42
    roster.failed(A, 1.0, "busy", retry_after=3.0)
    assert roster.next_free() == 42, "another stream's shorter wait does not cut it short"


def test_avoided_ones_are_left_out_until_then() -> None:
    roster = measured(a=9e6, b=1e6)
    roster.avoid(A, 60.0, "lied")
    assert roster.avoided(A, 59.0)
    assert roster.pick(59.0) == B
    assert not roster.avoided(A, 60.0)
    assert [status.resting_because for status in roster.statuses(59.0)] == ["lied", None]


def test_others_may_be_left_out() -> None:
    roster = measured(a=9e6, b=1e6)
    assert roster.pick(0.0, {A}) == B
    assert roster.pick(0.0, {A, B}) is None
    assert roster.next_free({A, B}) is None


@pytest.mark.parametrize(("share", "left"), [(0.9, True), (1.1, False)])
def test_a_stream_is_left_for_one_that_is_much_faster(share: float, left: bool) -> None:
    roster = measured(a=8e6, b=8e6)
    assert roster.leave(A, share * 8e6 / SLOW_RATIO, 1.0) is left


@pytest.mark.parametrize(("speed", "left"), [(CRAWL - 1, True), (CRAWL, False)])
def test_a_crawling_stream_is_left_for_a_new_one(speed: float, left: bool) -> None:
    assert measured(a=8e6, b=0).leave(A, speed, 1.0) is left


def test_a_stream_is_not_left_for_one_that_rests_or_is_being_tried() -> None:
    roster = measured(a=1e6, b=9e9, c=0)
    roster.failed(B, 0.0, "down", retry_after=100.0)
    roster.opened(C)
    assert not roster.leave(A, 1.0, 1.0)
    roster.closed(C)
    assert roster.leave(A, 1.0, 1.0)


def test_a_stream_that_was_left_ends_the_trial() -> None:
    roster = measured(a=0, b=0)
    roster.received(A, 1000, 6.0, 6.0)
    assert roster.leave(A, 1000 / 6, 6.0)
    assert roster.pick(6.0) == B
    roster.opened(B)
    assert roster.pick(6.0) == A
