"""Chunks on their way from the store into a data frame.

What lies in memory and goes alone is sent from there. All else is read to where the frame will be sent from,
one part behind the other: memory that is lent for as long as that takes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from protocol.chunks import Bytes
from protocol.connection import LAID_AT, Laid, laid_size
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.inbox import Lend
from protocol.messages import Data
from swarm.errors import SwarmError
from swarm.exchange.interfaces import Reader

log = logging.getLogger(__name__)


class Part(NamedTuple):
    """What goes into a frame of a chunk of `size` bytes: `length` of them, from `at` on."""

    chunk: int
    digest: ChunkDigest | None
    at: int
    length: int
    size: int

    @property
    def is_whole(self) -> bool:
        return self.length == self.size

    @property
    def is_last(self) -> bool:
        """Whether all of the chunk was sent with it."""
        return self.at + self.length == self.size


class _Source(NamedTuple):
    """A part and what reads its chunk, None if that is not to be had."""

    part: Part
    reader: Reader | None

    @property
    def at_hand(self) -> memoryview | None:
        """The bytes, if they lie in memory; none of a chunk that is not to be had."""
        if self.reader is None:
            return memoryview(b"")
        data = self.reader.at_hand
        return None if data is None else memoryview(data)[self.part.at : self.part.at + self.part.length]


class Reading:
    """One frame; `read` is for a worker to call, unless all is `at_hand`.

    `reader_of`: what reads the chunk of a part, None if it is not to be had. `absent`: chunks that were not
    there. `made`: payload bytes of the frame.
    """

    def __init__(
        self,
        topic: SnapshotKey,
        parts: Sequence[Part],
        reader_of: Callable[[Part], Reader | None],
        lend: Lend,
    ) -> None:
        self.topic = topic
        self.parts = parts
        self.absent: list[int] = []
        self.made = 0
        self.is_read = False
        self._sources = [_Source(part, reader_of(part)) for part in parts]
        self._lend = lend
        self._frame: Data | Laid | None = None

    @property
    def chunks(self) -> list[int]:
        return [part.chunk for part in self.parts]

    @property
    def at_hand(self) -> bool:
        """Whether all lies in memory: reading it takes no time to speak of."""
        return all(source.at_hand is not None for source in self._sources)

    def frame(self) -> Data | Laid | None:
        """The frame, which is given once; None if nothing is there. It is read now if it was not before."""
        self.read()
        frame, self._frame = self._frame, None
        return frame

    def read(self) -> None:
        """Read everything, once."""
        if not self.is_read:
            first = self.parts[0]
            if len(self.parts) == 1 and (data := self._sources[0].at_hand):
                self._frame = Data(self.topic, ((first.chunk, first.at, first.length),), data)
                self.made = first.length
            else:
                self._lay()
            self.is_read = True

    def _lay(self) -> None:
        """Have all that is there in the memory of a frame."""
        memory = self._lend(laid_size(sum(part.length for part in self.parts)))
        there: list[tuple[int, int, int]] = []
        end = LAID_AT
        for source in self._sources:
            part = source.part
            if self._lay_part(source, memory[end : end + part.length]):
                there.append((part.chunk, part.at, part.length))
                end += part.length
            else:
                self.absent.append(part.chunk)
        if there:
            self._frame = Laid(Data(self.topic, tuple(there), memory[LAID_AT:end]), memory)
            self.made = end - LAID_AT

    def _lay_part(self, source: _Source, room: memoryview) -> bool:
        """Have the part there; whether it is to be had."""
        data: Bytes | None = source.at_hand
        try:
            if data is None and source.reader is not None:
                data = source.reader(room, source.part.at)
        except (SwarmError, OSError) as error:
            log.warning("cannot read chunk %d for a peer: %s", source.part.chunk, error)
        if not data:
            return False
        if memoryview(data).obj is not room.obj:
            room[:] = data
        return True
