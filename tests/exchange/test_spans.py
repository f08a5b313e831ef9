"""Ranges and maps of messages, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.bits import from_members, from_ranges
from protocol.ids import SnapshotKey
from protocol.limits import MAX_CHUNKS, MAX_MAP_BYTES, MAX_RANGES
from protocol.messages import Have, HaveMap
from swarm.exchange.spans import covers, map_segments, sendable_spans, spans

TOPIC = SnapshotKey(bytes(32))
NUMBERS = st.lists(st.integers(0, 300) | st.integers(0, MAX_CHUNKS - 1), max_size=50)


@given(NUMBERS, st.integers(0, 310))
def test_spans_hold_the_chunks_and_nothing_else(chunks: list[int], other: int) -> None:
    ranges = spans(chunks)
    Have(TOPIC, ranges)  # its constructor checks the form
    assert from_ranges(ranges) == from_members(chunks)
    assert all(covers(ranges, chunk) for chunk in chunks)
    assert covers(ranges, other) == (other in chunks)


def test_many_spans_go_into_several_messages() -> None:
    parts = list(sendable_spans(range(0, 4 * MAX_RANGES, 2)))
    assert [len(part) for part in parts] == [MAX_RANGES, MAX_RANGES]
    assert [chunk for part in parts for chunk, _ in part] == list(range(0, 4 * MAX_RANGES, 2))
    assert list(sendable_spans([])) == []


@given(NUMBERS)
def test_a_map_in_segments_is_the_map(chunks: list[int]) -> None:
    have, again = from_members(chunks), 0
    for first, bits in map_segments(have):
        assert HaveMap(TOPIC, first, bits).bits[-1] != 0
        assert len(bits) <= MAX_MAP_BYTES
        again |= int.from_bytes(bits, "little") << first
    assert again == have
