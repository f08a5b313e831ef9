"""Chunks on their way from the store into a data frame.

What lies in memory and goes alone is sent from there. All else is read to where the frame will be sent from,
one piece behind the other: memory that is lent for as long as that takes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from protocol.chunks import Bytes
from protocol.connection import LAID_AT, Laid, laid_size
from protocol.ids import SnapshotKey
from protocol.inbox import Lend
from protocol.messages import Data
from swarm.errors import SwarmError
from swarm.exchange.interfaces import Reader

log = logging.getLogger(__name__)


class Piece(NamedTuple):
    """What goes into a frame of a chunk of `size` bytes: `length` of them, from `at` on.

    `reader`: None if the chunk is not to be had.
    """

    chunk: int
    at: int
    length: int
    size: int
    reader: Reader | None

    @property
    def is_whole(self) -> bool:
        return self.length == self.size

    @property
    def at_hand(self) -> memoryview | None:
        """The bytes, if they lie in memory; none of a chunk that is not to be had."""
        if self.reader is None:
            return memoryview(b"")
        data = self.reader.at_hand
        return None if data is None else memoryview(data)[self.at : self.at + self.length]

    @property
    def is_last(self) -> bool:
        """Whether all of the chunk was sent with it."""
        return self.at + self.length == self.size


class Reading:
    """One frame; `read` and `frame` are for a worker to call.

    `absent`: chunks that were not there. `made`: payload bytes of the frame.
    """

    def __init__(self, topic: SnapshotKey, pieces: Sequence[Piece], lend: Lend) -> None:
        self.topic = topic
        self.pieces = pieces
        self.absent: list[int] = []
        self.made = 0
        self.is_read = False
        self._lend = lend
        self._frame: Data | Laid | None = None

    @property
    def chunks(self) -> list[int]:
        return [piece.chunk for piece in self.pieces]

    @property
    def at_hand(self) -> bool:
        """Whether all lies in memory: reading it takes no time to speak of."""
        return all(piece.at_hand is not None for piece in self.pieces)

    def frame(self) -> Data | Laid | None:
        """The frame, which is given once; None if nothing is there. It is read now if it was not before."""
        self.read()
        frame, self._frame = self._frame, None
        return frame

    def read(self) -> None:
        """Read everything, once."""
        if not self.is_read:
            first = self.pieces[0]
            if len(self.pieces) == 1 and (data := first.at_hand):
                self._frame = Data(self.topic, ((first.chunk, first.at, first.length),), data)
                self.made = first.length
            else:
                self._lay()
            self.is_read = True

    def _lay(self) -> None:
        """Have all that is there in the memory of a frame."""
        memory = self._lend(laid_size(sum(piece.length for piece in self.pieces)))
        there: list[tuple[int, int, int]] = []
        end = LAID_AT
        for piece in self.pieces:
            if self._lay_piece(piece, memory[end : end + piece.length]):
                there.append((piece.chunk, piece.at, piece.length))
                end += piece.length
            else:
                self.absent.append(piece.chunk)
        if there:
            self._frame = Laid(Data(self.topic, tuple(there), memory[LAID_AT:end]), memory)
            self.made = end - LAID_AT

    def _lay_piece(self, piece: Piece, room: memoryview) -> bool:
        """Have the piece there; whether it is to be had."""
        data: Bytes | None = piece.at_hand
        try:
            if data is None and piece.reader is not None:
                data = piece.reader(room, piece.at)
        except (SwarmError, OSError) as error:
            log.warning("cannot read chunk %d for a peer: %s", piece.chunk, error)
        if not data:
            return False
        if memoryview(data).obj is not room.obj:
            room[:] = data
        return True
