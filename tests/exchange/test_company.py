"""Peers that want the same topic of a node hear of one another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

import trio
from trio.testing import MockClock

from protocol.bits import everything
from protocol.ids import NodeId
from swarm.exchange.topics import Topic
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Node, Offer, nodes, told_of_company


def of_seed(seed: Node, topic: Topic) -> tuple[NodeId, ...]:
    """The company that the seed told of last."""
    return [nodes for peer, nodes in told_of_company(topic) if peer == seed.id][-1]


async def test_who_wants_a_topic_hears_who_else_does(autojump_clock: MockClock) -> None:
    content = Content(300_000)
    async with nodes(MemoryNetwork(), 4) as (seed, one, two, stranger):
        seed.shelf.add(Offer(content, everything(content.layout.total)))
        for leech in (one, two):
            leech.shelf.add(Offer(content, 0))
            leech.sees(seed)
        stranger.sees(seed)
        await trio.sleep(1)
        both = tuple(sorted((one.id, two.id)))
        with one.exchange.join(content.key, content.digest) as first:
            await trio.sleep(1)
            assert (seed.id, (one.id,)) in told_of_company(first)
            with two.exchange.join(content.key, content.digest) as second:
                await trio.sleep(1)
                assert (seed.id, both) in told_of_company(first)
                assert (seed.id, both) in told_of_company(second)
                seed.exchange.distrust(two.id, 100)
                await trio.sleep(1)
                assert (seed.id, (one.id,)) in told_of_company(first)
                assert told_of_company(second) == []


@contextmanager
def taking(leech: Node, content: Content) -> Iterator[Topic]:
    """The node wants the content meanwhile, and has nothing of it afterwards."""
    leech.shelf.add(Offer(content, 0))
    with leech.exchange.join(content.key, content.digest) as topic:
        yield topic
        leech.shelf.offers.clear()


@asynccontextmanager
async def seed_and_three(content: Content) -> AsyncIterator[tuple[Node, list[Node]]]:
    """A seed of the content, and three nodes that are linked with it, by their ids."""
    async with nodes(MemoryNetwork(), 4) as (seed, *others):
        seed.shelf.add(Offer(content, everything(content.layout.total)))
        for node in others:
            node.sees(seed)
        await trio.sleep(1)
        yield seed, sorted(others, key=lambda node: node.id)


async def test_who_comes_gets_the_place_of_one_who_is_gone(autojump_clock: MockClock) -> None:
    content = Content(300_000)
    async with seed_and_three(content) as (seed, (new, stays, first)):
        with ExitStack() as leaving, taking(stays, content) as topic:
            leaving.enter_context(taking(first, content))
            await trio.sleep(1)
            assert of_seed(seed, topic) == (stays.id, first.id)
            leaving.close()
            with taking(new, content):
                await trio.sleep(1)
                assert of_seed(seed, topic) == (stays.id, new.id)


async def test_when_nobody_is_left_the_order_is_forgotten(autojump_clock: MockClock) -> None:
    content = Content(300_000)
    async with seed_and_three(content) as (seed, (new, stays, first)):
        with taking(stays, content), taking(first, content):
            await trio.sleep(1)
        await trio.sleep(1)
        with taking(new, content) as topic, taking(stays, content):
            await trio.sleep(1)
            assert of_seed(seed, topic) == (new.id, stays.id)
