"""Chunks on their way from the store to a peer: read by a worker, made into data frames by another.

One chunk is sent from where it lies, and needs no worker if that is memory. Several are read one behind the
other, so that each frame of them is a piece of that memory; what was in memory already is copied there.
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
    def is_read(self) -> bool:
        """Whether it lies in memory by now: the next frame takes no time to speak of."""
        return self._frames is not None

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
            found = self._read_one() if len(self._asked) == 1 else self._read_several()
            self._frames = deque(data_frames(self.topic, *found, self._payload))

    def _read_one(self) -> tuple[list[tuple[int, int]], memoryview]:
        [(chunk, reader)] = self._asked
        view = self._bytes(chunk, reader, self._memory)
        return [(chunk, len(view))] if view else [], view

    def _read_several(self) -> tuple[list[tuple[int, int]], memoryview]:
        there: list[tuple[int, int]] = []
        end = 0
        for chunk, reader in self._asked:
            room = self._memory[end:]
            if view := self._bytes(chunk, reader, room):
                if view.obj is not room.obj:
                    room[: len(view)] = view
                there.append((chunk, len(view)))
                end += len(view)
        return there, self._memory[:end]

    def _bytes(self, chunk: int, reader: Reader | None, memory: memoryview) -> memoryview:
        """A chunk, in this memory or where it lay before; no bytes when it is not to be had."""
        data = None
        try:
            data = reader(memory) if reader else None
        except (SwarmError, OSError) as error:
            log.warning("cannot read chunk %d for a peer: %s", chunk, error)
        if not data:
            self.absent.append(chunk)
            return memory[:0]
        return memoryview(data).cast("B")


def data_frames(
    topic: SnapshotKey, chunks: Sequence[tuple[int, int]], data: memoryview, payload: int
) -> Iterator[Data]:
    """Data frames of at most `payload` bytes, and MAX_PIECES pieces, for chunks that lie in `data`.

    `chunks`: their numbers and lengths, in their order. One that is longer than a frame goes alone, in parts.
    """
    shared: list[tuple[int, int, int]] = []
    start = end = 0
    for chunk, length in chunks:
        if shared and (end + length - start > payload or len(shared) == MAX_PIECES):
            yield Data(topic, tuple(shared), data[start:end])
            shared, start = [], end
        if length > payload:
            for offset in range(0, length, payload):
                part = data[end + offset : end + min(offset + payload, length)]
                yield Data(topic, ((chunk, offset, len(part)),), part)
            start = end + length
        else:
            shared.append((chunk, 0, length))
        end += length
    if shared:
        yield Data(topic, tuple(shared), data[start:end])
