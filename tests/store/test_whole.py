"""Chunks that lie one behind the other are hashed as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.store.whole import joined

SIZE = 50
CUTS = st.tuples(st.integers(0, 2), st.integers(0, SIZE), st.integers(0, SIZE))


def test_what_lies_in_a_row_in_one_memory_is_one() -> None:
    memory = memoryview(bytearray(range(100)))
    views = [memory[10:20], memory[20:50], memory[60:70], memory[70:71], memory[0:10]]
    assert [bytes(run) for run in joined(views)] == [
        bytes(memory[10:50]),
        bytes(memory[60:71]),
        bytes(memory[:10]),
    ]


def test_what_lies_in_other_memory_or_cannot_be_written_to_stays_apart() -> None:
    one, other, fixed = memoryview(bytearray(b"abcd")), memoryview(bytearray(b"efgh")), memoryview(b"ijkl")
    views = [one[:2], other[2:], fixed[:2], fixed[2:], one[2:].toreadonly(), one[:0], one[2:]]
    assert [bytes(run) for run in joined(views)] == [b"ab", b"gh", b"ij", b"kl", b"cd", b"", b"cd"]
    assert list(joined([])) == []


@given(st.lists(CUTS))
def test_the_bytes_are_the_same_in_the_same_order(cuts: list[tuple[int, int, int]]) -> None:
    memories = [
        memoryview(bytearray(range(SIZE))),
        memoryview(bytearray(SIZE)),
        memoryview(bytes(range(SIZE))),
    ]
    views = [memories[which][min(a, b) : max(a, b)] for which, a, b in cuts]
    assert b"".join(joined(views)) == b"".join(views)
