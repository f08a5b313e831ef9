"""The simulated LAN itself: what the figures of the simulations rest on."""

from __future__ import annotations

import pytest

from tests.scheduler.network import (
    IN_FLIGHT,
    PIECE,
    WRITTEN,
    Clock,
    Cores,
    Costs,
    Flow,
    Host,
    Piece,
    Processor,
)

RATE = 1_000_000.0
FREE = Costs()


def host(clock: Clock, *, up: float = RATE, cores: Cores | None = None) -> Host:
    return Host(up, RATE, Processor(clock, cores), latency=0.0)


def flow(clock: Clock, sender: Host, receiver: Host, costs: Costs = FREE, piece: int = PIECE) -> list[float]:
    """A chunk of 40 pieces on its way; the list fills with the times at which its pieces were taken in."""
    times: list[float] = []

    def take(piece: Piece, wanted: bool) -> None:
        times.append(clock.now)

    Flow(clock, costs, sender, receiver, take, piece).send(1, 0, 40 * PIECE)
    return times


def test_flows_share_an_uplink_evenly() -> None:
    clock = Clock()
    sender = host(clock)
    one, two = (flow(clock, sender, host(clock)) for _ in range(2))
    clock.run(lambda: len(one) == 40 and len(two) == 40)
    assert clock.now == pytest.approx(80 * PIECE / RATE)
    assert two[-1] - one[-1] <= 2 * PIECE / RATE


def test_flows_share_an_uplink_as_their_pieces_are_long() -> None:
    clock = Clock()
    sender = host(clock)
    one, two = flow(clock, sender, host(clock)), flow(clock, sender, host(clock), piece=PIECE // 4)
    clock.run(lambda: len(one) == 40)
    assert len(two) in range(38, 42)


def test_work_is_done_piece_by_piece_and_slows_the_sender() -> None:
    clock = Clock()
    receiver = host(clock)
    times = flow(clock, host(clock), receiver, Costs(receive=2 / RATE))
    clock.run(lambda: len(times) == 40)
    assert clock.now == pytest.approx((40 * 2 + 1) * PIECE / RATE)
    assert receiver.processor.worked == pytest.approx(80 * PIECE / RATE)


def test_what_came_meanwhile_needs_no_waking_of_its_own() -> None:
    clock = Clock()
    receiver = host(clock)
    times = flow(clock, host(clock), receiver, Costs(wake=3 * PIECE / RATE))
    clock.run(lambda: len(times) == 40)
    assert receiver.processor.worked < 20 * 3 * PIECE / RATE


def test_processors_share_cores() -> None:
    clock = Clock()
    cores = Cores(2)
    done: list[float] = []
    for _ in range(4):
        Processor(clock, cores).do(1.0, lambda: done.append(clock.now))
    clock.run(lambda: len(done) == 4)
    assert done == [1.0, 1.0, 2.0, 2.0]


def test_a_receiver_that_does_nothing_takes_its_window_and_no_more_of_the_uplink() -> None:
    clock = Clock()
    sender, stopped = host(clock), host(clock)
    stopped.processor.stop()
    lost = flow(clock, sender, stopped)
    times = flow(clock, sender, host(clock))
    clock.run(lambda: len(times) == 40)
    assert not lost
    assert clock.now <= (41 * PIECE + IN_FLIGHT + WRITTEN) / RATE
