"""Answers what a peer asks for on a bulk connection: chunks in the order asked, and manifests.

One task takes requests from the queue and has a worker read what lies on disk, one frame ahead; another
has the link encrypt and send one frame after another. What lies in memory is sent by the first, unless
something is ahead of it. What the peer calls off before it is read is neither read nor sent. A peer that
asks for absurdly much at once is cut.

A frame costs both sides about as much time as half a megabyte does, whatever is in it. Small chunks always
share frames; others do on a link that is so fast that none of them waits for it (`reading` makes the frames).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from mmap import mmap
from typing import Final

import trio

from protocol.chunks import LARGEST_CHUNK
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.limits import KIB, MAX_DATA_PAYLOAD, MAX_PIECES, MIB
from protocol.messages import Cancel, Data, Elsewhere, ManifestPart, NeedManifest, Refuse, Request
from swarm.exchange.given import Given
from swarm.exchange.handing import hand
from swarm.exchange.interfaces import Limiter, Served
from swarm.exchange.offered import Offered
from swarm.exchange.outbox import Making
from swarm.exchange.reading import Reading
from swarm.exchange.spans import covers, sendable_spans
from swarm.exchange.turns import Turn
from swarm.scheduler.windows import Pace

MAX_QUEUED: Final = 16_384
"""Chunks and manifests one peer may have asked for and not got: 30 requests of the largest size, 4 GiB of
the smallest whole chunks; about 3 MB of memory."""

MEMORIES: Final = 2
"""What chunks are read into, in turn: one is being encrypted and sent while the next is being read."""

SMALL_BELOW: Final = 256 * KIB
"""Chunks shorter than this share frames on any link. None of a larger file is, but for its last."""

SHARED_SECONDS: Final = 0.05
"""Others share a frame if the link takes it in this time: so long the first of them waits to be relayed.
Among nine nodes with 200 Mbit/s, each of whose links has an eighth of that, each chunk goes alone; with
1 Gbit/s two or three go together, and one to one as many as a frame holds."""

PAUSE_SECONDS: Final = 1.0
"""After a frame that took longer, or was not followed by another, the speed of the link is measured anew."""

USUAL_PAYLOAD: Final = 1 * MIB
"""Payload of a frame, but for a link that takes more in SHARED_SECONDS: each has buffers for four frames."""

PACED_PAYLOAD: Final = 64 * KIB
"""Payload of a frame when uploads are limited: small enough that many peers take turns within seconds."""


class TooGreedy(Exception):
    """The peer asked for more at once than any sane node does."""


@dataclass(frozen=True, slots=True)
class _Item:
    topic: SnapshotKey
    chunk: int
    digest: ChunkDigest | None


class Serving:
    """The requests of one bulk connection. `offered`: what the peer may have. `post` and `put` are those of
    its link. `given`: what all links of this node got. `turn`: when this one may send as a seed."""

    def __init__(
        self,
        offered: Offered,
        *,
        post: Callable[[Refuse | Elsewhere | ManifestPart], None],
        put: Callable[[Making | Data | ManifestPart], Awaitable[None]],
        aside: Callable[[Callable[[], None]], Awaitable[None]],
        upload: Limiter | None,
        count: Callable[[int], None],
        given: Given,
        turn: Turn,
        clock: Callable[[], float],
    ) -> None:
        self._offered = offered
        self._post = post
        self._put = put
        self._aside = aside
        self._upload = upload
        self._count = count
        self._queue: deque[_Item | NeedManifest] = deque()
        self._asked = trio.lowlevel.ParkingLot()
        self._given = given
        self._turn = turn
        self._clock = clock
        self._sending = False
        self._ahead = 0
        self._pace = Pace()
        self._taking, self._taking_since = 0, -math.inf
        self._memories = deque(mmap(-1, LARGEST_CHUNK) for _ in range(MEMORIES))

    @property
    def busy(self) -> bool:
        """Whether the peer waits for something that it asked for."""
        return self._sending or bool(self._queue)

    @property
    def slow(self) -> bool:
        """Whether the peer takes far longer for a frame than others do."""
        return self._turn.slow

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
        """The next items of the queue, which share a frame, or one that does not fit a frame."""
        items: list[_Item] = []
        size, room = 0, self._payload()
        while self._queue and len(items) < MAX_PIECES:
            item = self._queue[0]
            if isinstance(item, NeedManifest) or (items and item.topic != items[0].topic):
                break
            bytes_more = length(item.chunk)
            if bytes_more >= SMALL_BELOW:
                room = min(room, self._taken_soon())
            if items and size + bytes_more > room:
                break
            items.append(item)
            self._queue.popleft()
            size += bytes_more
        return items

    def _payload(self) -> int:
        """Most bytes of a frame now."""
        if self._upload is not None:
            return PACED_PAYLOAD
        return min(max(USUAL_PAYLOAD, self._taken_soon()), MAX_DATA_PAYLOAD)

    def _taken_soon(self) -> int:
        """Bytes that the link takes in SHARED_SECONDS; none while that is not known."""
        paused = self._clock() >= self._taking_since + PAUSE_SECONDS
        return 0 if paused or self._pace.rate is None else int(self._pace.rate * SHARED_SECONDS)

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
        reading = Reading(topic, asked, self._payload(), self._memories[0])
        if not all(reader.at_hand for _, reader in asked if reader):
            await self._aside(reading.read)
        elif len(asked) == 1:
            reading.read()
            if not self._ahead:
                await self._give(served, reading)
                return
        self._ahead += 1
        await hand(readings, (served, reading))

    def _to_be_sent(self, topic: SnapshotKey, items: list[_Item]) -> list[_Item]:
        """Those of these chunks that the peer is not to have elsewhere; it is told of the others."""
        given = self._given.give(self, topic, [item.chunk for item in items], self._clock())
        for ranges in sendable_spans(item.chunk for item in items if item.chunk not in given):
            self._post(Elsewhere(topic, ranges))
        return [item for item in items if item.chunk in given]

    async def _send(self, ready: trio.MemoryReceiveChannel[tuple[Served, Reading]]) -> None:
        async for served, reading in ready:
            await self._give(served, reading)
            self._ahead -= 1

    async def _give(self, served: Served, reading: Reading) -> None:
        """Send these chunks, if the peer may still have them."""
        if not self._offered.still(served):
            self._refuse(reading.topic, reading.chunks)
            return
        self._sending = True
        self._turn.needed = not served.wants
        while reading.more:
            if (made := reading.next_frame() if reading.is_read else reading.next_frame) is not None:
                await self._put(made)
            self._measure(reading.made)
            self._count(reading.made)
            if self._upload is not None:
                await self._upload.take(reading.made)
        self._sending = False
        self._given.sent(self, reading.topic, reading.chunks, self._clock())
        self._refuse(reading.topic, reading.absent)

    def _measure(self, taking: int) -> None:
        """The link has taken the frame before, and begins with one of so many bytes."""
        now = self._clock()
        if now < self._taking_since + PAUSE_SECONDS:
            self._pace.arrived(self._taking, now)
        else:
            self._pace = Pace()
            self._pace.started(now)
        self._taking, self._taking_since = taking, now

    async def _send_manifest(self, topic: SnapshotKey, served: Served | None) -> None:
        manifest = memoryview(served.manifest if served else b"")
        if not manifest:
            self._post(ManifestPart(topic, 0, 0, b""))
        payload = self._payload()
        for offset in range(0, len(manifest), payload):
            part = ManifestPart(topic, offset, len(manifest), manifest[offset : offset + payload])
            await self._put(part)
            if self._upload is not None:
                await self._upload.take(len(part.payload))

    def _refuse(self, topic: SnapshotKey, chunks: Iterable[int]) -> None:
        for ranges in sendable_spans(chunks):
            self._post(Refuse(topic, ranges))
