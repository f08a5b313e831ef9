"""Sets of chunks against Python's own sets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import bits as bits_of
from protocol.limits import MAX_CHUNKS

numbers = st.sets(st.integers(0, 3000))
spans = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 300)))


@given(numbers)
def test_members_are_what_went_in(chosen: set[int]) -> None:
    assert list(bits_of.members(bits_of.from_members(chosen))) == sorted(chosen)


@given(numbers, st.integers(0, 3100))
def test_members_from_a_place_on_wrap_round(chosen: set[int], start: int) -> None:
    expected = sorted(chosen, key=lambda number: (number < start, number))
    assert list(bits_of.members(bits_of.from_members(chosen), start)) == expected


@given(numbers)
def test_descending_is_the_other_way_round(chosen: set[int]) -> None:
    assert list(bits_of.descending(bits_of.from_members(chosen))) == sorted(chosen, reverse=True)


@given(spans)
def test_ranges_are_the_union_of_their_spans(ranges: list[tuple[int, int]]) -> None:
    expected = {number for first, count in ranges for number in range(first, first + count)}
    assert set(bits_of.members(bits_of.from_ranges(ranges))) == expected


@given(numbers)
def test_ranges_are_ascending_and_do_not_touch(chosen: set[int]) -> None:
    bits = bits_of.from_members(chosen)
    ranges = bits_of.to_ranges(bits)
    assert bits_of.from_ranges(ranges) == bits
    assert all(count > 0 for _, count in ranges)
    assert all(a + count < b for (a, count), (b, _) in pairwise(ranges))


@pytest.mark.parametrize("span", [(-1, 2), (0, -1), (9, 2), (10, 1), (1 << 62, 1), (0, 1 << 62)])
def test_spans_outside_the_snapshot_are_refused(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not all within"):
        bits_of.from_ranges([span], 10)


def test_no_span_beyond_the_largest_snapshot_is_allocated() -> None:
    with pytest.raises(ValueError, match="not all within"):
        bits_of.from_ranges([(MAX_CHUNKS, 1)])


@given(st.integers(1, 40), st.data(), st.integers(0, 500))
def test_periodic(period: int, data: st.DataObject, total: int) -> None:
    first = data.draw(st.integers(0, period - 1))
    run = data.draw(st.integers(1, period - first))
    expected = {number for number in range(total) if first <= number % period < first + run}
    assert set(bits_of.members(bits_of.periodic(period, first, run, total))) == expected


def test_small_helpers() -> None:
    assert bits_of.single(3) == 0b1000
    assert bits_of.everything(3) == 0b111
    assert bits_of.span(2, 2) == 0b1100
    assert bits_of.lowest(0b1100) == 2
    assert bits_of.minus(0b1101, 0b0110) == 0b1001
    assert bits_of.from_members([]) == 0
    with pytest.raises(ValueError, match="empty"):
        bits_of.lowest(0)
