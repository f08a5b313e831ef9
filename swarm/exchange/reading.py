"""Chunks on their way from the store into a data frame.

What lies in memory and goes alone is sent from there. All else is read to where the frame will be sent from,
one piece behind the other: memory that is lent for as long as that takes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

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
        return all(piece.reader.at_hand for piece in self.pieces if piece.reader)

    def frame(self) -> Data | Laid | None:
        """The frame, which is given once; None if nothing is there. It is read now if it was not before."""
        self.read()
        frame, self._frame = self._frame, None
        return frame

    def read(self) -> None:
        """Read everything, once."""
        if self.is_read:
            return
        memory = self._lend(laid_size(sum(piece.length for piece in self.pieces)))
        there: list[tuple[int, int, int]] = []
        end = LAID_AT
        for piece in self.pieces:
            room = memory[end : end + piece.length]
            if not (data := self._bytes(piece, room)):
                continue
            there.append((piece.chunk, piece.at, piece.length))
            end += piece.length
            if data.obj is room.obj:
                continue
            if len(self.pieces) == 1:
                self._frame = Data(self.topic, tuple(there), data)
            else:
                room[:] = data
        if there and self._frame is None:
            self._frame = Laid(Data(self.topic, tuple(there), memory[LAID_AT:end]), memory)
        self.made = end - LAID_AT
        self.is_read = True

    def _bytes(self, piece: Piece, room: memoryview) -> memoryview:
        """The piece, in this memory or where it lay before; no bytes when it is not to be had."""
        data = None
        try:
            data = piece.reader(room, piece.at) if piece.reader else None
        except (SwarmError, OSError) as error:
            log.warning("cannot read chunk %d for a peer: %s", piece.chunk, error)
        if not data:
            self.absent.append(piece.chunk)
            return room[:0]
        return memoryview(data)
