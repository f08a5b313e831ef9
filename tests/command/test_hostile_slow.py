"""Real daemons and peers that take their time: slow-loris at every stage, a lease that brings nothing.

All at once, as each waits for a real clock: nobody is waited for, and every get ends well.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from protocol.ids import SnapshotKey
from protocol.limits import MAX_MAP_BYTES
from protocol.messages import Claims, Data, Fetching, HaveMap, Join, Lease, NeedClaims, Request
from tests.command.attacker import Victim, bare, dialled, heard, hung_up_on, length, sent, stranger, topic_of
from tests.command.hubs import REPO, model
from tests.command.machine import Machine, contents
from tests.exchange.raw import RawLink

Words = list[HaveMap | Claims]

ALL = ((0, 14),)
"""More chunks than the model has are no matter: none of the first is missing."""


async def drip(stream: trio.SocketStream, data: bytes) -> None:
    """Send a byte a second, until the other side hangs up."""
    for byte in data:
        if not await sent(stream, bytes([byte])):
            return
        await trio.sleep(1)


async def on_the_handshake(victim: Victim) -> None:
    async with await dialled(victim) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(drip, stream, length(32) + bytes(32))
        assert await hung_up_on(stream)
        nursery.cancel_scope.cancel()


async def on_control(victim: Victim) -> None:
    async with bare(victim) as link, trio.open_nursery() as nursery:
        message = HaveMap(SnapshotKey(bytes(32)), 0, bytes(MAX_MAP_BYTES))
        nursery.start_soon(drip, link.stream, link.frame(message))
        assert await hung_up_on(link.stream)
        nursery.cancel_scope.cancel()


@dataclass(frozen=True)
class Villain:
    """A peer that takes part. `words`: what an honest node says and signs of the model."""

    control: RawLink
    bulk: RawLink
    topic: SnapshotKey
    words: Words
    bit: trio.Event
    """Set once the victim has relied on it."""


async def on_bulk(villain: Villain) -> None:
    """Has all of it, and sends a byte a second of what it is asked for."""
    await heard(villain.control, Join)
    villain.control.say(Join(villain.topic, False, False, False), *villain.words)
    request = await heard(villain.bulk, Request)
    villain.bit.set()
    chunk, _ = request.items[0]
    for offset in itertools.count():
        villain.bulk.say(Data(villain.topic, ((chunk, offset, 1),), b"\0"))
        await trio.sleep(1)


async def with_the_lease(villain: Villain) -> None:
    """Says that it fetches everything, and how it comes along."""
    await heard(villain.control, Join)
    villain.control.say(Join(villain.topic, True, True, False))
    villain.bit.set()
    for second in itertools.count():
        villain.control.say(Lease(villain.topic, True, second << 20), Fetching(villain.topic, ALL))
        await trio.sleep(1)


async def get_beside(
    behave: Callable[[Villain], Awaitable[None]], machine: Machine, topic: SnapshotKey, words: Words
) -> None:
    """A get on a machine of its own, whose one peer is a villain."""
    with machine.daemon() as daemon:
        peer, address, bit = stranger(), Victim(machine, daemon).address, trio.Event()
        async with (
            peer.linked(address, "control") as control,
            peer.linked(address, "bulk") as bulk,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(behave, Villain(control, bulk, topic, words, bit))
            done = await trio.to_thread.run_sync(machine.swarm, "get", REPO)
            assert contents(done.folder) == model()
            assert bit.is_set()
            nursery.cancel_scope.cancel()


async def test_nobody_slow_is_waited_for(victim: Victim, tmp_path: Path) -> None:
    async with stranger().linked(victim.address, "control") as honest:
        topic = await topic_of(honest)
        honest.say(Join(topic, True, False, True), NeedClaims(topic, ALL))
        words: Words = [await heard(honest, HaveMap), await heard(honest, Claims)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(on_the_handshake, victim)
        nursery.start_soon(on_control, victim)
        for villain in (on_bulk, with_the_lease):
            machine = Machine(tmp_path / villain.__name__, victim.machine.hub)
            nursery.start_soon(get_beside, villain, machine, topic, words)
    await victim.serves()
