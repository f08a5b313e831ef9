"""The topics that a node has joined: who hears of them, and among whom company is sought."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from protocol.messages import Have, Join
from protocol.standing import Audience, Standing
from swarm.exchange.interfaces import PeerMessage
from swarm.exchange.joined import Joined
from swarm.exchange.peers import PeerTable
from swarm.exchange.sessions import Sessions
from tests.exchange.gates import ScriptedGate
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Node, Offer, heard
from tests.exchange.raw import Raw, RawLink

CONTENT = Content(1_000_000)
TOPIC = CONTENT.key
JOIN = Join(TOPIC, wants=True, can_fetch=False, ask=False)
HAVE = Have(TOPIC, ((2, 1),))


@asynccontextmanager
async def called() -> AsyncIterator[tuple[Node, Raw, RawLink]]:
    """A node that offers the content, and a peer that has called it."""
    lan = MemoryNetwork()
    node, raw = Node(lan, 1), Raw(lan)
    node.shelf.add(Offer(CONTENT, 1))
    async with node.running(), raw.dialled(node, "control") as link:
        await trio.sleep(1)
        yield node, raw, link


async def test_a_second_transfer_of_a_topic_leaves_the_first_alone(autojump_clock: MockClock) -> None:
    async with called() as (node, raw, link):
        with node.exchange.join(TOPIC, CONTENT.digest) as topic:
            with pytest.raises(RuntimeError), node.exchange.join(TOPIC, CONTENT.digest):
                pass
            link.say(JOIN, HAVE)
            await trio.sleep(1)
            assert heard(topic) == [PeerMessage(raw.id, JOIN), PeerMessage(raw.id, HAVE)]


async def test_what_is_over_hears_no_more_and_may_begin_again(autojump_clock: MockClock) -> None:
    async with called() as (node, raw, link):
        with node.exchange.join(TOPIC, CONTENT.digest) as before:
            link.say(JOIN)
            await trio.sleep(1)
            assert before.present == {raw.id}
        heard(before)
        link.say(HAVE)
        await trio.sleep(1)
        assert heard(before) == []
        with node.exchange.join(TOPIC, CONTENT.digest) as again:
            link.say(JOIN)
            await trio.sleep(1)
            assert heard(again) == [PeerMessage(raw.id, JOIN)]


async def test_who_links_later_hears_of_it(autojump_clock: MockClock) -> None:
    async with called() as (node, _, first):
        assert not [said for said in first.heard if isinstance(said, Join)]
        with node.exchange.join(TOPIC, CONTENT.digest):
            later = Raw(node.source.network, 98)
            async with later.dialled(node, "control") as link:
                await trio.sleep(1)
                assert [said.topic for said in link.heard if isinstance(said, Join)] == [TOPIC]


@pytest.mark.parametrize(
    ("badge", "audience", "among"),
    [
        (b"", "everyone", "open"),
        (b"", "members", "member"),  # a node that has left its site, and links with whoever is there
        (b"lab", "everyone", "member"),
        (b"lab", "members", "member"),
    ],
)
async def test_company_is_sought_among(badge: bytes, audience: Audience, among: Standing) -> None:
    lan = MemoryNetwork()
    exchange, connector = Node(lan, 1).exchange, Raw(lan).connector
    sessions = Sessions(PeerTable(exchange.me), connector, exchange, trio.current_time)
    topics = Joined(exchange.me, sessions, exchange, ScriptedGate(badge), trio.current_time)
    assert topics.among(TOPIC) == "member", "until it is joined"
    with topics.join(TOPIC, CONTENT.digest, audience):
        assert topics.among(TOPIC) == among
