"""Answers what a peer asks for on a bulk connection: chunks in the order asked, and manifests.

One task reads from the store, a bounded number of bytes ahead; another paces and sends. What the peer
calls off before it was read is not sent. A peer that asks for absurdly much at once is cut.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import trio

from protocol.chunks import Bytes
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.limits import KIB, MAX_DATA_PAYLOAD, MAX_PIECES
from protocol.messages import Cancel, Data, ManifestPart, NeedManifest, Refuse, Request
from swarm.errors import SwarmError
from swarm.exchange.interfaces import Catalog, Limiter, Served
from swarm.exchange.spans import covers, sendable_spans

MAX_QUEUED: Final = 16_384
"""Chunks and manifests one peer may have asked for and not got: 30 requests of the largest size, 4 GiB of
the smallest whole chunks; about 3 MB of memory."""

READ_AHEAD: Final = 2
"""Data frames read and not yet handed to the connection: the disk and the network work at once."""

ALONE_FROM: Final = 256 * KIB
"""A chunk of this length or more travels in frames of its own, so that it can be relayed at once."""

PACED_PAYLOAD: Final = 64 * KIB
"""Payload of a frame when uploads are limited: small enough that many peers take turns within seconds."""

log = logging.getLogger(__name__)

Frame = Data | ManifestPart


class TooGreedy(Exception):
    """The peer asked for more at once than any sane node does."""


@dataclass(frozen=True, slots=True)
class _Item:
    topic: SnapshotKey
    chunk: int
    digest: ChunkDigest | None


class Serving:
    """The requests of one bulk connection. `post` and `put` are those of its link."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        post: Callable[[Refuse | ManifestPart], None],
        put: Callable[[Frame], Awaitable[None]],
        upload: Limiter | None,
        count: Callable[[int], None],
    ) -> None:
        self._catalog = catalog
        self._post = post
        self._put = put
        self._upload = upload
        self._count = count
        self._payload = PACED_PAYLOAD if upload else MAX_DATA_PAYLOAD
        self._queue: deque[_Item | NeedManifest] = deque()
        self._asked = trio.lowlevel.ParkingLot()

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
        sending, receiving = trio.open_memory_channel[Frame](READ_AHEAD)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, receiving)
            await self._read(sending)

    async def _send(self, frames: trio.MemoryReceiveChannel[Frame]) -> None:
        async for frame in frames:
            if self._upload is not None:
                await self._upload.take(len(frame.payload))
            await self._put(frame)
            if isinstance(frame, Data):
                self._count(len(frame.payload))

    async def _read(self, frames: trio.MemorySendChannel[Frame]) -> None:
        while True:
            if not self._queue:
                await self._asked.park()
                continue
            topic = self._queue[0].topic
            served = await open_topic(self._catalog, topic)
            while self._queue and self._queue[0].topic == topic:
                if isinstance(self._queue[0], NeedManifest):
                    self._queue.popleft()
                    await self._send_manifest(frames, topic, served)
                elif served is None:
                    self._refuse(topic, [item.chunk for item in self._take(lambda _: 0)])
                else:
                    await self._send_chunks(frames, topic, served)

    def _take(self, length: Callable[[int], int]) -> list[_Item]:
        """The next items of the queue to read at once: chunks of one topic, a full frame of bytes or so."""
        items: list[_Item] = []
        room = self._payload
        while self._queue and len(items) < MAX_PIECES:
            item = self._queue[0]
            if isinstance(item, NeedManifest) or (items and item.topic != items[0].topic):
                break
            room -= length(item.chunk)
            if items and room < 0:
                break
            items.append(item)
            self._queue.popleft()
        return items

    async def _send_chunks(
        self, frames: trio.MemorySendChannel[Frame], topic: SnapshotKey, served: Served
    ) -> None:
        layout = served.layout
        items = self._take(lambda chunk: layout.length(chunk) if chunk < layout.total else 0)
        found: list[Bytes | None] = [None] * len(items)

        async def read(place: int, item: _Item) -> None:
            try:
                if item.chunk < layout.total:
                    found[place] = await served.read(item.chunk, item.digest)
            except (SwarmError, OSError) as error:
                log.warning("cannot read chunk %d for a peer: %s", item.chunk, error)

        async with trio.open_nursery() as nursery:
            for place, item in enumerate(items):
                nursery.start_soon(read, place, item)
        there = [(item.chunk, data) for item, data in zip(items, found, strict=True) if data]
        self._refuse(topic, [item.chunk for item, data in zip(items, found, strict=True) if not data])
        for frame in data_frames(topic, there, self._payload):
            await frames.send(frame)

    async def _send_manifest(
        self, frames: trio.MemorySendChannel[Frame], topic: SnapshotKey, served: Served | None
    ) -> None:
        manifest = memoryview(served.manifest if served else b"")
        if not manifest:
            self._post(ManifestPart(topic, 0, 0, b""))
        for offset in range(0, len(manifest), self._payload):
            part = manifest[offset : offset + self._payload]
            await frames.send(ManifestPart(topic, offset, len(manifest), part))

    def _refuse(self, topic: SnapshotKey, chunks: Iterable[int]) -> None:
        for ranges in sendable_spans(chunks):
            self._post(Refuse(topic, ranges))


async def open_topic(catalog: Catalog, topic: SnapshotKey) -> Served | None:
    """The topic as it can be served now; a store that fails has nothing to offer."""
    try:
        return await catalog.open(topic)
    except (SwarmError, OSError) as error:
        log.warning("cannot open a topic for a peer: %s", error)
        return None


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
