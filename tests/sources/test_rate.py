"""Bytes a second that tasks share, at exact virtual times."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from swarm.sources.rate import BURST_SECONDS, RateLimiter


async def test_bytes_pass_at_the_rate(autojump_clock: MockClock) -> None:
    limiter = RateLimiter(1000)
    for _ in range(10):
        await limiter.take(500)
    assert trio.current_time() == pytest.approx(5 - BURST_SECONDS)


async def test_a_pause_earns_no_more_than_a_burst(autojump_clock: MockClock) -> None:
    limiter = RateLimiter(1000)
    await limiter.take(1)
    await trio.sleep(100)
    start = trio.current_time()
    await limiter.take(3000)
    assert trio.current_time() - start == pytest.approx(3 - BURST_SECONDS)


async def test_tasks_share_the_rate_in_the_order_they_came(autojump_clock: MockClock) -> None:
    limiter = RateLimiter(1000)
    done: list[tuple[int, float]] = []

    async def taker(number: int) -> None:
        await limiter.take(1000)
        done.append((number, round(trio.current_time() + BURST_SECONDS, 6)))

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(taker, number)
            await trio.testing.wait_all_tasks_blocked()
    assert done == [(0, 1.0), (1, 2.0), (2, 3.0)]


async def test_without_a_rate_everything_passes(autojump_clock: MockClock) -> None:
    limiter = RateLimiter(None)
    await limiter.take(1 << 40)
    assert trio.current_time() == 0


async def test_a_clock_may_be_handed_in(autojump_clock: MockClock) -> None:
    times = iter([0.0, 0.0])
    limiter = RateLimiter(10, clock=lambda: next(times))
    await limiter.take(10)
    await limiter.take(10)
    assert trio.current_time() == pytest.approx(1 + 2 - 2 * BURST_SECONDS)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_what_is_no_rate(rate: float) -> None:
    with pytest.raises(ValueError):
        RateLimiter(rate)
