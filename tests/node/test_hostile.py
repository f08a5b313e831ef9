"""Peers that promise and do not keep, or send very slowly, or very much: the get ends well all the same."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from protocol.bits import everything
from protocol.ids import SnapshotKey
from protocol.limits import KIB, MAX_CHUNKS, MAX_COMPANY, MAX_MAP_BYTES, MAX_RANGES, MIB
from protocol.messages import (
    Company,
    Data,
    Fetching,
    FetchingHeard,
    Have,
    HaveMap,
    Join,
    Lease,
    LeaseHeard,
    Ranges,
    Request,
    SeedHeard,
)
from protocol.signing import attest
from swarm.exchange.control import LINK_DEAD_SECONDS
from swarm.exchange.interfaces import Handler
from swarm.scheduler.patience import HOLDERS_WAITED_FOR
from swarm.scheduler.rival import stall_seconds
from swarm.sources.address import Address
from swarm.transfer.claims import MAX_ABSENT_WORDS
from tests.exchange.memory import MemoryHost
from tests.exchange.nodes import PORT, Content, identity, made_up
from tests.exchange.raw import Raw, RawLink
from tests.node.lan import Hub, Lan, lan

CHUNK = 256 * KIB
VICTIM = 1
PATIENCE_SECONDS = HOLDERS_WAITED_FOR * stall_seconds(CHUNK) + 15.0
"""Within which the get has to see that a promise is not kept, and to end."""

AT = Address(f"10.0.0.{VICTIM}", PORT)


@pytest.fixture
def content() -> Content:
    return Content(20 * CHUNK, 9 * CHUNK, 100)


class SlowNetwork:
    """A network on which, once there is a `pause`, a stream sends a byte and pauses."""

    def __init__(self, host: MemoryHost) -> None:
        self._host = host
        self.pause = 0.0

    async def dial(self, address: Address) -> trio.abc.Stream:
        return SlowStream(await self._host.dial(address), self)

    async def listen(
        self, port: int, hosts: Sequence[str] | None, handler: Handler, *, task_status: trio.TaskStatus[int]
    ) -> None:
        await self._host.listen(port, hosts, handler, task_status=task_status)


class SlowStream(trio.abc.Stream):
    def __init__(self, stream: trio.abc.Stream, network: SlowNetwork) -> None:
        self._stream = stream
        self._network = network

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if not self._network.pause:
            await self._stream.send_all(data)
            return
        for byte in bytes(data):
            await self._stream.send_all(bytes([byte]))
            await trio.sleep(self._network.pause)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


class Villain:
    """A peer of the victim that takes part in its topic by hand."""

    def __init__(self, site: Lan, number: int) -> None:
        self.raw = Raw(site.network, number)
        self.control: RawLink
        self.bulk: RawLink

    def joins(self, content: Content, have: int, *, can_fetch: bool = False) -> None:
        packed = have.to_bytes((content.layout.total + 7) // 8, "little")
        self.control.say(Join(content.key, True, can_fetch, True), HaveMap(content.key, 0, packed))

    def vouches(self, content: Content) -> None:
        """As an honest holder would, chunk by chunk."""
        for blob in content.layout.blobs:
            chunks = content.layout.chunks_of(blob)
            digests = [content.digest(chunk) for chunk in chunks]
            self.control.say(attest(self.raw.identity, content.key, chunks.start, digests, True))

    async def every_second(self, say: Callable[[int], None]) -> None:
        for second in range(10_000):
            say(second)
            await trio.sleep(1)


@asynccontextmanager
async def villain(site: Lan, number: int = 90) -> AsyncIterator[Villain]:
    made = Villain(site, number)
    async with made.raw.linked(AT, "control") as made.control, made.raw.linked(AT, "bulk") as made.bulk:
        await trio.sleep(0.5)
        yield made


@asynccontextmanager
async def beside_a_villain(
    tmp_path: Path, content: Content
) -> AsyncIterator[tuple[Lan, Villain, trio.Nursery]]:
    """A node, a villain that is linked with it, and a nursery for what that goes on saying."""
    async with (
        lan(tmp_path, content, Hub(content), nodes=1) as site,
        villain(site) as liar,
        trio.open_nursery() as tasks,
    ):
        yield site, liar, tasks
        tasks.cancel_scope.cancel()


async def gets_in_time(site: Lan, content: Content) -> None:
    """The node gets all of it, and sees soon that a promise is not kept."""
    with trio.fail_after(PATIENCE_SECONDS):
        await site.nodes[VICTIM].get(content)
    assert await site.all_hold()


# --- promises -------------------------------------------------------------------------------------------


def held(liar: Villain, content: Content, second: int) -> None:
    """And not a word of progress."""
    liar.control.say(Lease(content.key, True, 0), Fetching(content.key, every(content)))


def with_made_up_progress(liar: Villain, content: Content, second: int) -> None:
    liar.control.say(Lease(content.key, True, second * MIB), Fetching(content.key, every(content)))


def given_up_and_taken(liar: Villain, content: Content, second: int) -> None:
    if second % 3 == 2:
        liar.control.say(Lease(content.key, False, 0))
    held(liar, content, second)


def by_made_up_nodes(liar: Villain, content: Content, second: int) -> None:
    """A new one whenever the last has been heard of for a while."""
    holder = made_up(second // 10)
    liar.control.say(
        LeaseHeard(content.key, holder, True, second, 0), FetchingHeard(content.key, holder, every(content))
    )


def for_made_up_seeds(liar: Villain, content: Content, second: int) -> None:
    liar.control.say(SeedHeard(content.key, made_up(second // 10), every(content), 0))


def with_made_up_chunks(liar: Villain, content: Content, second: int) -> None:
    """It says of each that it has it now, signs it, and sends none."""
    if not second:
        liar.vouches(content)
    chunk = second % content.layout.total
    liar.control.say(Have(content.key, ((chunk, 1),)), Lease(content.key, True, second * MIB))
    liar.control.say(Fetching(content.key, ((chunk + 1, content.layout.total),)))


def every(content: Content) -> Ranges:
    return ((0, content.layout.total),)


@pytest.mark.parametrize(
    "lie",
    [
        held,
        with_made_up_progress,
        given_up_and_taken,
        by_made_up_nodes,
        for_made_up_seeds,
        with_made_up_chunks,
    ],
)
async def test_a_lease_that_brings_nothing_is_not_waited_for(
    tmp_path: Path, content: Content, lie: Callable[[Villain, Content, int], None], autojump_clock: MockClock
) -> None:
    async with beside_a_villain(tmp_path, content) as (site, liar, tasks):
        liar.joins(content, 0, can_fetch=True)
        tasks.start_soon(liar.every_second, partial(lie, liar, content))
        await gets_in_time(site, content)


@pytest.mark.parametrize("company", [0, MAX_COMPANY - 1], ids=["alone", "with made-up company"])
async def test_a_peer_that_has_everything_and_sends_nothing(
    tmp_path: Path, content: Content, company: int, autojump_clock: MockClock
) -> None:
    """Nor is its chunks' share of nodes that there are not left to them."""
    async with beside_a_villain(tmp_path, content) as (site, liar, _):
        liar.joins(content, everything(content.layout.total))
        liar.vouches(content)
        others = tuple(made_up(number) for number in range(company))
        liar.control.say(Company(content.key, (*others, site.nodes[VICTIM].id)))
        await gets_in_time(site, content)
        assert any(isinstance(message, Request) for message in liar.bulk.heard)


