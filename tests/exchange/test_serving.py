"""What goes into a data frame, in which order, and what is read for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol.bits import everything
from protocol.chunks import LARGEST_CHUNK, Bytes
from protocol.connection import Laid
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.inbox import fresh
from protocol.limits import GIB, KIB, MAX_DATA_PAYLOAD, MIB
from protocol.manifest import Blob, File, Snapshot
from protocol.messages import Cancel, Data, Elsewhere, ManifestPart, NeedManifest, Refuse, Request
from protocol.standing import Standing
from swarm.exchange.given import Given
from swarm.exchange.interfaces import Reader
from swarm.exchange.offered import Offered
from swarm.exchange.serving import LARGE_BYTES, MAX_QUEUED, USUAL_PAYLOAD, Serving, TooGreedy
from swarm.exchange.turns import Turn, Turns
from swarm.store import ChunkReader
from tests.exchange.nodes import Content, Offer, Shelf

TOPIC = SnapshotKey(bytes(32))


class Desk:
    """A serving whose frames are taken one by one."""

    def __init__(self, *offers: Offer) -> None:
        self.shelf = Shelf()
        for offer in offers:
            self.shelf.add(offer)
        self.posted: list[Refuse | Elsewhere | ManifestPart] = []
        self.given = Given()
        self.turn = Turn(Turns(), trio.current_time)
        self.counted = 0
        self.asides = 0
        self.cuts: list[str] = []
        self.out, self.frames = trio.open_memory_channel[Data | ManifestPart](0)
        self.standing: Standing = "open"
        self.serving = Serving(
            Offered(self.shelf, lambda: self.standing),
            post=self.posted.append,
            put=self.put,
            aside=self.aside,
            lend=fresh,
            cut=self.cuts.append,
            upload=None,
            count=self.count,
            given=self.given,
            turn=self.turn,
            clock=trio.current_time,
        )

    async def aside(self, work: Callable[[], None]) -> None:
        self.asides += 1
        work()

    async def put(self, what: Data | Laid | ManifestPart) -> None:
        await self.out.send(what.message if isinstance(what, Laid) else what)

    def count(self, amount: int) -> None:
        self.counted += amount

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Desk]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.serving.run)
            yield self
            nursery.cancel_scope.cancel()

    async def rest(self) -> list[Data | ManifestPart]:
        """All frames that still come."""
        found = []
        with trio.move_on_after(1):
            while True:
                found.append(await self.frames.receive())
        return found


class Zeros(Content):
    """A file of nothing but zeros, which need not be in memory."""

    def __init__(self, size: int) -> None:
        file = File("zeros", Blob("sha256", bytes(32), size))
        self.snapshot = Snapshot("hf", "model", "org/model", "0" * 40, (file,))

    def chunk(self, number: int) -> bytes:
        return bytes(self.layout.length(number))


def numbers(frames: list[Data | ManifestPart]) -> list[int]:
    return [chunk for frame in frames if isinstance(frame, Data) for chunk, _, _ in frame.pieces]


def request(content: Content, *chunks: int) -> Request:
    return Request(content.key, tuple((chunk, None) for chunk in chunks))


async def test_chunks_come_in_the_order_asked_for(autojump_clock: MockClock) -> None:
    content = Content(4 << 20, 10, 20, 30, seed=1)
    offer = Offer(content, everything(content.layout.total))
    async with Desk(offer).open() as desk:
        desk.serving.ask(request(content, 7, 3, 17, 18, 16, 0))
        assert numbers(await desk.rest()) == [7, 3, 17, 18, 16, 0]
        assert desk.counted == 3 * (1 << 18) + 60
        desk.serving.ask(request(content, 5))
        assert numbers(await desk.rest()) == [5]


@pytest.mark.parametrize(
    ("size", "seconds", "most"),
    [
        (64 * MIB, 0.026, 256 * KIB),
        (64 * MIB, 0.012, 1 * MIB),
        (64 * MIB, 0.001, MAX_DATA_PAYLOAD),
        (1024 * MIB, 0.06, USUAL_PAYLOAD),
        (1024 * MIB, 0.02, 2 * MIB),
        (1024 * MIB, 0.01, MAX_DATA_PAYLOAD),
    ],
)
async def test_chunks_share_frames_as_far_as_the_link_is_fast(
    autojump_clock: MockClock, size: int, seconds: float, most: int
) -> None:
    """A link that takes `seconds` for 256 KiB, or 1 MiB of the larger file."""
    content = Zeros(size)
    offer = Offer(content, everything(content.layout.total))
    async with Desk(offer).open() as desk:
        desk.serving.ask(request(content, *range(256)))
        frames: list[Data | ManifestPart] = []
        while len(numbers(frames)) < 256:
            frames.append(await desk.frames.receive())
            await trio.sleep(seconds * len(frames[-1].payload) / content.layout.length(0))
        assert numbers(frames) == list(range(256))
        assert len(frames[0].payload) == content.layout.length(0)
        assert max(len(frame.payload) for frame in frames) == most


async def test_after_a_pause_a_link_counts_as_slow_until_it_was_measured(autojump_clock: MockClock) -> None:
    content = Zeros(64 * MIB)
    async with Desk(Offer(content, everything(content.layout.total))).open() as desk:
        for first in (0, 128):
            await trio.sleep(2)
            desk.serving.ask(request(content, *range(first, first + 128)))
            lengths: list[int] = []
            while sum(lengths) < 32 * MIB:
                lengths.append(len((await desk.frames.receive()).payload))
                await trio.sleep(0.001)
            assert lengths[0] == lengths[1] == 256 * KIB
            assert max(lengths) == MAX_DATA_PAYLOAD


async def test_only_one_frame_is_read_ahead(autojump_clock: MockClock) -> None:
    content = Content(64 << 20)
    offer = Offer(content, everything(content.layout.total))
    async with Desk(offer).open() as desk:
        desk.serving.ask(request(content, *range(256)))
        await wait_all_tasks_blocked()
        assert len(offer.reads) <= 2


class Fading(Offer):
    """Its chunks lie in memory for a while."""

    lies_there = True

    def reader(self, chunk: int, digest: ChunkDigest | None) -> Reader | None:
        return FadingChunk(self, self.content.chunk(chunk))


class FadingChunk:
    def __init__(self, offer: Fading, data: bytes) -> None:
        self._offer = offer
        self._data = data

    @property
    def at_hand(self) -> bytes | None:
        return self._data if self._offer.lies_there else None

    def __call__(self, memory: memoryview, at: int = 0) -> bytes:
        return self._data[at : at + len(memory)]


@pytest.mark.parametrize("fades", [False, True])
async def test_what_lies_in_memory_no_more_when_its_turn_comes_is_read_by_a_worker(
    fades: bool, autojump_clock: MockClock
) -> None:
    content = Content(*[200 * KIB] * 8)  # more than one frame, each of several
    offer = Fading(content, everything(content.layout.total))
    async with Desk(offer).open() as desk:
        desk.serving.ask(request(content, *range(8)))
        await wait_all_tasks_blocked()
        offer.lies_there = not fades
        assert numbers(await desk.rest()) == list(range(8))
        assert desk.asides == fades


async def test_what_is_called_off_in_time_is_not_read(autojump_clock: MockClock) -> None:
    content, other = Content(64 << 20), Content(1 << 20, seed=2)
    offer = Offer(content, everything(content.layout.total))
    async with Desk(offer, Offer(other, everything(4))).open() as desk:
        desk.serving.ask(request(content, *range(256)))
        desk.serving.ask(request(other, 0, 1, 2, 3))
        desk.serving.ask(NeedManifest(content.key))
        await wait_all_tasks_blocked()
        desk.serving.call_off(Cancel(content.key, ((0, 100), (101, 155))))
        frames = await desk.rest()
        *before, last, a, b, c, d = numbers(frames)
        assert before == list(range(len(before)))
        assert len(before) <= 2
        assert [last, a, b, c, d] == [100, 0, 1, 2, 3]
        assert isinstance(frames[-1], ManifestPart)
        assert max(offer.reads) == 100


async def test_what_is_not_there_is_refused(autojump_clock: MockClock) -> None:
    content = Content(*range(1, 10))
    offer = Offer(content, 0b10)
    async with Desk(offer).open() as desk:
        desk.serving.ask(request(content, 3, 2, 1, 8, 9))
        wrong = (1, ChunkDigest(bytes(32)))
        desk.serving.ask(Request(content.key, (wrong,)))
        desk.serving.ask(Request(TOPIC, ((5, None),)))
        assert numbers(await desk.rest()) == [1]
        assert {message.topic for message in desk.posted} == {content.key, TOPIC}
        assert (
            sum(
                count for message in desk.posted if isinstance(message, Refuse) for _, count in message.ranges
            )
            == 6
        )


class Line:
    """Another link that waits for chunks."""

    busy = True
    slow = False


async def test_frames_of_many_busy_links_are_shorter(autojump_clock: MockClock) -> None:
    content = Zeros(64 * MIB)
    async with Desk(Offer(content, everything(content.layout.total))).open() as desk:
        for _ in range(7):
            desk.given.open(Line())
        desk.serving.ask(request(content, *range(256)))
        lengths: list[int] = []
        while sum(lengths) < 64 * MIB:
            lengths.append(len((await desk.frames.receive()).payload))
            await trio.sleep(0.001)
        assert max(lengths) == LARGE_BYTES // 8


HUGE = Zeros(17 * GIB)
"""Its chunks are longer than a frame of a link that is not fast."""


class Fleeting(Offer):
    """Has its chunks, but from the `gone`-th time on that one is read, if any."""

    def __init__(self, content: Content, gone: int) -> None:
        super().__init__(content, everything(content.layout.total))
        self.gone = gone

    def reader(self, chunk: int, digest: ChunkDigest | None) -> Reader | None:
        def read(memory: memoryview, at: int) -> Bytes | None:
            self.reads.append(chunk)
            return memory if len(self.reads) < self.gone else None

        return ChunkReader(read)


async def test_a_chunk_longer_than_a_frame_goes_in_parts(autojump_clock: MockClock) -> None:
    async with Desk(Offer(HUGE, everything(HUGE.layout.total))).open() as desk:
        desk.serving.ask(request(HUGE, 5, 3))
        frames = await desk.rest()
        ats = range(0, LARGEST_CHUNK, USUAL_PAYLOAD)
        assert [frame.pieces for frame in frames if isinstance(frame, Data)] == [
            ((chunk, at, USUAL_PAYLOAD),) for chunk in (5, 3) for at in ats
        ]
        assert desk.counted == 2 * LARGEST_CHUNK
        assert not desk.serving.busy


async def test_what_is_begun_and_called_off_goes_to_its_end(autojump_clock: MockClock) -> None:
    async with Desk(Offer(HUGE, everything(HUGE.layout.total))).open() as desk:
        desk.serving.ask(request(HUGE, 5, 3, 4))
        await desk.frames.receive()
        desk.serving.call_off(Cancel(HUGE.key, ((3, 3),)))
        assert numbers(await desk.rest()) == [5, 5, 5]


async def test_a_chunk_that_is_gone_before_it_is_begun_is_refused(autojump_clock: MockClock) -> None:
    async with Desk(Fleeting(HUGE, gone=1)).open() as desk:
        desk.serving.ask(request(HUGE, 5, 3))
        assert await desk.rest() == []
        assert desk.posted == [Refuse(HUGE.key, ((5, 1),)), Refuse(HUGE.key, ((3, 1),))]
        assert desk.cuts == []


async def test_the_link_is_cut_when_what_was_begun_is_gone(autojump_clock: MockClock) -> None:
    async with Desk(Fleeting(HUGE, gone=3)).open() as desk:
        desk.serving.ask(request(HUGE, 5))
        assert numbers(await desk.rest())[:2] == [5, 5]
        assert set(desk.cuts) == {"what was begun to be sent is no longer to be had"}
        assert desk.posted == []


@pytest.mark.parametrize("taken", [1, 2])
async def test_who_may_have_it_no_longer_is_cut_off_in_the_middle(
    autojump_clock: MockClock, taken: int
) -> None:
    offer = Offer(HUGE, everything(HUGE.layout.total))
    async with Desk(offer).open() as desk:
        desk.serving.ask(request(HUGE, 5, 3))
        for _ in range(taken):
            await desk.frames.receive()
        await wait_all_tasks_blocked()
        offer.audience = "nobody"
        assert len(await desk.rest()) <= 1
        assert set(desk.cuts) == {"what was begun to be sent is no longer to be had"}


async def test_what_another_relays_is_not_begun(autojump_clock: MockClock) -> None:
    async with Desk(Offer(HUGE, everything(HUGE.layout.total))).open() as desk:
        other = Line()
        desk.given.open(other)
        desk.given.give(other, HUGE.key, [5], trio.current_time())
        desk.serving.ask(request(HUGE, 5, 3))
        assert numbers(await desk.rest()) == [3, 3, 3, 3]
        assert desk.posted == [Elsewhere(HUGE.key, ((5, 1),))]


@pytest.mark.parametrize("complete", [True, False], ids=["a seed", "a relay"])
async def test_a_seed_sends_what_went_to_another_when_asked_again(
    autojump_clock: MockClock, complete: bool
) -> None:
    content = Content(4 << 20, 10, 20, 30, seed=1)
    offer = Offer(content, everything(content.layout.total), wants=not complete)
    async with Desk(offer).open() as desk:
        other = Line()
        desk.given.open(other)
        desk.given.give(other, content.key, [2, 3, 17], trio.current_time())
        desk.serving.ask(request(content, 1, 2, 3, 4, 16, 17, 18))
        sent = [1, 4, 16, 18] if complete else [1, 2, 3, 4, 16, 17, 18]
        assert numbers(await desk.rest()) == sent
        told = [Elsewhere(content.key, ((chunk, 1),)) for chunk in (2, 3, 17)]
        assert desk.posted == (told if complete else [])
        desk.serving.ask(request(content, 2, 3))
        assert numbers(await desk.rest()) == [2, 3]


async def test_a_disk_that_fails_is_no_catastrophe(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    content = Content(1000, 2000)

    class Broken(Offer):
        def read(self, chunk: int) -> bytes:
            if chunk == 0:
                raise OSError("I/O error")
            return super().read(chunk)

    async with Desk(Broken(content, 0b11)).open() as desk:
        desk.serving.ask(request(content, 0, 1))
        assert numbers(await desk.rest()) == [1]
        assert desk.posted == [Refuse(content.key, ((0, 1),))]
    assert "I/O error" in caplog.text


async def test_a_manifest_comes_in_parts(autojump_clock: MockClock) -> None:
    content = Content(*range(1, 30_000))
    async with Desk(Offer(content, 0)).open() as desk:
        desk.serving.ask(NeedManifest(content.key))
        desk.serving.ask(NeedManifest(TOPIC))
        parts = await desk.rest()
        assert b"".join(part.payload for part in parts) == content.snapshot.encoded
        assert len(parts) == 2
        assert desk.posted == [ManifestPart(TOPIC, 0, 0, b"")]


async def test_greed_has_a_limit() -> None:
    content = Content(1000)
    desk = Desk(Offer(content, 1))
    for _ in range(MAX_QUEUED // 512):
        desk.serving.ask(request(content, *[0] * 512))
    with pytest.raises(TooGreedy):
        desk.serving.ask(NeedManifest(content.key))


@pytest.mark.parametrize("wants", [True, False])
async def test_a_seed_s_links_take_turns(autojump_clock: MockClock, wants: bool) -> None:
    content = Content(4 << 20, seed=1)
    async with Desk(Offer(content, everything(content.layout.total), wants=wants)).open() as desk:
        desk.serving.ask(request(content, 0))
        await desk.rest()
        assert desk.turn.needed != wants
