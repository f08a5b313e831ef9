"""Chunks to and from disk past the page cache (O_DIRECT, open(2)), where the disk is fast enough for that.

A chunk is written once, sent on to a few neighbours while it is still in memory (`recent`), and then seldom
read. Through the page cache each of its pages is allocated, filled by a copy, written back some time and,
in the end, waited for by fsync; past it the disk takes the bytes from where they are.

Not so what this node fetched from an upstream: all others may soon ask for all of it, and the disk would have
to read that again. It goes, and is read, through the page cache, which has it while there is memory to spare;
what comes from far away is never too fast for that.

A disk that has to seek is better served by the page cache, which sorts; it is told to begin at once, lest
all is left to the fsync. No system tells which kind a disk is (a virtual one says anything), so writes are
timed, and when most of a run of them were slow it is left at that. Most, not their sum: on a busy machine a
thread waits now and then for a processor, or for the interpreter, many times as long as for the disk.
Memory that does not begin at a block, as that of short frames, is copied where the disk refuses it (EINVAL).
What is not a multiple of a block, as the end of a file, always goes through the page cache. Nothing tells
cheaply whether the page cache has a chunk: to try (RWF_NOWAIT) makes it read ahead.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import Final

from protocol.chunks import LARGEST_CHUNK, Bytes
from protocol.limits import MIB
from swarm.store.descriptors import Opened
from swarm.store.files import write_at, write_back

BLOCK: Final = 4096
"""Addresses, offsets and lengths are multiples of this: no disk's logical block is larger."""

SPARE_BUFFERS: Final = 4
"""Buffers kept for the next chunk, so that their pages are touched once: a few writers at a time."""

TRIAL_BYTES: Final = 32 * MIB
"""Written directly before a disk is judged, each time anew: a cache inside it hides its seeks for a while."""

SHORTEST_SECONDS: Final = 1e-6
"""A write takes longer than that, whatever the clock says."""

LEAST_RATE: Final = 100e6
"""Bytes a second. A disk that seeks for each chunk writes 20 to 60 MB/s, the slowest SSD 200."""


class Direct:
    """How content goes to and from one disk. `clock`: seconds. Safe to use from many threads.

    `allowed` False: by way of the page cache in any case.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter, *, allowed: bool = True) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spare: list[mmap.mmap] = []
        self._under_way = 0
        self._written = 0
        self._rates: list[float] = []
        self._slow = not (allowed and hasattr(os, "O_DIRECT"))

    @property
    def usable(self) -> bool:
        """False once the disk turned out too slow, or where there is no such thing."""
        return not self._slow

    def open(self, path: str, flags: int, *, cached: bool = False) -> Opened:
        """The file, opened both ways if its file system has both. Raises OSError.

        `cached`: for the page cache alone.
        """
        fd = os.open(path, flags | os.O_CLOEXEC)
        direct = -1
        if self.usable and not cached:
            with suppress(OSError):  # EINVAL: tmpfs, some network file systems
                direct = os.open(path, flags | os.O_CLOEXEC | os.O_DIRECT)
        return Opened(fd, direct=direct)

    def write(self, file: Opened, parts: Sequence[Bytes], offset: int) -> None:
        """All of these, one behind the other, from `offset` on. Raises OSError."""
        length = sum(memoryview(part).nbytes for part in parts)
        if file.direct < 0 or self._slow or offset % BLOCK or length % BLOCK or length > LARGEST_CHUNK:
            write_at(file.fd, offset, *parts)
            write_back(file.fd, offset, length)
        elif not self._write_as_is(file, parts, offset):
            with self.buffer() as buffer, memoryview(buffer) as view:
                end = 0
                for part in parts:
                    first, end = end, end + memoryview(part).nbytes
                    view[first:end] = part
                self._write(file, [view[:length]], offset)

    def _write_as_is(self, file: Opened, parts: Sequence[Bytes], offset: int) -> bool:
        """Write these from where they lie, unless the disk does not take them from there."""
        try:
            self._write(file, parts, offset)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return False
        return True

    def _write(self, file: Opened, parts: Sequence[Bytes], offset: int) -> None:
        with self._lock:
            self._under_way += 1
            beside = self._under_way
        began = self._clock()
        try:
            write_at(file.direct, offset, *parts)
        finally:
            with self._lock:
                self._under_way -= 1
        self._took(sum(memoryview(part).nbytes for part in parts), self._clock() - began, beside)

    def read(self, file: Opened, memory: memoryview, offset: int) -> int:
        """Fill `memory` from `offset` on, as far as the file goes; how many bytes. Raises OSError.

        Past the page cache only into memory that begins at a multiple of a block and is a number of them.
        """
        if file.direct >= 0 and not self._slow and not (offset % BLOCK or len(memory) % BLOCK):
            with suppress(OSError):  # EINVAL: memory that begins elsewhere
                return os.preadv(file.direct, [memory], offset)
        return os.preadv(file.fd, [memory], offset)

    def _took(self, length: int, seconds: float, beside: int) -> None:
        """Judge the disk by its last writes, of which `beside` shared it."""
        with self._lock:
            self._written += length
            self._rates.append(length * beside / max(seconds, SHORTEST_SECONDS))
            if self._written >= TRIAL_BYTES:
                usual = sorted(self._rates)[len(self._rates) // 2]
                self._slow = self._slow or usual < LEAST_RATE
                self._written = 0
                self._rates.clear()

    @contextmanager
    def buffer(self) -> Iterator[mmap.mmap]:
        """Memory for a chunk, which is somebody else's afterwards."""
        with self._lock:
            buffer = self._spare.pop() if self._spare else mmap.mmap(-1, LARGEST_CHUNK)
        try:
            yield buffer
        finally:
            with self._lock:
                if len(self._spare) < SPARE_BUFFERS:
                    self._spare.append(buffer)
