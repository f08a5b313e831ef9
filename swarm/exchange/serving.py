"""Answers what a peer asks for on a bulk connection: chunks in the order asked, and manifests.

One task takes requests from the queue and has a worker read what lies on disk, one frame ahead; another
has the link encrypt and send one frame after another. What the peer calls off before it is read is neither
read nor sent. A peer that asks for absurdly much at once is cut.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import Final

import trio

from protocol.chunks import LARGEST_CHUNK, Bytes
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.limits import KIB, MAX_DATA_PAYLOAD, MAX_PIECES
from protocol.messages import Cancel, Data, Elsewhere, ManifestPart, NeedManifest, Refuse, Request
from swarm.errors import SwarmError
from swarm.exchange.given import Given
from swarm.exchange.interfaces import Limiter, Reader, Served
from swarm.exchange.offered import Offered
from swarm.exchange.outbox import Making, ready
from swarm.exchange.spans import covers, sendable_spans

MAX_QUEUED: Final = 16_384
"""Chunks and manifests one peer may have asked for and not got: 30 requests of the largest size, 4 GiB of
the smallest whole chunks; about 3 MB of memory."""

MEMORIES: Final = 2
"""What chunks are read into, in turn: one is being encrypted and sent while the next is being read."""

ALONE_FROM: Final = 256 * KIB
"""A chunk of this length or more travels in frames of its own, so that it can be relayed at once."""

PACED_PAYLOAD: Final = 64 * KIB
"""Payload of a frame when uploads are limited: small enough that many peers take turns within seconds."""

log = logging.getLogger(__name__)


class TooGreedy(Exception):
    """The peer asked for more at once than any sane node does."""


@dataclass(frozen=True, slots=True)
class _Item:
    topic: SnapshotKey
    chunk: int
    digest: ChunkDigest | None


class Serving:
    """The requests of one bulk connection. `offered`: what the peer may have. `post` and `put` are those of
    its link. `given`: what all links of this node got."""

    def __init__(
        self,
        offered: Offered,
        *,
        post: Callable[[Refuse | Elsewhere | ManifestPart], None],
        put: Callable[[Making], Awaitable[None]],
        aside: Callable[[Callable[[], None]], Awaitable[None]],
        upload: Limiter | None,
        count: Callable[[int], None],
        given: Given,
        clock: Callable[[], float],
    ) -> None:
        self._offered = offered
        self._post = post
        self._put = put
        self._aside = aside
        self._upload = upload
        self._count = count
        self._payload = PACED_PAYLOAD if upload else MAX_DATA_PAYLOAD
        self._queue: deque[_Item | NeedManifest] = deque()
        self._asked = trio.lowlevel.ParkingLot()
        self._given = given
        self._clock = clock
        self._sending = False
        self._memories = deque(mmap(-1, LARGEST_CHUNK) for _ in range(MEMORIES))

    @property
    def busy(self) -> bool:
        """Whether the peer waits for something that it asked for."""
        return self._sending or bool(self._queue)

    def ask(self, message: Request | NeedManifest) -> None:
        """Queue what the peer asked for; TooGreedy when that is too much."""
        if isinstance(message, NeedManifest):
            self._queue.append(message)
        else:
            self._queue.extend(_Item(message.topic, chunk, digest) for chunk, digest in message.items)
        if len(self._queue) > MAX_QUEUED:
            raise TooGreedy(f"more than {MAX_QUEUED} requests at once")
        self._asked.unpark_all()

    def call_off(self, message: Cancel) -> None:
        """Drop these from the queue, as far as they are still in it."""
        self._queue = deque(
            item
            for item in self._queue
            if isinstance(item, NeedManifest)
            or item.topic != message.topic
            or not covers(message.ranges, item.chunk)
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        readings, ready = trio.open_memory_channel[tuple[Served, Reading]](0)
        self._given.open(self)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, readings)
                nursery.start_soon(self._send, ready)
        finally:
            self._given.close(self)

    async def _read(self, readings: trio.MemorySendChannel[tuple[Served, Reading]]) -> None:
        while True:
            if not self._queue:
                await self._asked.park()
                continue
            topic = self._queue[0].topic
            served = await self._offered.open(topic)
            while self._queue and self._queue[0].topic == topic:
                if served is not None and not self._offered.still(served):
                    break
                if isinstance(self._queue[0], NeedManifest):
                    self._queue.popleft()
                    await self._send_manifest(topic, served)
                elif served is None:
                    self._refuse(topic, [item.chunk for item in self._take(lambda _: 0)])
                else:
                    await self._read_chunks(topic, served, readings)

    def _take(self, length: Callable[[int], int]) -> list[_Item]:
        """The next items of the queue to read at once: a large chunk, or small ones that fit one frame."""
        items: list[_Item] = []
        size, alone = 0, min(ALONE_FROM, self._payload)
        while self._queue and len(items) < MAX_PIECES:
            item = self._queue[0]
            if isinstance(item, NeedManifest) or (items and item.topic != items[0].topic):
                break
            bytes_more = length(item.chunk)
            if items and (bytes_more >= alone or size + bytes_more > self._payload):
                break
            items.append(item)
            self._queue.popleft()
            size += bytes_more
            if bytes_more >= alone:
                break
        return items

    async def _read_chunks(
        self,
        topic: SnapshotKey,
        served: Served,
        readings: trio.MemorySendChannel[tuple[Served, Reading]],
    ) -> None:
        layout = served.layout
        items = self._take(lambda chunk: layout.length(chunk) if chunk < layout.total else 0)
        if not served.wants:
            items = self._to_be_sent(topic, items)
            if not items:
                return
        asked = [
            (item.chunk, served.reader(item.chunk, item.digest) if item.chunk < layout.total else None)
            for item in items
        ]
        self._memories.rotate()
        reading = Reading(topic, asked, self._payload, self._memories[0])
        if not all(reader.at_hand for _, reader in asked if reader):
            await self._aside(reading.read)
        await readings.send((served, reading))

    def _to_be_sent(self, topic: SnapshotKey, items: list[_Item]) -> list[_Item]:
        """Those of these chunks that the peer is not to have elsewhere; it is told of the others."""
        given = self._given.give(self, topic, [item.chunk for item in items], self._clock())
        for ranges in sendable_spans(item.chunk for item in items if item.chunk not in given):
            self._post(Elsewhere(topic, ranges))
        return [item for item in items if item.chunk in given]

    async def _send(self, ready: trio.MemoryReceiveChannel[tuple[Served, Reading]]) -> None:
        async for served, reading in ready:
            if not self._offered.still(served):
                self._refuse(reading.topic, reading.chunks)
                continue
            self._sending = True
            while reading.more:
                await self._put(reading.next_frame)
                self._count(reading.made)
                if self._upload is not None:
                    await self._upload.take(reading.made)
            self._sending = False
            self._given.sent(self, reading.topic, reading.chunks, self._clock())
            self._refuse(reading.topic, reading.absent)

    async def _send_manifest(self, topic: SnapshotKey, served: Served | None) -> None:
        manifest = memoryview(served.manifest if served else b"")
        if not manifest:
            self._post(ManifestPart(topic, 0, 0, b""))
        for offset in range(0, len(manifest), self._payload):
            part = ManifestPart(topic, offset, len(manifest), manifest[offset : offset + self._payload])
            await self._put(ready(part))
            if self._upload is not None:
                await self._upload.take(len(part.payload))

    def _refuse(self, topic: SnapshotKey, chunks: Iterable[int]) -> None:
        for ranges in sendable_spans(chunks):
            self._post(Refuse(topic, ranges))


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

    def _found(self) -> list[tuple[int, Bytes]]:
        there: list[tuple[int, Bytes]] = []
        memory = self._memory
        for chunk, reader in self._asked:
            data = None
            try:
                data = reader(memory) if reader else None
            except (SwarmError, OSError) as error:
                log.warning("cannot read chunk %d for a peer: %s", chunk, error)
            if data:
                there.append((chunk, data))
                memory = memory[len(data) :]
            else:
                self.absent.append(chunk)
        return there


def data_frames(topic: SnapshotKey, chunks: list[tuple[int, Bytes]], payload: int) -> Iterator[Data]:
    """Data frames of at most `payload` bytes, and MAX_PIECES pieces, for these chunks in their order.

    Small chunks share frames; one of ALONE_FROM bytes or more goes alone, in parts if need be.
    """
    small: list[tuple[int, memoryview]] = []
    size = 0
    for chunk, data in chunks:
        view = memoryview(data).cast("B")
        alone = len(view) >= min(ALONE_FROM, payload)
        if small and (alone or size + len(view) > payload or len(small) == MAX_PIECES):
            yield _shared_frame(topic, small)
            small, size = [], 0
        if alone:
            for offset in range(0, len(view), payload):
                part = view[offset : offset + payload]
                yield Data(topic, ((chunk, offset, len(part)),), part)
        else:
            small.append((chunk, view))
            size += len(view)
    if small:
        yield _shared_frame(topic, small)


def _shared_frame(topic: SnapshotKey, chunks: list[tuple[int, memoryview]]) -> Data:
    pieces = tuple((chunk, 0, len(view)) for chunk, view in chunks)
    return Data(topic, pieces, chunks[0][1] if len(chunks) == 1 else b"".join(view for _, view in chunks))
