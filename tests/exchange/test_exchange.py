"""Whole exchanges on a LAN in memory: links come about, topics meet, chunks travel."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from protocol.bits import everything
from protocol.messages import Absent, Claims, Have, HaveMap, Join, Leave, NeedClaims
from swarm.exchange.interfaces import PeerGone, PeerMessage
from swarm.sources.interface import SourceFailed
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Inbox, Offer, heard, nodes

KIB = 1024


async def test_two_nodes_link_once_whoever_sees_whom(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (one, two):
        one.sees(two)
        two.sees(one)
        await trio.sleep(3)
        assert (one.linked, two.linked) == ({two.id}, {one.id})
        assert len([d for d in lan.dialled]) == 1


async def test_an_address_without_a_name_is_named_by_its_handshake(autojump_clock: MockClock) -> None:
    async with nodes(MemoryNetwork(), 2) as (one, two):
        one.sees(two, known=False)
        await trio.sleep(1)
        [info] = one.exchange.peers()
        assert (info.node_id, info.address, info.via, info.agent) == (two.id, two.address, "static", "test/2")
        [back] = two.exchange.peers()
        assert (back.node_id, back.address, back.via) == (one.id, one.address, "inbound")


async def test_a_topic_is_met_and_chunks_are_had(autojump_clock: MockClock) -> None:
    content = Content(3_000_000, 70_000, 5_000, 5_001, 12)
    full = everything(content.layout.total)
    async with nodes(MemoryNetwork(), 2) as (one, two):
        one.shelf.add(Offer(content, full))
        two.shelf.add(Offer(content, 0))
        two.sees(one)
        with two.exchange.join(content.key, content.digest) as topic:
            await trio.sleep(1)
            join, have = heard(topic)
            assert join == PeerMessage(one.id, Join(content.key, wants=False, can_fetch=True, ask=False))
            assert isinstance(have, PeerMessage)
            assert have.message == HaveMap(content.key, 0, full.to_bytes(2, "little"))
            inbox = Inbox()
            await topic.source(one.id).fetch(range(content.layout.total), inbox.deliver)
        assert inbox.chunks == {chunk: content.chunk(chunk) for chunk in range(content.layout.total)}
        size = sum(map(len, content.files))
        assert (two.exchange.peers()[0].received, one.exchange.peers()[0].sent) == (size, size)
