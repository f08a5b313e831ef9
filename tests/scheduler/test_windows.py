"""Speed, windows and clocks of a source."""

from __future__ import annotations

import pytest

from protocol.limits import KIB, MIB
from swarm.scheduler.windows import (
    ALL_SECONDS,
    HEDGE_FACTOR,
    HEDGE_FIRST_RATE,
    HEDGE_MIN_SECONDS,
    MAX_WINDOW,
    MIN_WINDOW,
    ORDER_STALL_SECONDS,
    PIPELINE_SECONDS,
    STALL_FACTOR,
    Crowd,
    Pace,
)

CHUNK = 256 * KIB


def steady(seconds_per_chunk: float, chunks: int = 40, length: int = CHUNK) -> Pace:
    """A source that sent chunks of this length at even intervals, the last one at time chunks × interval."""
    pace = Pace()
    pace.started(0.0)
    for number in range(1, chunks + 1):
        pace.arrived(length, number * seconds_per_chunk)
    return pace


def test_a_source_is_unmeasured_until_a_chunk_took_time() -> None:
    pace = Pace()
    assert pace.rate is None
    assert pace.seconds(CHUNK) is None
    pace.started(5.0)
    pace.arrived(CHUNK, 5.0)
    assert pace.rate is None
    pace.arrived(CHUNK, 5.5)
    assert pace.rate == pytest.approx((0.5**0.5 + 1) * CHUNK / 0.5)


def test_time_with_nothing_outstanding_does_not_count() -> None:
    pace = steady(0.1)
    pace.started(1000.0)
    pace.arrived(CHUNK, 1000.1)
    assert pace.rate == pytest.approx(10 * CHUNK)
    assert pace.latency == pytest.approx(0.1)


def test_the_rate_follows_a_link_that_changes() -> None:
    pace = steady(0.01)
    for number in range(1, 31):
        pace.arrived(CHUNK, 0.4 + number * 0.1)
    assert pace.rate == pytest.approx(10 * CHUNK, rel=0.35)


def test_the_window_is_rate_times_delay_within_its_limits() -> None:
    assert Pace().window(CHUNK, 0) == max(MIN_WINDOW, 2 * CHUNK)
    assert Pace().window(4 * MIB, 0) == 8 * MIB
    assert steady(0.01).window(CHUNK, 0) == pytest.approx(100 * CHUNK * (0.01 + PIPELINE_SECONDS), rel=1e-6)
    assert steady(0.00001).window(CHUNK, 1) == MAX_WINDOW


def test_many_sources_together_have_as_much_outstanding_as_a_few() -> None:
    few = round(ALL_SECONDS / PIPELINE_SECONDS)
    rate = 100 * CHUNK
    assert steady(0.01).window(CHUNK, few) == steady(0.01).window(CHUNK, 1)
    assert steady(0.01).window(CHUNK, 5) == pytest.approx(rate * (0.01 + ALL_SECONDS / 5), rel=1e-6)
    assert steady(0.01).window(CHUNK, 1000) == MIN_WINDOW


def test_overdue_by_the_sources_own_history() -> None:
    pace, crowd = steady(1.0), Crowd()
    assert pace.overdue_at(CHUNK, crowd) == pytest.approx(40.0 + HEDGE_FACTOR * 1.0)
    assert pace.overdue_at(CHUNK // 2, crowd) == pytest.approx(40.0 + HEDGE_FACTOR * 0.5)
    assert steady(0.01).overdue_at(CHUNK, crowd) == pytest.approx(0.4 + HEDGE_MIN_SECONDS)


def test_stalled_by_the_sources_own_history() -> None:
    crowd = Crowd()
    assert steady(0.01).stalled_at(CHUNK, crowd) == pytest.approx(0.4 + ORDER_STALL_SECONDS)
    assert steady(1.0).stalled_at(CHUNK, crowd) == pytest.approx(40.0 + STALL_FACTOR * 1.0)


def test_a_new_source_among_many_is_given_its_share_of_the_link() -> None:
    crowd, pace = Crowd(), Pace()
    crowd.busy(8, 0.0)
    pace.started(0.0)
    assert pace.overdue_at(CHUNK, crowd) == pytest.approx(HEDGE_FACTOR * 8 * CHUNK / HEDGE_FIRST_RATE)
    crowd.arrived(CHUNK, 2.0)
    assert pace.overdue_at(CHUNK, crowd) == pytest.approx(HEDGE_FACTOR * 8 * 2.0)
    assert pace.stalled_at(CHUNK, crowd) == pytest.approx(STALL_FACTOR * 8 * 2.0)


def test_the_crowd_does_not_count_time_in_which_nobody_owed_anything() -> None:
    crowd = Crowd()
    crowd.busy(1, 0.0)
    crowd.arrived(CHUNK, 1.0)
    crowd.busy(0, 1.0)
    crowd.busy(1, 100.0)
    crowd.arrived(CHUNK, 101.0)
    assert crowd.seconds(CHUNK, 1.0) == pytest.approx(1.0)
