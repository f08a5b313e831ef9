"""Answers what a peer asks for on a bulk connection: chunks in the order asked, and manifests.

One task takes requests from the queue and has a worker read what lies on disk, one frame ahead; another
has the link send one frame after another. What lies in memory is sent by the first, unless
something is ahead of it. What the peer calls off before it is read is neither read nor sent. A peer that
asks for absurdly much at once is cut.

A frame costs both sides about as much time as half a megabyte does, whatever is in it. Small chunks always
share frames; others do on a link that is so fast that none of them waits for it. One that is longer than a
frame goes in parts, each read when its turn comes, so that what all links together hold in memory does not
grow with the chunks. Once begun it goes to its end, or the link is cut: a peer could not tell what a refusal
in between is about.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

import trio

from protocol.connection import Laid
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.inbox import Lend
from protocol.limits import KIB, MAX_DATA_PAYLOAD, MAX_PIECES, MIB
from protocol.messages import Cancel, Data, Elsewhere, ManifestPart, NeedManifest, Refuse, Request
from swarm.exchange.given import Given
from swarm.exchange.handing import hand
from swarm.exchange.interfaces import Limiter, Reader, Served
from swarm.exchange.offered import Offered
from swarm.exchange.reading import Part, Reading
from swarm.exchange.spans import covers, sendable_spans
from swarm.exchange.turns import Turn
from swarm.scheduler.windows import Pace

MAX_QUEUED: Final = 16_384
"""Chunks and manifests one peer may have asked for and not got: 30 requests of the largest size, 4 GiB of
the smallest whole chunks; about 3 MB of memory."""

SMALL_BELOW: Final = 256 * KIB
"""Chunks shorter than this share frames on any link. None of a larger file is, but for its last."""

SHARED_SECONDS: Final = 0.05
"""Others share a frame if the link takes it in this time: so long the first of them waits to be relayed.
Among nine nodes with 200 Mbit/s, each of whose links has an eighth of that, each chunk goes alone; with
1 Gbit/s two or three go together, and one to one as many as a frame holds."""

PAUSE_SECONDS: Final = 1.0
"""After a frame that took longer, or was not followed by another, the speed of the link is measured anew."""

USUAL_PAYLOAD: Final = 1 * MIB
"""Payload of a frame, but for a link that takes more in SHARED_SECONDS: three are in memory, of each link."""

LARGE_BYTES: Final = 16 * MIB
"""Payload that the frames of all busy links may have together beyond the usual: 48 MiB, as each has three."""

PACED_PAYLOAD: Final = 64 * KIB
"""Payload of a frame when uploads are limited: small enough that many peers take turns within seconds. Other
payloads are a multiple of it."""

GONE: Final = "what was begun to be sent is no longer to be had"


class TooGreedy(Exception):
    """The peer asked for more at once than any sane node does."""


@dataclass(frozen=True, slots=True)
class _Item:
    topic: SnapshotKey
    chunk: int
    digest: ChunkDigest | None


class Serving:
    """The requests of one bulk connection. `offered`: what the peer may have. `post`, `put`, `aside`, `lend`
    and `cut` are those of its link. `given`: what all links of this node got. `turn`: when this one may send
    as a seed."""

    def __init__(
        self,
        offered: Offered,
        *,
        post: Callable[[Refuse | Elsewhere | ManifestPart], None],
        put: Callable[[Data | Laid | ManifestPart], Awaitable[None]],
        aside: Callable[[Callable[[], None]], Awaitable[None]],
        lend: Lend,
        cut: Callable[[str], None],
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
        self._lend = lend
        self._cut = cut
        self._upload = upload
        self._count = count
        self._queue: deque[_Item | NeedManifest] = deque()
        self._begun = 0  # bytes of the first that were taken
        self._asked = trio.lowlevel.ParkingLot()
        self._given = given
        self._turn = turn
        self._clock = clock
        self._sending = False
        self._ahead = 0
        self._pace = Pace()
        self._taking, self._taking_since = 0, -math.inf

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
        """Drop these from the queue, as far as they are still in it and not begun."""
        begun = [self._queue.popleft()] if self._begun else []
        self._queue = deque(
            item
            for item in self._queue
            if isinstance(item, NeedManifest)
            or item.topic != message.topic
            or not covers(message.ranges, item.chunk)
        )
        self._queue.extendleft(begun)

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
                    self._refuse_next(topic)
                else:
                    await self._read_chunks(topic, served, readings)

    def _take(self, size_of: Callable[[int], int]) -> list[Part]:
        """The next items of the queue, which share a frame, or a part of one that does not fit a frame."""
        parts: list[Part] = []
        length = 0
        room = payload = self._payload()
        topic = self._queue[0].topic
        while self._queue and len(parts) < MAX_PIECES:
            item = self._queue[0]
            if isinstance(item, NeedManifest) or item.topic != topic:
                break
            size = size_of(item.chunk)
            if size >= SMALL_BELOW:
                room = min(room, self._taken_soon())
            if parts and length + size > room:
                break
            if self._begun or size > payload:
                return [self._take_part(item, size, payload)]
            parts.append(Part(item.chunk, item.digest, 0, size, size))
            self._queue.popleft()
            length += size
        return parts

    def _take_part(self, item: _Item, size: int, payload: int) -> Part:
        """The next part of the first item of the queue."""
        part = Part(item.chunk, item.digest, self._begun, min(size - self._begun, payload), size)
        self._begun += part.length
        if self._begun == size:
            self._drop_begun()
        return part

    def _drop_begun(self) -> None:
        """Send no more of the chunk that was begun."""
        if self._begun:
            self._queue.popleft()
            self._begun = 0

    def _payload(self) -> int:
        """Most bytes of a frame now."""
        if self._upload is not None:
            return PACED_PAYLOAD
        large = min(self._taken_soon(), LARGE_BYTES // max(1, self._given.waiting))
        return min(max(USUAL_PAYLOAD, large // PACED_PAYLOAD * PACED_PAYLOAD), MAX_DATA_PAYLOAD)

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
        parts = self._take(lambda chunk: layout.length(chunk) if chunk < layout.total else 0)
        if not served.wants:
            parts = self._to_be_sent(topic, parts)
            if not parts:
                return

        def reader_of(part: Part) -> Reader | None:
            return served.reader(part.chunk, part.digest) if part.size else None

        reading = Reading(topic, parts, reader_of, self._lend)
        if not reading.at_hand:
            await self._aside(reading.read)
        elif len(parts) == 1:
            reading.read()
        if reading.absent and not parts[0].is_whole:
            self._drop_begun()
        if reading.is_read and reading.at_hand and not self._ahead:
            await self._give(served, reading)
            return
        self._ahead += 1
        await hand(readings, (served, reading))

    def _to_be_sent(self, topic: SnapshotKey, parts: list[Part]) -> list[Part]:
        """Those of these that the peer is not to have elsewhere; it is told of the others."""
        new = [part.chunk for part in parts if not part.at]
        given = self._given.give(self, topic, new, self._clock())
        elsewhere = [chunk for chunk in new if chunk not in given]
        for ranges in sendable_spans(elsewhere):
            self._post(Elsewhere(topic, ranges))
        if elsewhere:
            self._drop_begun()
        return [part for part in parts if part.at or part.chunk in given]

    async def _send(self, ready: trio.MemoryReceiveChannel[tuple[Served, Reading]]) -> None:
        async for served, reading in ready:
            await self._give(served, reading)
            self._ahead -= 1
            del reading  # with chunks that nobody else may hold any more

    async def _give(self, served: Served, reading: Reading) -> None:
        """Send these chunks, if the peer may still have them."""
        still, first = self._offered.still(served), reading.parts[0]
        if (reading.absent and first.at) or not (still or first.is_whole):
            self._cut(GONE)
            return
        if not still:
            self._refuse(reading.topic, reading.chunks)
            return
        self._sending = True
        self._turn.needed = not served.wants
        if not (reading.is_read or reading.at_hand):
            await self._aside(reading.read)
        if (frame := reading.frame()) is not None:
            await self._put(frame)
        self._measure(reading.made)
        self._count(reading.made)
        if self._upload is not None:
            await self._upload.take(reading.made)
        self._sending = False
        ended = [part.chunk for part in reading.parts if part.is_last]
        self._given.sent(self, reading.topic, ended, self._clock())
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

    def _refuse_next(self, topic: SnapshotKey) -> None:
        """Refuse the next items of the queue, which are of this topic."""
        if self._begun:
            self._cut(GONE)
            self._drop_begun()
        else:
            self._refuse(topic, [part.chunk for part in self._take(lambda _: 0)])

    def _refuse(self, topic: SnapshotKey, chunks: Iterable[int]) -> None:
        for ranges in sendable_spans(chunks):
            self._post(Refuse(topic, ranges))