async def test_a_peer_that_sends_a_byte_a_second(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    """Slow-loris on the bulk connection: each byte is right, and there are seven million."""
    async with beside_a_villain(tmp_path, content) as (site, liar, tasks):
        liar.joins(content, everything(content.layout.total))
        liar.vouches(content)
        began: list[int] = []

        def trickle(second: int) -> None:
            asked = [message for message in liar.bulk.heard if isinstance(message, Request)]
            if asked and asked[0].items:
                chunk, _ = asked[0].items[0]
                began.append(second)
                offset = second - began[0]
                byte = content.chunk(chunk)[offset : offset + 1]
                liar.bulk.say(Data(content.key, ((chunk, offset, 1),), byte))

        tasks.start_soon(liar.every_second, trickle)
        await gets_in_time(site, content)
        assert began


# --- slowness -------------------------------------------------------------------------------------------


async def test_a_peer_that_answers_nothing_is_cut(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    async with lan(tmp_path, content, Hub(content), nodes=1) as site, villain(site) as mute:
        mute.control.answering = False
        await trio.sleep(LINK_DEAD_SECONDS + 1)
        assert not site.nodes[VICTIM].exchange.peers()


async def test_a_message_that_trickles_is_silence(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    """Slow-loris on the control connection: a byte every two seconds of a message without end."""
    async with lan(tmp_path, content, Hub(content), nodes=1) as site:
        slow = SlowNetwork(site.network.host("10.0.0.90"))
        async with Raw(site.network, 90, through=slow).linked(AT, "control") as control:
            await trio.sleep(1)
            slow.pause = 2.0
            control.say(HaveMap(content.key, 0, bytes(MAX_MAP_BYTES)))
            await trio.sleep(LINK_DEAD_SECONDS - 2)
            assert len(site.nodes[VICTIM].exchange.peers()) == 1
            await trio.sleep(4)
            assert not site.nodes[VICTIM].exchange.peers()


# --- floods ---------------------------------------------------------------------------------------------


async def test_floods_of_maps_and_claims_cost_no_memory(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    """20 MB of have-maps, of made-up topics and of the right one, and attestations by a hundred keys."""
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=1) as site, villain(site) as flooder:
        await site.nodes[VICTIM].store.remember(content.snapshot, public=True, revisions=["main"])
        async with site.nodes[VICTIM].transfers.use(content.snapshot, None) as transfer:
            flooder.joins(content, 0)
            await trio.sleep(1)
            tracemalloc.start()
            before, _ = tracemalloc.get_traced_memory()
            for number in range(100):
                await flood(flooder, content, number)
            after, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert flooder.control.open
            assert after - before < 4 * MIB
            assert len(transfer.book.attestations(0, content.layout.total)) <= MAX_ABSENT_WORDS


async def flood(flooder: Villain, content: Content, number: int) -> None:
    flooder.control.heard.clear()
    key = SnapshotKey(made_up(number))
    packed = bytes([255]) * MAX_MAP_BYTES
    for topic in (key, content.key):
        flooder.control.say(Join(topic, True, True, True), HaveMap(topic, 0, packed))
        flooder.control.say(Have(topic, tuple((3 * n, 1) for n in range(MAX_RANGES // 8))))
    flooder.control.say(HaveMap(content.key, MAX_CHUNKS - 8 * MAX_MAP_BYTES, packed))
    stranger = identity(1000 + number)
    flooder.control.say(attest(stranger, content.key, 0, [content.digest(n) for n in range(20)], True))
    await trio.sleep(0.2)
