"""A small LAN where everything that can break does, at random from a seed: it still ends well."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock

from protocol.bits import everything, members
from protocol.ids import NodeId
from swarm.exchange.topics import Topic
from swarm.sources.interface import Arrived, Source, SourceFailed
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Node, Offer, nodes

CONTENT = Content(*[700] * 60, 3_000_000, 9_000_000)
TOTAL = CONTENT.layout.total
ENOUGH_SECONDS = 3600


class Leech:
    """Fetches what it lacks from whoever is linked, a few chunks at a time, sometimes changing its mind."""

    def __init__(self, node: Node, offer: Offer, dice: random.Random) -> None:
        self.node = node
        self.offer = offer
        self.dice = dice

    async def run(self) -> None:
        with self.node.exchange.join(CONTENT.key, CONTENT.digest) as topic:
            while self.offer.have != everything(TOTAL):
                lacking = list(members(self.offer.have ^ everything(TOTAL)))
                peers = sorted(self.node.linked)
                if peers:
                    await self.fetch(
                        topic, self.dice.choice(peers), self.dice.sample(lacking, min(20, len(lacking)))
                    )
                await trio.sleep(self.dice.random() / 10)

    async def fetch(self, topic: Topic, peer: NodeId, chunks: list[int]) -> None:
        source = topic.source(peer)
        patience = self.dice.choice([0.01, 0.05, 0.3, 60])
        try:
            with trio.move_on_after(patience):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.waver, source.withdraw, chunks)
                    await source.fetch(chunks, self.deliver)
                    nursery.cancel_scope.cancel()
        except* SourceFailed:
            pass

    async def waver(self, withdraw: object, chunks: list[int]) -> None:
        await trio.sleep(self.dice.random() / 5)
        assert callable(withdraw)
        withdraw(chunks[: len(chunks) // 4])

    async def deliver(self, source: Source, arrived: Arrived) -> None:
        await trio.sleep(self.dice.choice([0, 0, 0.001]))
        for chunk, data in arrived:
            assert bytes(data) == CONTENT.chunk(chunk)
            self.offer.have |= 1 << chunk


@pytest.mark.parametrize("seed", range(5))
async def test_everybody_ends_up_with_everything(seed: int, autojump_clock: MockClock) -> None:
    dice = random.Random(seed)
    lan = MemoryNetwork(seed, latency=0.002, drop=0.1)
    async with nodes(lan, 4) as made:
        offers = [
            node.shelf.add(Offer(CONTENT, 0 if number else everything(TOTAL)))
            for number, node in enumerate(made)
        ]
        for node in made:
            node.sees(*(other for other in made if other is not node), known=dice.random() < 0.5)

        async def havoc() -> None:
            while True:
                await trio.sleep(dice.random() * 3)
                one, other = dice.sample(made, 2)
                if dice.random() < 0.7:
                    lan.break_streams(one.host, other.host)
                else:
                    lan.cut(one.host)
                    await trio.sleep(dice.random() * 25)
                    lan.mend(one.host)

        with trio.fail_after(ENOUGH_SECONDS):
            async with trio.open_nursery() as trouble:
                trouble.start_soon(havoc)
                async with trio.open_nursery() as nursery:
                    for number in range(1, 4):
                        nursery.start_soon(
                            Leech(made[number], offers[number], random.Random(seed + number)).run
                        )
                trouble.cancel_scope.cancel()
        for node in made:
            lan.mend(node.host)
        await trio.sleep(60)
        assert all(len(node.linked) == 3 for node in made)
    assert not lan.open_streams()
