"""Where the bytes of a connection lie until a frame is whole.

One buffer for each connection, as large as the largest frame so far and a little more. The socket
receives straight into it and a frame is opened straight from it: bytes are moved only when the tail of a
read holds the beginning of the next frame, and then at most READ_AHEAD of them. A length is compared with
its limit before anything is allocated for it.
"""

from __future__ import annotations

from typing import Final

from protocol.frames import LENGTH, BadFrame
from protocol.limits import KIB

READ_AHEAD: Final = 4 * KIB
"""Bytes taken beyond the frame under way: many control messages in one read, little to move."""


class Inbox:
    """Bytes in by `space` and `wrote`, frames out by `next_frame`."""

    def __init__(self) -> None:
        self._memory = bytearray(LENGTH.size + READ_AHEAD)
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
        """Where the next bytes go: never empty, and gone with the next call. Frames given out before die."""
        size = self._need + READ_AHEAD
        if self._start or len(self._memory) < size:
            rest = self._memory[self._start : self._end]
            if len(self._memory) < size:
                self._memory = bytearray(size)
            self._start, self._end = 0, len(rest)
            self._memory[: self._end] = rest
        return memoryview(self._memory)[self._end : size]

    def wrote(self, count: int) -> None:
        """The first `count` bytes of the last `space` are filled."""
        if not 0 <= count <= self._need + READ_AHEAD - self._end:
            raise ValueError(f"{count} bytes do not fit what buffer() gave")
        self._end += count

    def next_frame(self, cap: int) -> memoryview | None:
        """The next whole frame with its length in front, or None until there is one.

        Valid until the next `space`. BadFrame when its length is above `cap`.
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
        return memoryview(self._memory)[first : self._start]
