"""One link over a real socket: what is sent from where it is posted, and in which order all of it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol.connection import LAID_AT, Connection, Laid, laid_size
from protocol.handshake import Hello
from protocol.inbox import READ_AHEAD, Lend, fresh
from protocol.limits import KIB, MAX_FRAME
from protocol.messages import BulkMessage, Data, Refuse
from swarm.exchange.lender import Lender
from swarm.exchange.link import SEND_STALL_SECONDS, End, Link, secure
from swarm.exchange.outbox import Message
from swarm.exchange.turns import SIDE_BY_SIDE, Turn, Turns
from swarm.exchange.wire import Buffer, SocketWire, WireBroken
from swarm.workers import InlineWorkers
from tests.protocol.peers import ALICE, BOB, TOPIC, connected

LONG = 512 * KIB
"""Bytes of a frame that does not fit what the system takes at once."""


class Pair:
    """A link that runs, `here`, and what arrived at the other end, reading once told to."""

    def __init__(self, here: Link) -> None:
        self.here = here
        self.reading = trio.Event()
        self._arrived: list[Message] = []
        self._news = trio.lowlevel.ParkingLot()

    async def hear(self, message: Message) -> None:
        await self.reading.wait()
        self._arrived.append(message)
        self._news.unpark_all()

    async def arrived(self, count: int) -> list[Message]:
        """The first messages, once so many are there."""
        self.reading.set()
        with trio.fail_after(5):
            while len(self._arrived) < count:
                await self._news.park()
        return self._arrived


@asynccontextmanager
async def linked(lend: Lend = fresh) -> AsyncIterator[Pair]:
    """`lend`: to the link that is `here`."""
    ours, theirs = map(trio.SocketStream, trio.socket.socketpair())
    hello = Hello("bulk", 7677, "test")
    calling = Connection(ALICE, hello, initiator=True, ephemeral=b"\x06" * 32, lend=lend)
    called = Connection(BOB, hello, initiator=False, ephemeral=b"\x07" * 32)
    links: list[Link] = []

    async def welcome() -> None:
        links.append(await secure(theirs, called, trio.current_time, InlineWorkers()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(welcome)
        here = await secure(ours, calling, trio.current_time, InlineWorkers())
    pair = Pair(here)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.run, pair.hear)
        nursery.start_soon(links[0].run, pair.hear)
        await wait_all_tasks_blocked()
        yield pair
        nursery.cancel_scope.cancel()


def small(number: int) -> Refuse:
    return Refuse(TOPIC, ((number, 1),))


def data(number: int, length: int) -> Data:
    return Data(TOPIC, ((number, 0, length),), bytes(length))


async def test_a_link_has_no_memory_of_what_it_sent() -> None:
    lender = Lender()
    _other = lender.lend(1)
    async with linked(lender.lend) as pair:
        pair.reading.set()
        for length in (LONG, LONG // 2):
            await pair.here.put(data(7, length))
            memory = lender.lend(laid_size(length))
            message = Data(TOPIC, ((8, 0, length),), memory[LAID_AT : LAID_AT + length])
            await pair.here.put(Laid(message, memory))
            del memory, message
        await pair.arrived(4)
        await wait_all_tasks_blocked()
        assert lender.lent == 1


async def test_a_small_message_is_sent_before_anything_else_runs() -> None:
    async with linked() as pair:
        sent: list[int] = []
        send_now = SocketWire.send_now

        def count(wire: SocketWire, frame: bytes) -> int:
            sent.append(send_now(wire, frame))
            return sent[-1]

        with patch.object(SocketWire, "send_now", count):
            for number in range(2):
                pair.here.post(small(number))
                assert len(sent) == number + 1
        assert await pair.arrived(2) == [small(0), small(1)]


async def test_all_arrives_in_order_when_the_system_takes_only_parts() -> None:
    async with linked() as pair:
        count = 20_000
        for number in range(count):
            pair.here.post(small(number))
        assert await pair.arrived(count) == [small(number) for number in range(count)]


async def test_what_is_posted_while_something_large_is_sent_waits_for_it() -> None:
    async with linked() as pair, trio.open_nursery() as nursery:
        large = data(7, 2 * LONG)
        nursery.start_soon(pair.here.put, large)
        await wait_all_tasks_blocked()
        pair.here.post(small(1))
        assert await pair.arrived(2) == [large, small(1)]


def broken(wire: SocketWire, frame: bytes) -> int:
    raise WireBroken("the cable was cut")


@pytest.mark.parametrize("large", [False, True])
async def test_a_broken_wire_ends_the_link(large: bool) -> None:
    async with linked() as pair, trio.open_nursery() as nursery:
        with patch.object(SocketWire, "send_now", broken):
            if large:
                nursery.start_soon(pair.here.put, data(0, 10))
            else:
                pair.here.post(small(1))
            await wait_all_tasks_blocked()
        assert pair.here.end is not None
        assert pair.here.end.reason == "the cable was cut"
        pair.here.post(small(2))
        nursery.cancel_scope.cancel()


async def test_several_may_put_and_post_at_a_time_and_each_is_heard_in_order() -> None:
    lengths = [10, LONG // 2, LONG, 100]
    async with linked() as pair, trio.open_nursery() as nursery:

        async def put_all(first: int) -> None:
            for number in range(first, first + 40):
                await pair.here.put(data(number, lengths[number % len(lengths)]))

        async def post_all() -> None:
            for number in range(200):
                pair.here.post(small(number))
                await trio.lowlevel.checkpoint()

        nursery.start_soon(put_all, 0)
        nursery.start_soon(put_all, 40)
        nursery.start_soon(post_all)
        arrived = await pair.arrived(280)
        posted = [message for message in arrived if isinstance(message, Refuse)]
        assert posted == [small(number) for number in range(200)]
        chunks = [message.pieces[0] for message in arrived if isinstance(message, Data)]
        for first in (0, 40):
            mine = [piece for piece in chunks if first <= piece[0] < first + 40]
            assert mine == [(number, 0, lengths[number % 4]) for number in range(first, first + 40)]


@pytest.mark.parametrize("needed", [True, False])
async def test_a_large_frame_of_a_seed_waits_for_its_turn(needed: bool) -> None:
    turns = Turns()
    others = [Turn(turns, lambda: 0.0) for _ in range(SIDE_BY_SIDE)]
    turn = Turn(turns, lambda: 0.0)
    for _ in range(100):  # ahead of the others
        await turn.begin(LONG)
        turn.end()
    for other in others:
        await other.begin(LONG)
    async with linked() as pair:
        pair.here.turn = turn
        turn.needed = needed
        async with trio.open_nursery() as nursery:
            pair.here.post(small(0))
            nursery.start_soon(pair.here.put, data(1, LONG))
            with trio.move_on_after(0.1) as too_long:
                await pair.arrived(2)
            assert too_long.cancelled_caught == needed
            others[0].end()
            assert await pair.arrived(2) == [small(0), data(1, LONG)]
        assert turns.admit(0.0) == []
        await turn.begin(LONG)


async def test_a_peer_that_stops_reading_is_cut_after_so_many_seconds_of_one_frame(
    autojump_clock: MockClock,
) -> None:
    async with linked() as pair:
        await trio.sleep(1.5 * SEND_STALL_SECONDS)
        assert pair.here.end is None
        async with trio.open_nursery() as nursery:
            for number in range(2):
                nursery.start_soon(pair.here.put, data(number, 4 * LONG))
            await trio.sleep(SEND_STALL_SECONDS - 1)
            assert pair.here.end is None
            await trio.sleep(2)
            assert pair.here.end is not None
            assert pair.here.end.reason == "the peer stopped reading"
            nursery.cancel_scope.cancel()


class Tape:
    """A wire on which all of this has come, and goes as many bytes at a time as are taken; then the end."""

    def __init__(self, frames: bytes, *, ends: bool = True) -> None:
        self.rest = frames
        self._ends = ends

    async def receive_into(self, buffer: memoryview, least: int) -> int:
        await trio.lowlevel.checkpoint()
        if not self.rest and not self._ends:
            await trio.sleep_forever()
        taken = self.rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self.rest = self.rest[len(taken) :]
        return len(taken)

    async def send(self, data: Buffer) -> None:
        raise AssertionError

    def send_now(self, data: Buffer) -> int:
        raise AssertionError

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()


LARGE = [data(number, 2 * LONG) for number in range(3)]


def taped(*sent: BulkMessage, ends: bool = True, then: bytes = b"") -> tuple[Tape, Link]:
    """A link on which these messages have arrived, and these bytes after them."""
    alice, bob = connected("bulk")
    assert bob.peer is not None
    tape = Tape(b"".join(alice.seal(message) for message in sent) + then, ends=ends)
    return tape, Link(tape, bob, bob.peer, [], trio.current_time, InlineWorkers())


async def test_no_more_is_received_while_somebody_handles_what_came() -> None:
    tape, link = taped(*LARGE)

    async def never_done(_: Message) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run, never_done)
        await wait_all_tasks_blocked()
        assert 4 * LONG - READ_AHEAD <= len(tape.rest) < 6 * LONG
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("then", "end"),
    [
        (b"", End("the peer closed the connection")),
        (b"\0\0\0\x20" + bytes(32), End("a frame that does not decrypt", fault=True)),
        (b"\xff" * 4, End(f"a frame of {2**32 - 1} bytes where at most {MAX_FRAME} are allowed", fault=True)),
    ],
    ids=["the end", "noise", "too long"],
)
async def test_all_that_came_before_the_end_is_handled_in_order(then: bytes, end: End) -> None:
    sent: list[BulkMessage] = [small(0), LARGE[0], small(1), LARGE[1], LARGE[2], small(2), small(3)]
    _, link = taped(*sent, then=then)
    heard: list[Message] = []

    async def hear_slowly(message: Message) -> None:
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        heard.append(message)

    with trio.fail_after(5):
        await link.run(hear_slowly)
    assert heard == sent
    assert link.end == end


async def test_a_large_frame_that_was_touched_ends_the_link() -> None:
    alice, _ = connected("bulk")
    touched = bytearray(alice.seal(LARGE[0]))
    touched[-1] ^= 1
    _, link = taped(ends=False, then=bytes(touched))

    async def hear(message: Message) -> None:
        raise AssertionError(message)

    with trio.fail_after(5):
        await link.run(hear)
    assert link.end == End("a frame that does not decrypt", fault=True)
