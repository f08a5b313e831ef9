"""Memory comes back when nobody looks at it any more, and no sooner."""

from __future__ import annotations

import ctypes
import gc
import itertools
import sys
from collections.abc import Iterator
from queue import Queue
from threading import Thread

import pytest

from protocol.limits import MIB
from swarm.exchange.lender import GRAIN, HUGE_FROM, HUGE_PAGE, Lender


def test_what_is_lent_is_nobody_elses_until_the_last_view_of_it_is_gone() -> None:
    lender = Lender()
    first, other = lender.lend(MIB), lender.lend(MIB)
    first[:3] = b"abc"
    kept = first[1:3].toreadonly()
    del first
    other[:3] = b"xyz"
    assert bytes(kept) == b"bc"
    assert lender.spare == 0
    del kept
    assert lender.spare == MIB
    again = lender.lend(MIB)
    assert lender.spare == 0
    assert bytes(again[:3]) == b"abc"


def test_memory_is_as_long_as_it_was_asked_to_be() -> None:
    lender = Lender()
    _other = lender.lend(1)
    lender.lend(5 * MIB)
    assert len(lender.lend(5 * MIB - 7)) == 5 * MIB - 7
    assert lender.spare == 5 * MIB


@pytest.mark.parametrize("size", [HUGE_FROM, HUGE_FROM + 1, HUGE_FROM + 3 * HUGE_PAGE])
def test_much_memory_begins_at_a_huge_page(size: int) -> None:
    lender = Lender()
    views = [lender.lend(size) for _ in range(3)]
    starts = [ctypes.addressof(ctypes.c_ubyte.from_buffer(view)) for view in views]
    assert [start % HUGE_PAGE for start in starts] == [0, 0, 0]
    for start, other in itertools.combinations(sorted(starts), 2):
        assert other - start >= size
    assert [len(view) for view in views] == [size] * 3


def test_of_what_comes_back_only_so_much_is_kept_and_what_was_not_lent_lately_goes_first() -> None:
    lender = Lender(spare_bytes=4 * GRAIN)
    _other = lender.lend(5 * GRAIN)
    for size in (GRAIN, 3 * GRAIN, GRAIN):
        lender.lend(size)
    assert lender.spare == 4 * GRAIN
    lender.lend(2 * GRAIN)
    assert lender.spare == 3 * GRAIN
    views = [lender.lend(GRAIN) for _ in range(9)]
    views.clear()
    assert lender.spare == 4 * GRAIN


def test_nothing_is_kept_once_nobody_has_any() -> None:
    lender = Lender()
    views = [lender.lend(size) for size in (GRAIN, GRAIN, MIB)]
    views.pop(0)
    assert lender.spare == GRAIN
    views.clear()
    assert lender.spare == 0


def test_memory_in_a_cycle_comes_back_as_well() -> None:
    lender = Lender()
    _other = lender.lend(1)
    cycle: list[object] = [lender.lend(GRAIN)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert lender.spare == GRAIN


@pytest.fixture
def restless_threads() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("restless_threads")
def test_memory_may_come_back_from_any_thread_while_some_is_lent() -> None:
    lender = Lender(spare_bytes=6 * GRAIN)
    views: Queue[tuple[int, memoryview] | None] = Queue(10)
    right: list[bool] = []

    def look_and_drop() -> None:
        while (numbered := views.get()) is not None:
            number, view = numbered
            right.append(bytes(view[:4]) == number.to_bytes(4, "big"))
            del numbered, view

    threads = [Thread(target=look_and_drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(5000):
        view = lender.lend((1 + number % 3) * GRAIN)
        view[:4] = number.to_bytes(4, "big")
        views.put((number, view))
    del view
    for _ in threads:
        views.put(None)
    for thread in threads:
        thread.join()
    assert right == [True] * 5000
    assert lender.spare == 0
