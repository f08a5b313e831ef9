"""The two lanes of a link's outbox."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from protocol.ids import SnapshotKey
from protocol.messages import Absent, Claims, Data, Have, HaveMap, ManifestPart, Peers, Ping, Request
from swarm.exchange.outbox import BATCH_BYTES, MAX_POSTED_BYTES, Message, Outbox, weight

TOPIC = SnapshotKey(bytes(32))


def chunk(number: int) -> Data:
    return Data(TOPIC, ((number, 0, 1),), b"x")


async def test_posted_messages_overtake_put_ones() -> None:
    outbox = Outbox()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.put, chunk(1))
        await wait_all_tasks_blocked()
        assert outbox.post(Ping(2))
        assert outbox.post(Ping(3))
        assert await outbox.take() == [Ping(2), Ping(3)]
        assert await outbox.take() == chunk(1)
        outbox.done()


async def test_who_puts_waits_for_the_one_before() -> None:
    outbox = Outbox()
    done: list[Message] = []

    async def put(message: Message) -> None:
        await outbox.put(message)
        done.append(message)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(put, chunk(number))
        for count in range(3):
            await wait_all_tasks_blocked()
            assert len(done) == count
            taken = await outbox.take()
            assert taken is await outbox.take()
            outbox.done()
            await wait_all_tasks_blocked()
            assert done[count] is taken


async def test_who_takes_waits_for_something() -> None:
    outbox = Outbox()
    with trio.move_on_after(0.001) as patience:
        await outbox.take()
    assert patience.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.put, chunk(1))
        assert await outbox.take() == chunk(1)
        outbox.done()


async def test_what_is_left_unread_is_bounded() -> None:
    outbox = Outbox()
    large = HaveMap(TOPIC, 0, bytes(60 * 1024))
    posted = 0
    while outbox.post(large):
        posted += 1
    assert MAX_POSTED_BYTES - 2 * weight(large) < posted * weight(large) <= MAX_POSTED_BYTES
    assert await outbox.take() == [large]
    assert outbox.post(large)


async def test_batches_are_bounded() -> None:
    outbox = Outbox()
    message = HaveMap(TOPIC, 0, bytes(20_000))
    for _ in range(7):
        outbox.post(message)
    taken = [await outbox.take() for _ in range(3)]
    assert [len(batch) for batch in taken if isinstance(batch, list)] == [3, 3, 1]
    assert 3 * weight(message) <= BATCH_BYTES


@pytest.mark.parametrize(
    ("message", "at_least"),
    [
        (Data(TOPIC, ((0, 0, 1000),), bytes(1000)), 1000),
        (ManifestPart(TOPIC, 0, 1000, bytes(1000)), 1000),
        (HaveMap(TOPIC, 0, bytes(1000)), 1000),
        (Claims(TOPIC, 0, (bytes(32),) * 10, False, bytes(32), bytes(64)), 320),  # type: ignore[arg-type]  # ids
        (Request(TOPIC, ((0, bytes(32)),) * 10), 320),  # type: ignore[arg-type]  # ids
        (Peers(((TOPIC, ("10.0.0.1:1",)),) * 10), 400),  # type: ignore[arg-type]  # ids
        (Have(TOPIC, tuple((n, 1) for n in range(0, 200, 2))), 600),
        (Absent(TOPIC), 32),
    ],
)
def test_a_message_weighs_what_it_holds(message: Message, at_least: int) -> None:
    assert at_least <= weight(message) <= 3 * at_least + 200
