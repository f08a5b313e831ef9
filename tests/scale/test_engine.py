"""The parts of the simulation: time, links of machines, sizes of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import NodeId
from protocol.limits import MIB
from protocol.messages import Peers
from tests.scale.clock import Clock
from tests.scale.lines import PIECE, Flow, Line, Lines
from tests.scale.traffic import TOPIC, Tally, claims_bytes, peers_bytes, wire_bytes

LATENCY = 0.5


class Bench:
    """Two machines that send 1 MiB/s to one that takes as much."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.lines = Lines(self.clock, LATENCY)
        self.taker = Line(MIB, MIB)
        self.senders = [Line(MIB, MIB), Line(MIB, MIB)]
        self.came: list[tuple[float, int]] = []
        self.flows = [Flow(sender, self.taker, self._arrived) for sender in self.senders]

    def _arrived(self, order: int, chunk: int) -> None:
        self.came.append((self.clock.now, chunk))

    def run(self) -> list[tuple[float, int]]:
        self.clock.run(1000.0, lambda: False)
        return self.came


def test_things_happen_in_the_order_of_their_times_and_then_of_their_setting() -> None:
    clock = Clock()
    happened: list[str] = []
    for name, time in (("late", 2.0), ("first", 1.0), ("second", 1.0)):
        clock.at(time, happened.append, name)
    assert not clock.run(1.5, lambda: len(happened) == 3)
    assert (happened, clock.now) == (["first", "second"], 1.5)
    assert clock.run(9.0, lambda: len(happened) == 3)
    assert clock.now == 2.0


def test_a_chunk_takes_its_length_and_the_latency() -> None:
    bench = Bench()
    bench.lines.send(bench.flows[0], 1, 5, 4 * MIB)
    assert bench.run() == [(4.0 + LATENCY, 5)]


def test_two_senders_share_what_the_receiver_takes() -> None:
    bench = Bench()
    for number, flow in enumerate(bench.flows):
        bench.lines.send(flow, 1, number, 4 * MIB)
    first, last = bench.run()
    assert last[0] == pytest.approx(8.0 + LATENCY)
    assert first[0] == pytest.approx(7.0 + LATENCY)


def test_a_sender_serves_its_receivers_in_turn() -> None:
    bench = Bench()
    other = Line(MIB, MIB)
    flow = Flow(bench.senders[0], other, bench._arrived)
    bench.lines.send(bench.flows[0], 1, 0, 3 * PIECE)
    bench.lines.send(flow, 1, 1, 2 * PIECE)
    assert bench.run() == [(4.0 + LATENCY, 0), (5.0 + LATENCY, 1)]


def test_what_was_not_begun_can_be_withdrawn_and_nothing_comes_of_a_closed_flow() -> None:
    bench = Bench()
    for chunk in range(3):
        bench.lines.send(bench.flows[0], 1, chunk, 2 * MIB)
    bench.clock.run(0.5, lambda: False)
    bench.lines.withdraw(bench.flows[0], 1, 0b011)
    bench.clock.run(3.0, lambda: False)
    assert [chunk for _, chunk in bench.came] == [0]
    bench.lines.close(bench.flows[0])
    assert [chunk for _, chunk in bench.run()] == [0]


@pytest.mark.parametrize("count", [1, 15, 16, 64])
def test_the_size_of_peers_is_what_the_encoder_makes(count: int) -> None:
    texts = [f"10.0.{number}.1:7677" for number in range(count)]
    message = Peers(tuple((NodeId(bytes(32)), (text,)) for text in texts))
    assert peers_bytes(texts) == wire_bytes(message)


def test_digests_are_told_as_many_at_a_time_as_may_be() -> None:
    assert claims_bytes(0, 4096) == claims_bytes(0, 2048) + claims_bytes(2048, 2048)
    assert 34 * 100 < claims_bytes(0, 100) < 34 * 100 + 250


def test_a_tally_counts_by_name() -> None:
    tally = Tally()
    tally.add("Have", 60, 3)
    tally.add("Join", 40)
    assert (tally.total, tally.messages["Have"], len(TOPIC)) == (220, 3, 32)


@given(st.lists(st.tuples(st.floats(0, 0.01), st.lists(st.floats(0, 0.005), max_size=3)), max_size=30))
def test_things_happen_in_order_also_those_set_meanwhile(things: list[tuple[float, list[float]]]) -> None:
    clock = Clock()
    happened: list[tuple[float, int]] = []
    number = 0

    def set_at(time: float, following: list[float]) -> None:
        nonlocal number
        number += 1
        clock.at(time, happen, time, number, following)

    def happen(time: float, number: int, following: list[float]) -> None:
        assert clock.now == time
        happened.append((time, number))
        for seconds in following:
            set_at(clock.now + seconds, [])

    for time, following in things:
        set_at(time, following)
    for until in (0.002, 0.0055, 1.0):
        assert not clock.run(until, lambda: False)
        assert clock.now == until
        set_at(until, [])
    clock.run(2.0, lambda: False)
    assert happened == sorted(happened)
    assert clock.happened == len(happened) == number
