"""Orders as ranges, and blocks of any size as chunks."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.limits import KIB
from protocol.manifest import Blob, Layout
from swarm.upstreams.runs import Cutter, Run, runs

CHUNK = 256 * KIB


def layout(*sizes: int) -> Layout:
    return Layout(Blob("sha256", bytes([number]) * 32, size) for number, size in enumerate(sizes))


def test_a_run_ends_with_its_blob() -> None:
    two = layout(3 * CHUNK, 2 * CHUNK + 1)
    found = [(run.first, run.index, run.count, run.start, run.stop, run.whole) for run in runs(two, range(6))]
    assert found == [(0, 0, 3, 0, 3 * CHUNK, True), (3, 0, 3, 0, 2 * CHUNK + 1, True)]


def test_a_run_ends_at_a_gap() -> None:
    found = [(run.first, run.count, run.whole) for run in runs(layout(9 * CHUNK), [0, 1, 3, 4, 5, 2])]
    assert found == [(0, 2, False), (3, 3, False), (2, 1, False)]


def test_what_is_left_of_a_run() -> None:
    (run,) = runs(layout(5 * CHUNK, CHUNK), range(1, 5))
    assert run.after(3) == Run(run.blob, 4, 4, 1)
    assert (run.after(3).start, run.after(3).stop) == (4 * CHUNK, 5 * CHUNK)


@settings(deadline=None)
@given(st.lists(st.integers(1, 5 * CHUNK), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_runs_are_the_order_again(sizes: list[int], rng: random.Random) -> None:
    cut = layout(*sizes)
    chunks = rng.sample(range(cut.total), rng.randint(0, cut.total))
    found = list(runs(cut, chunks))
    assert [run.first + offset for run in found for offset in range(run.count)] == chunks
    for run in found:
        assert cut.locate(run.first) == (run.blob, run.index)
        assert run.stop - run.start == sum(cut.length(run.first + offset) for offset in range(run.count))


@settings(deadline=None)
@given(
    st.integers(1, 3 * CHUNK), st.lists(st.integers(997, CHUNK), min_size=1, max_size=40), st.integers(0, 100)
)
def test_blocks_of_any_size_become_the_chunks(size: int, blocks: list[int], extra: int) -> None:
    cut = layout(size)
    (run,) = runs(cut, range(cut.total))
    content = random.Random(size).randbytes(size)
    sent = memoryview(content + bytes(extra))
    cutter, chunks, position, turn = Cutter(run), list[tuple[int, bytearray]](), 0, 0
    while cutter.left:
        length = blocks[turn % len(blocks)]
        chunks += cutter.feed(sent[position : position + length])
        position, turn = position + length, turn + 1
    assert [number for number, _ in chunks] == list(range(cut.total))
    assert b"".join(data for _, data in chunks) == content
    assert list(cutter.feed(b"more")) == []
