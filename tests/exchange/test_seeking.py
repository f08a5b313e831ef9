"""A node finds those who take part in its topic though it is not linked with everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import trio.lowlevel
from trio.testing import MockClock

from protocol.bits import everything
from protocol.messages import Seek
from swarm.exchange.seeking import FIRST_SEEK_SECONDS, MOST_PASSED_ON, SEEK_SECONDS
from swarm.exchange.topics import Topic
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Node, Offer, nodes
from tests.exchange.raw import Raw

COUNT = 24
CONTENT = Content(300_000)


@asynccontextmanager
async def crowd(lan: MemoryNetwork) -> AsyncIterator[list[Node]]:
    """Nodes that all know one another and hold a few links each."""
    async with nodes(lan, COUNT, max_links=6) as made:
        for node in made:
            node.sees(*(other for other in made if other is not node), via="mdns")
        await trio.sleep(90)
        assert all(len(node.linked) < COUNT - 1 for node in made)
        yield made


def strangers(made: list[Node]) -> tuple[Node, Node]:
    """Two nodes that are not linked."""
    return next((one, two) for one in made for two in made if one is not two and two.id not in one.linked)


async def test_who_has_it_calls_though_both_have_links_enough(autojump_clock: MockClock) -> None:
    async with crowd(MemoryNetwork()) as made:
        leech, seed = strangers(made)
        seed.shelf.add(Offer(CONTENT, everything(CONTENT.layout.total)))
        leech.shelf.add(Offer(CONTENT, 0))
        with leech.exchange.join(CONTENT.key, CONTENT.digest) as topic:
            await trio.sleep(FIRST_SEEK_SECONDS + 6 * SEEK_SECONDS)
            assert seed.id in leech.linked
            assert topic.present == {seed.id}
            assert topic.searched.is_set()
        assert all(len(node.linked) <= 6 for node in made)


async def test_those_who_want_the_same_find_one_another(autojump_clock: MockClock) -> None:
    async with crowd(MemoryNetwork()) as made:
        one, two = strangers(made)
        joined: list[Topic] = []
        for node in (one, two):
            node.shelf.add(Offer(CONTENT, 0))

        async def take_part(node: Node) -> None:
            with node.exchange.join(CONTENT.key, CONTENT.digest) as topic:
                joined.append(topic)
                await trio.sleep(3)
                assert topic.present == {one.id, two.id} - {node.id}

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_part, one)
            nursery.start_soon(take_part, two)


async def test_a_search_that_finds_nobody_ends(autojump_clock: MockClock) -> None:
    async with crowd(MemoryNetwork()) as made:
        made[0].shelf.add(Offer(CONTENT, 0))
        with made[0].exchange.join(CONTENT.key, CONTENT.digest) as topic:
            await trio.sleep(FIRST_SEEK_SECONDS + 2.5 * SEEK_SECONDS)
            assert not topic.searched.is_set()
            await trio.sleep(60)
            assert topic.searched.is_set()
            assert topic.present == set()


async def test_where_all_are_linked_nothing_is_sought(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (one, two):
        one.sees(two)
        await trio.sleep(1)
        one.shelf.add(Offer(CONTENT, 0))
        with one.exchange.join(CONTENT.key, CONTENT.digest) as topic:
            await trio.lowlevel.checkpoint()
            assert topic.searched.is_set()


async def test_of_a_flood_only_so_much_is_passed_on(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    listener, flooder = Raw(lan, 97), Raw(lan, 98)
    async with (
        nodes(lan, 1) as (node,),
        listener.dialled(node, "control") as hears,
        flooder.dialled(node, "control") as says,
    ):
        for number in range(10 * MOST_PASSED_ON):
            says.say(Seek(CONTENT.key, type(node.id)(number.to_bytes(32, "big")), ("10.0.0.9:1",), 3))
        await trio.sleep(0.9)
        passed_on = [message for message in hears.heard if isinstance(message, Seek)]
        assert len(passed_on) == MOST_PASSED_ON
        assert {message.hops for message in passed_on} == {2}
