"""Where the bytes of a connection lie until a frame is whole.

One buffer for each connection, as large as the largest frame so far and a little more. The socket
receives straight into it and a frame is opened straight from it: bytes are moved only when the tail of a
read holds the beginning of the next frame, and then at most READ_AHEAD of them. A length is compared with
its limit before anything is allocated for it.

A frame of OWN_FROM bytes or more lies in memory of its own, which is lent. It is opened where it lies, and
whoever keeps a part of what was in it keeps that memory; the next frame may arrive meanwhile. It lies there
so that what was in it ends at a multiple of BLOCK, and so begins at one if that is its length: a disk takes
such memory as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from protocol.frames import LENGTH, BadFrame
from protocol.limits import KIB
from protocol.noise import TAG

READ_AHEAD: Final = 4 * KIB
"""Bytes taken beyond the frame under way: many control messages in one read, little to move."""

OWN_FROM: Final = 128 * KIB
"""Bytes of a frame from which on to move what was in it costs more than memory of its own."""

BLOCK: Final = 4 * KIB
"""The largest logical block of any disk, and the page of most machines."""

Lend = Callable[[int], memoryview]
"""Gives memory of at least so many bytes, nobody else's until the last view of it is gone."""


def fresh(size: int) -> memoryview:
    """Memory from the interpreter."""
    return memoryview(bytearray(size))


class Inbox:
    """Bytes in by `space` and `wrote`, frames out by `next_frame`."""

    def __init__(self, lend: Lend = fresh) -> None:
        self._lend = lend
        self._usual = memoryview(bytearray(LENGTH.size + READ_AHEAD))
        self._memory = self._usual
        self._start = 0
        self._end = 0
        self._need = LENGTH.size

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not whole."""
        return self._end - self._start

    @property
    def lacking(self) -> int:
        """Bytes still to come of the frame under way, or of its length."""
        return self._need - (self._end - self._start)

    def space(self) -> memoryview:
        """Where the next bytes go: never empty, and gone with the next call.

        Frames given out before die, but for those that have memory of their own.
        """
        if self._need >= OWN_FROM:
            if self._memory is self._usual or self._start + self._need + READ_AHEAD > len(self._memory):
                self._move(*self._own())
        elif self._memory is not self._usual or self._start or len(self._memory) < self._need + READ_AHEAD:
            if len(self._usual) < self._need + READ_AHEAD:
                self._usual = memoryview(bytearray(self._need + READ_AHEAD))
            self._move(self._usual, 0)
        return self._memory[self._end : self._start + self._need + READ_AHEAD]

    def _own(self) -> tuple[memoryview, int]:
        """Memory for the frame under way alone, and where in it the frame is to begin."""
        start = (TAG - self._need) % BLOCK
        size = start + self._need + READ_AHEAD
        return self._lend(size)[:size], start

    def _move(self, memory: memoryview, start: int) -> None:
        rest = bytes(self._memory[self._start : self._end])
        self._memory, self._start, self._end = memory, start, start + len(rest)
        memory[start : self._end] = rest

    def wrote(self, count: int) -> None:
        """The first `count` bytes of the last `space` are filled."""
        if not 0 <= count <= self._start + self._need + READ_AHEAD - self._end:
            raise ValueError(f"{count} bytes do not fit what buffer() gave")
        self._end += count

    def next_frame(self, cap: int) -> memoryview | None:
        """The next whole frame with its length in front, or None until there is one.

        Valid until the next `space`, or for as long as it is kept if it has OWN_FROM bytes or more.
        BadFrame when its length is above `cap`.
        """
        have = self._end - self._start
        if have < LENGTH.size:
            self._need = LENGTH.size
            return None
        (length,) = LENGTH.unpack_from(self._memory, self._start)
        if length > cap:
            raise BadFrame(f"a frame of {length} bytes where at most {cap} are allowed")
        if have < LENGTH.size + length:
            self._need = LENGTH.size + length
            return None
        first = self._start
        self._start += LENGTH.size + length
        return self._memory[first : self._start]
