"""What the origin asks of the upstream next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.bits import everything, from_members
from protocol.limits import KIB, MAX_PIECES, MIB
from swarm.scheduler.spans import (
    FIRST_PARALLEL,
    FIRST_SPAN_BYTES,
    SPAN_BYTES,
    SPAN_SECONDS,
    UPSTREAM_PARALLEL,
    next_span,
    parallel,
    span_bytes,
)
from swarm.scheduler.windows import Pace
from tests.scheduler.simulator import layout

CHUNK = 256 * KIB


def measured(rate: float) -> Pace:
    pace = Pace()
    pace.started(0.0)
    pace.arrived(int(rate), 1.0)
    return pace


def test_a_span_is_contiguous_and_within_its_budget() -> None:
    chunks = next_span(layout(10 * CHUNK), everything(10), 0, 4 * CHUNK)
    assert chunks == dict.fromkeys(range(4), CHUNK)


def test_a_span_starts_where_it_is_told_and_goes_round() -> None:
    lengths = layout(10 * CHUNK)
    assert list(next_span(lengths, everything(10), 8, 4 * CHUNK)) == [8, 9]
    assert list(next_span(lengths, everything(8), 8, 2 * CHUNK)) == [0, 1]


def test_a_span_stops_at_a_chunk_that_is_not_needed() -> None:
    assert list(next_span(layout(10 * CHUNK), 0b1111011, 0, 10 * CHUNK)) == [0, 1]


def test_one_chunk_at_least() -> None:
    assert list(next_span(layout(10 * CHUNK), everything(10), 0, 1)) == [0]


def test_a_span_ends_with_its_large_blob() -> None:
    lengths = layout(3 * CHUNK, 3 * CHUNK, 100)
    assert list(next_span(lengths, everything(7), 0, 64 * MIB)) == [0, 1, 2]
    assert list(next_span(lengths, everything(7), 3, 64 * MIB)) == [3, 4, 5]


def test_small_blobs_travel_together_whether_they_lie_together_or_not() -> None:
    lengths = layout(*[1000] * 2000)
    assert list(next_span(lengths, from_members([1, 5, 900]), 0, MIB)) == [1, 5, 900]
    assert len(next_span(lengths, everything(2000), 0, 64 * MIB)) == MAX_PIECES


def test_spans_are_tiny_until_something_came() -> None:
    assert span_bytes(Pace(), 1 << 40) == FIRST_SPAN_BYTES
    assert parallel(Pace()) == FIRST_PARALLEL
    assert parallel(measured(1000)) == UPSTREAM_PARALLEL


def test_the_length_of_a_span_follows_the_rate_and_what_is_left() -> None:
    assert span_bytes(measured(8 * MIB), 1 << 40) == 8 * MIB * SPAN_SECONDS
    assert span_bytes(measured(800 * MIB), 1 << 40) == SPAN_BYTES
    assert span_bytes(measured(800 * MIB), 40 * MIB) == 5 * MIB
    assert span_bytes(measured(10 * KIB), 1 << 40) == FIRST_SPAN_BYTES


@given(
    st.lists(st.sampled_from([1, 5000, CHUNK, CHUNK + 1, 5 * CHUNK]), min_size=1, max_size=12),
    st.data(),
)
def test_spans_taken_in_turn_cover_what_is_needed_once(sizes: list[int], data: st.DataObject) -> None:
    lengths = layout(*sizes)
    needed = data.draw(st.integers(0, everything(lengths.total)))
    start = data.draw(st.integers(0, lengths.total - 1))
    taken: list[int] = []
    while left := needed & ~from_members(taken):
        chunks = next_span(lengths, left, start, 2 * CHUNK)
        assert chunks
        assert all(length == lengths.length(chunk) for chunk, length in chunks.items())
        taken += chunks
    assert len(taken) == needed.bit_count()
