"""Memory for large frames, lent and lent again.

A large frame is received, opened, checked, written to disk and perhaps sent on, all in one place.
Nobody knows who is the last to look at it, so its memory comes back when the last view of it is gone, from
whichever thread had that. The next frame is received into pages that are there already: new ones have to be
zeroed first. Memory begins at a page, as disks that are written past the page cache want it, and that for the
largest frames at a huge page.

Once nobody has any of it, nothing is arriving or leaving any more, and all of it goes back to the system.

There is no lock, as memory may come back while some is being lent, in the same thread even. All that a race
of threads can do is to have a little more or less kept.
"""

from __future__ import annotations

import ctypes
import mmap
import weakref
from contextlib import suppress
from typing import Final, NamedTuple

from protocol.limits import KIB, MIB

SPARE_BYTES: Final = 32 * MIB
"""Kept for the next frames: what a node keeps of chunks for its neighbours comes back all at once."""

GRAIN: Final = 64 * KIB
"""Lengths are multiples of this, so that the next frame often has the length of one before."""

HUGE_PAGE: Final = 2 * MIB
"""As most machines have them."""

HUGE_FROM: Final = 2 * HUGE_PAGE
"""From so many bytes on huge pages are asked for."""


class _Memory(NamedTuple):
    """What is lent: `length` bytes of `pages`, from `start` on."""

    pages: mmap.mmap
    start: int
    length: int


class Lender:
    """Lends memory; what was lent longest ago is the first not to be kept."""

    def __init__(self, spare_bytes: int = SPARE_BYTES) -> None:
        self._spare_bytes = spare_bytes
        self._spare: dict[int, list[_Memory]] = {}
        self._lent: set[int] = set()

    @property
    def lent(self) -> int:
        """How many memories somebody has."""
        return len(self._lent)

    @property
    def spare(self) -> int:
        """Bytes that came back and are not lent."""
        return sum(length * len(memories) for length, memories in list(self._spare.items()))

    def lend(self, size: int) -> memoryview:
        """Memory of so many bytes, with anything in them, for as long as there is a view of it."""
        length = -(-size // GRAIN) * GRAIN
        spare = self._spare[length] = self._spare.pop(length, [])
        try:
            memory = spare.pop()
        except IndexError:
            memory = _new(length)
        self._lent.add(id(memory))
        lent = (ctypes.c_ubyte * length).from_buffer(memory.pages, memory.start)
        weakref.finalize(lent, self._take_back, memory).atexit = False
        return memoryview(lent).cast("B")[:size]

    def _take_back(self, memory: _Memory) -> None:
        self._lent.discard(id(memory))
        if not self.lent:
            self._spare.clear()
            return
        self._spare.setdefault(memory.length, []).append(memory)
        for memories in list(self._spare.values()):
            with suppress(IndexError):  # none of this length is left
                while self.spare > self._spare_bytes:
                    del memories[0]


def _new(length: int) -> _Memory:
    if length < HUGE_FROM:
        return _Memory(_pages(length), 0, length)
    pages = _pages(length + HUGE_PAGE)
    start = -ctypes.addressof(ctypes.c_ubyte.from_buffer(pages)) % HUGE_PAGE
    with suppress(OSError, AttributeError):  # not Linux, or built without them
        pages.madvise(mmap.MADV_HUGEPAGE, start, length - length % HUGE_PAGE)
    return _Memory(pages, start, length)


def _pages(length: int) -> mmap.mmap:
    return mmap.mmap(-1, length, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
