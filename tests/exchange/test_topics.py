"""Chunks from peers, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from protocol.bits import everything
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.standing import Standing
from swarm.exchange.bulk import DELIVERIES, STALL_SECONDS, WINDOW
from swarm.sources.interface import Arrived, Source, SourceFailed
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Inbox, Offer, nodes, offer, seed_and_leech, unwanted

MIB = 1024 * 1024


async def test_more_than_a_window_of_small_chunks(autojump_clock: MockClock) -> None:
    content = Content(*range(1, 2 * WINDOW + 100))
    async with seed_and_leech(content) as (seed, _, topic):
        inbox = Inbox()
        await topic.source(seed.id).fetch(range(content.layout.total), inbox.deliver)
        assert inbox.chunks == {chunk: content.chunk(chunk) for chunk in range(content.layout.total)}


async def test_what_is_refused_fails_after_the_rest_has_come(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    async with seed_and_leech(content) as (seed, _, topic):
        offer(seed, content).have = 0b1011
        inbox = Inbox()
        with pytest.raises(SourceFailed, match="refused 2") as failed:
            await topic.source(seed.id).fetch([0, 1, 2, 3, 9], inbox.deliver)
        assert not failed.value.lasting
        assert sorted(inbox.chunks) == [0, 1, 3]


async def test_a_window_full_of_refusals_does_not_hang(autojump_clock: MockClock) -> None:
    content = Content(*range(1, 3 * WINDOW))
    async with seed_and_leech(content) as (seed, _, topic):
        offer(seed, content).have = 1 << (3 * WINDOW - 2)
        inbox = Inbox()
        with pytest.raises(SourceFailed, match="refused"):
            await topic.source(seed.id).fetch(range(content.layout.total), inbox.deliver)
        assert list(inbox.chunks) == [3 * WINDOW - 2]


async def test_a_topic_that_is_gone_is_refused(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    async with seed_and_leech(content) as (seed, _, topic):
        del seed.shelf.offers[content.key]
        with pytest.raises(SourceFailed, match="refused 8"):
            await topic.source(seed.id).fetch(range(8), unwanted)


async def test_a_chunk_is_sent_only_with_the_digest_asked_for(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    async with nodes(MemoryNetwork(), 2) as (seed, leech):
        seed.shelf.add(Offer(content, everything(content.layout.total)))
        leech.shelf.add(Offer(content, 0))
        leech.sees(seed)

        def digest_of(chunk: int) -> ChunkDigest | None:
            return [content.digest(0), None, ChunkDigest(bytes(32))][chunk]

        with leech.exchange.join(content.key, digest_of) as topic:
            await trio.sleep(3)
            inbox = Inbox()
            with pytest.raises(SourceFailed):
                await topic.source(seed.id).fetch([0, 1, 2], inbox.deliver)
            assert sorted(inbox.chunks) == [0, 1]


async def test_a_broken_link_fails_the_order_at_once(autojump_clock: MockClock) -> None:
    content = Content(64 * MIB)
    lan = MemoryNetwork(latency=0.01)
    async with seed_and_leech(content, lan) as (seed, leech, topic), trio.open_nursery() as nursery:
        inbox = Inbox()

        async def pull_the_plug() -> None:
            await inbox.has(5)
            lan.break_streams(seed.host, leech.host)

        nursery.start_soon(pull_the_plug)
        start = trio.current_time()
        with pytest.raises(SourceFailed):
            await topic.source(seed.id).fetch(range(content.layout.total), inbox.deliver)
        assert trio.current_time() - start < 2
        assert 5 <= len(inbox.chunks) < 40


async def test_a_link_lost_while_an_order_opens_the_bulk_connection_is_no_offence(
    autojump_clock: MockClock,
) -> None:
    """Else the scheduler would leave the peer alone for minutes after it is back."""
    content = Content(8 * MIB)
    lan = MemoryNetwork()
    async with seed_and_leech(content, lan) as (seed, leech, topic), trio.open_nursery() as nursery:
        for bulk in leech.exchange.bulks(seed.id):
            bulk.link.cut("for the test")
        failures: list[SourceFailed] = []

        async def order() -> None:
            with pytest.raises(SourceFailed) as failed:
                await topic.source(seed.id).fetch(range(8), unwanted)
            failures.append(failed.value)

        lan.cut(seed.host)
        nursery.start_soon(order)
        await trio.testing.wait_all_tasks_blocked()
        leech.exchange.distrust(seed.id, 0)
        await trio.testing.wait_all_tasks_blocked()
        assert [failure.lasting for failure in failures] == [False]


async def test_a_peer_that_stops_sending_fails_the_order(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    async with seed_and_leech(content) as (seed, leech, topic):

        async def stuck(topic: SnapshotKey, standing: Standing) -> None:
            await trio.sleep_forever()

        seed.shelf.open = stuck  # type: ignore[method-assign]  # a disk that hangs
        start = trio.current_time()
        with pytest.raises(SourceFailed, match="stopped sending"):
            await topic.source(seed.id).fetch([0], unwanted)
        assert STALL_SECONDS <= trio.current_time() - start <= 1.5 * STALL_SECONDS
        assert leech.linked


async def test_a_lost_bulk_connection_is_opened_again(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    lan = MemoryNetwork()
    async with seed_and_leech(content, lan) as (seed, leech, topic):
        for number in range(3):
            inbox = Inbox()
            await topic.source(seed.id).fetch([number], inbox.deliver)
            assert list(inbox.chunks) == [number]
            for bulk in leech.exchange.bulks(seed.id):
                bulk.link.cut("for the test")
            await trio.sleep(0.01 * number)


async def test_an_order_that_is_cancelled_is_called_off(autojump_clock: MockClock) -> None:
    content = Content(64 * MIB)
    async with seed_and_leech(content, MemoryNetwork(latency=0.01)) as (seed, leech, topic):
        source = topic.source(seed.id)
        inbox = Inbox()
        with trio.move_on_after(0.1):
            await source.fetch(range(content.layout.total), inbox.deliver)
        had = dict(inbox.chunks)
        await trio.sleep(5)
        reads = len(offer(seed, content).reads)
        assert len(had) <= reads < content.layout.total / 2
        assert inbox.chunks == had
        again = Inbox()
        await source.fetch(range(content.layout.total), again.deliver)
        assert len(again.chunks) == content.layout.total
        assert leech.linked


async def test_an_order_repeated_at_once_is_had_in_full(autojump_clock: MockClock) -> None:
    """Parts of what was called off are still arriving when the same chunks are asked for again."""
    content = Content(40_000 * 1024 * 1024 // 1024 // 1024, 6 * MIB)
    async with seed_and_leech(content, MemoryNetwork(latency=0.003)) as (seed, leech, topic):
        source = topic.source(seed.id)
        for pause in range(12):
            inbox = Inbox()
            with trio.move_on_after(0.004 * pause):
                await source.fetch(range(content.layout.total), inbox.deliver)
        inbox = Inbox()
        await source.fetch(range(content.layout.total), inbox.deliver)
        assert inbox.chunks == {chunk: content.chunk(chunk) for chunk in range(content.layout.total)}
        assert leech.linked


async def test_some_chunks_of_an_order_can_be_withdrawn(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    async with seed_and_leech(content) as (seed, _, topic), trio.open_nursery() as nursery:
        source = topic.source(seed.id)
        inbox = Inbox()

        async def fetch() -> None:
            await source.fetch(range(32), inbox.deliver)

        nursery.start_soon(fetch)
        await trio.testing.wait_all_tasks_blocked()
        source.withdraw(range(4, 40))
        await trio.sleep(1)
        assert not nursery.child_tasks
        assert set(range(4)) <= set(inbox.chunks) <= set(range(20))


async def test_two_orders_for_the_same_chunk_both_get_it(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    async with seed_and_leech(content) as (seed, _, topic), trio.open_nursery() as nursery:
        inboxes = [Inbox(), Inbox()]
        for inbox in inboxes:
            nursery.start_soon(topic.source(seed.id).fetch, range(8), inbox.deliver)
        await trio.sleep(2)
        assert [sorted(inbox.chunks) for inbox in inboxes] == [list(range(8))] * 2
        assert sorted(offer(seed, content).reads) == list(range(8))


async def test_a_receiver_that_is_slow_slows_the_sender_down(autojump_clock: MockClock) -> None:
    content = Content(64 * MIB)
    async with seed_and_leech(content) as (seed, _, topic):
        delivered = 0

        async def slow(source: Source, arrived: Arrived) -> None:
            nonlocal delivered
            delivered += len(arrived)
            await trio.sleep(len(arrived))

        with trio.move_on_after(60):
            await topic.source(seed.id).fetch(range(content.layout.total), slow)
        assert 59 * DELIVERIES <= delivered <= 61 * DELIVERIES
        assert len(offer(seed, content).reads) <= delivered + 24


async def test_an_error_of_the_receiver_is_the_callers(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    async with seed_and_leech(content) as (seed, leech, topic):

        async def full(source: Source, arrived: Arrived) -> None:
            raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            await topic.source(seed.id).fetch(range(8), full)
        assert leech.linked
        inbox = Inbox()
        await topic.source(seed.id).fetch(range(8), inbox.deliver)
        assert len(inbox.chunks) == 8


async def test_both_ways_at_once_over_one_connection(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (one, two):
        one.shelf.add(Offer(content, 0x0000FFFF))
        two.shelf.add(Offer(content, 0xFFFF0000))
        one.sees(two)
        with (
            one.exchange.join(content.key, content.digest) as a,
            two.exchange.join(content.key, content.digest) as b,
        ):
            await trio.sleep(3)
            upper, lower = Inbox(), Inbox()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(a.source(two.id).fetch, range(16, 32), upper.deliver)
                nursery.start_soon(b.source(one.id).fetch, range(16), lower.deliver)
            assert (len(upper.chunks), len(lower.chunks)) == (16, 16)
            assert len(lan.open_streams()) == 4  # two ends each of a control and a bulk connection


async def test_the_side_that_was_dialled_can_order_too(autojump_clock: MockClock) -> None:
    """It has never joined the topic with a transfer before, so no bulk connection has been opened."""
    content = Content(8 * MIB)
    async with nodes(MemoryNetwork(), 2) as (one, two):
        one.shelf.add(Offer(content, everything(32)))
        two.shelf.add(Offer(content, 0))
        one.sees(two)
        await trio.sleep(3)
        inbox = Inbox()
        with two.exchange.join(content.key, content.digest) as topic:
            await topic.source(one.id).fetch(range(32), inbox.deliver)
        assert len(inbox.chunks) == 32


class Paced:
    """A limiter that lets so many bytes a second pass."""

    def __init__(self, rate: float, clock: Callable[[], float] = trio.current_time) -> None:
        self.rate = rate
        self.largest = 0

    async def take(self, amount: int) -> None:
        self.largest = max(self.largest, amount)
        await trio.sleep(amount / self.rate)


async def test_uploads_keep_their_rate_in_small_frames(autojump_clock: MockClock) -> None:
    content = Content(4 * MIB)
    pace = Paced(MIB)
    async with seed_and_leech(content, upload=pace) as (seed, _, topic):
        start = trio.current_time()
        await topic.source(seed.id).fetch(range(16), Inbox().deliver)
        assert trio.current_time() - start == pytest.approx(4, abs=0.2)
        assert pace.largest == 64 * 1024


async def test_downloads_keep_their_rate(autojump_clock: MockClock) -> None:
    content = Content(16 * MIB)
    async with seed_and_leech(content, download=Paced(4 * MIB)) as (seed, _, topic):
        start = trio.current_time()
        await topic.source(seed.id).fetch(range(64), Inbox().deliver)
        assert 2.5 <= trio.current_time() - start <= 4.2
