"""Peers that want the same topic of a node hear of one another."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from protocol.bits import everything
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Offer, nodes, told_of_company


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
