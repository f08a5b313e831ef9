"""Chunks on their way from the store to a peer: read by a worker, made into data frames by another.

A frame of one chunk, or of a part of one, is made of where that lies; several are put together by a copy.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from mmap import mmap

from protocol.ids import SnapshotKey
from protocol.limits import MAX_PIECES
from protocol.messages import Data
from swarm.errors import SwarmError
from swarm.exchange.interfaces import Reader

log = logging.getLogger(__name__)


class Reading:
    """Chunks on their way from the store into data frames; `read` and `next_frame` are for a worker to call.

    `chunks`: those asked for. `absent`: those that were not there. `more`: whether there is another frame.
    `made`: payload bytes of the last one. `memory`: what chunks may be read into, with room for all of them.
    """

    def __init__(
        self, topic: SnapshotKey, asked: Sequence[tuple[int, Reader | None]], payload: int, memory: mmap
    ) -> None:
        self._memory = memoryview(memory)
        self.absent: list[int] = []
        self.made = 0
        self.topic = topic
        self.chunks = [chunk for chunk, _ in asked]
        self._asked = asked
        self._payload = payload
        self._frames: deque[Data] | None = None

    @property
    def more(self) -> bool:
        return self._frames is None or bool(self._frames)

    def next_frame(self) -> Data | None:
        """The next frame; everything is read for the first, if it was not `read` before."""
        self.read()
        frame = self._frames.popleft() if self._frames else None
        self.made = len(frame.payload) if frame else 0
        return frame

    def read(self) -> None:
        """Read everything, once."""
        if self._frames is None:
            self._frames = deque(data_frames(self.topic, self._found(), self._payload))

    def _found(self) -> list[tuple[int, memoryview]]:
        there: list[tuple[int, memoryview]] = []
        memory = self._memory
        for chunk, reader in self._asked:
            data = None
            try:
                data = reader(memory) if reader else None
            except (SwarmError, OSError) as error:
                log.warning("cannot read chunk %d for a peer: %s", chunk, error)
            if data:
                view = memoryview(data).cast("B")
                there.append((chunk, view))
                memory = memory[len(view) :]
            else:
                self.absent.append(chunk)
        return there


def data_frames(topic: SnapshotKey, chunks: Sequence[tuple[int, memoryview]], payload: int) -> Iterator[Data]:
    """Data frames of at most `payload` bytes, and MAX_PIECES pieces, for these chunks in their order.

    One that is longer goes alone, in parts.
    """
    shared: list[tuple[int, memoryview]] = []
    size = 0
    for chunk, view in chunks:
        if shared and (size + len(view) > payload or len(shared) == MAX_PIECES):
            yield _shared_frame(topic, shared)
            shared, size = [], 0
        if len(view) > payload:
            for offset in range(0, len(view), payload):
                part = view[offset : offset + payload]
                yield Data(topic, ((chunk, offset, len(part)),), part)
        else:
            shared.append((chunk, view))
            size += len(view)
    if shared:
        yield _shared_frame(topic, shared)


def _shared_frame(topic: SnapshotKey, chunks: list[tuple[int, memoryview]]) -> Data:
    pieces = tuple((chunk, 0, len(view)) for chunk, view in chunks)
    return Data(topic, pieces, chunks[0][1] if len(chunks) == 1 else b"".join(view for _, view in chunks))
