"""A real daemon and peers that send it far too much of what may be said: it costs little, and nobody else
notices."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
import trio

from protocol.frames import LENGTH
from protocol.ids import SnapshotKey
from protocol.limits import MAX_CHUNKS, MAX_COMPANY, MAX_MAP_BYTES, MAX_RANGES, MIB
from protocol.messages import (
    Bye,
    Company,
    FetchingHeard,
    Have,
    HaveMap,
    Join,
    LeaseHeard,
    Lookup,
    Peers,
    Ping,
    Pong,
    SeedHeard,
    Seek,
)
from protocol.noise import KEY
from swarm.exchange.control import MAX_QUESTIONS
from swarm.exchange.door import MAX_HANDSHAKES
from swarm.exchange.hearsay import MAX_CANDIDATES_OF_A_HOST
from swarm.exchange.outbox import Message
from swarm.exchange.tcp import TcpNetwork
from swarm.scheduler.neighbours import MAX_LINKS
from tests.command.attacker import Victim, bare, dialled, gone, heard, hung_up_on, sent, stranger, topic_of
from tests.command.machine import SECONDS
from tests.exchange.bystander import Bystander
from tests.exchange.nodes import made_up

SPARE = 24 * MIB
ROUNDS = 200
OTHERS = 16
"""Descriptors for anything else: a few peers, the index, the control socket."""

MAP = bytes([255]) * MAX_MAP_BYTES
RANGES = tuple((3 * number, 1) for number in range(MAX_RANGES))


async def test_connections_that_only_wait(victim: Victim) -> None:
    before = victim.descriptors
    async with AsyncExitStack() as stack:
        for _ in range(6 * MAX_HANDSHAKES):
            await stack.enter_async_context(await dialled(victim))
        await victim.serves()
        assert victim.descriptors <= before + MAX_HANDSHAKES + OTHERS


async def test_many_keys(victim: Victim) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2 * MAX_LINKS):
            await stack.enter_async_context(stranger().linked(victim.address, "control"))
        assert len(await victim.peers()) <= MAX_LINKS
    await victim.serves()


def maps(number: int, topic: SnapshotKey) -> list[Message]:
    key = SnapshotKey(made_up(number))
    return [
        Join(key, True, True, False),
        HaveMap(key, 0, MAP),
        HaveMap(topic, 0, MAP),
        HaveMap(topic, MAX_CHUNKS - 8 * MAX_MAP_BYTES, MAP),
        Have(key, RANGES),
        Have(topic, RANGES),
    ]


def hearsay(number: int, topic: SnapshotKey) -> list[Message]:
    """Of holders, company and seekers that there are not, for made-up topics too."""
    said: list[Message] = []
    for key in (topic, SnapshotKey(made_up(number))):
        someone = made_up(number + 1)
        said += [
            Company(key, tuple(made_up(MAX_COMPANY * number + one) for one in range(MAX_COMPANY))),
            LeaseHeard(key, someone, True, number, 0),
            FetchingHeard(key, someone, RANGES),
            SeedHeard(key, someone, RANGES, 0),
            Seek(key, someone, (f"10.255.0.1:{1 + number}",), 3),
        ]
    return said


@pytest.mark.parametrize("flood", [maps, hearsay])
async def test_much_of_what_may_be_said(
    victim: Victim, flood: Callable[[int, SnapshotKey], list[Message]]
) -> None:
    async with stranger().linked(victim.address, "control") as control:
        topic = await topic_of(control)
        control.say(Join(topic, True, True, True))
        with victim.needing_less_than(SPARE):
            for number in range(ROUNDS):
                control.heard.clear()
                control.say(*flood(number, topic), Ping(number))
                await heard(control, Pong)
        assert len(await victim.peers()) == 1
    await victim.serves()


async def test_questions_without_end(victim: Victim) -> None:
    """Sent in one go, and then the answers are read."""
    async with bare(victim) as link:
        names = (f"a/{number}" for number in range(8 * MAX_QUESTIONS))
        questions = [link.frame(Lookup(1, "hf", "model", name, "main")) for name in names]
        with victim.needing_less_than(SPARE):
            assert not await sent(link.stream, b"".join(questions)) or await hung_up_on(link.stream)
    await victim.serves()


async def test_what_is_said_of_others_makes_no_more_than_a_few_calls(victim: Victim) -> None:
    """Nodes that are said to be at a bystander's ports, by a thousand messages of two kinds."""
    bystander = Bystander(TcpNetwork(list), ["127.0.0.1"])
    async with trio.open_nursery() as nursery:
        ports = [await nursery.start(bystander.run, 0) for _ in range(3 * MAX_CANDIDATES_OF_A_HOST)]
        async with stranger(ports[0]).linked(victim.address, "control") as control:
            topic = await topic_of(control)
            for number, port in zip(range(500), itertools.cycle(ports), strict=False):
                place = (f"127.0.0.1:{port}",)
                control.say(Peers(((made_up(number), place),)), Seek(topic, made_up(number), place, 3))
            with trio.fail_after(SECONDS):
                await bystander.called(MAX_CANDIDATES_OF_A_HOST - 1)
            await victim.serves()
            assert len(bystander.ports) <= MAX_CANDIDATES_OF_A_HOST
            assert control.open
        nursery.cancel_scope.cancel()
    assert {len(words) for words in bystander.said} <= {LENGTH.size + KEY}


async def test_a_goodbye_ends_the_own_link_only(victim: Victim) -> None:
    async with stranger().linked(victim.address, "control") as other:
        await topic_of(other)
        async with stranger().linked(victim.address, "control") as leaving:
            await topic_of(leaving)
            assert len(await victim.peers()) == 2
            leaving.say(Bye("you do not need me"))
            await gone(leaving)
        assert other.open
        assert len(await victim.peers()) == 1
    await victim.serves()
