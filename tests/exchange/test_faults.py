"""Peers that break the protocol, ask too much, or do not read: what they cost this node and the others."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from protocol.bits import everything
from protocol.ids import NodeId, SnapshotKey
from protocol.limits import KIB, MAX_DATA_PAYLOAD, MAX_RANGES
from protocol.messages import (
    Data,
    Found,
    HaveMap,
    Join,
    Lease,
    Lookup,
    ManifestPart,
    NeedClaims,
    NeedManifest,
    Peers,
    Ping,
    Pong,
    Refuse,
    Request,
)
from protocol.standing import Standing
from swarm.exchange.bulks import ORPHAN_SECONDS
from swarm.exchange.control import LINK_DEAD_SECONDS, MAX_QUESTION_RANGES, MAX_QUESTIONS
from swarm.exchange.exchange import FAULT_SECONDS
from swarm.exchange.interfaces import PeerMessage, Served
from swarm.exchange.link import SEND_STALL_SECONDS
from swarm.exchange.outbox import MAX_POSTED_BYTES, Message
from swarm.exchange.serving import MAX_QUEUED, USUAL_PAYLOAD
from swarm.exchange.topics import LARGE_EVENTS_ROOM
from swarm.sources.address import Address
from swarm.sources.interface import SourceFailed
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import PORT, Content, Node, Offer, Seen, heard, nodes, unwanted
from tests.exchange.raw import Raw

MIB = 1024 * 1024
CONTENT = Content(8 * MIB)
TOPIC = CONTENT.key
LARGE = HaveMap(TOPIC, 0, bytes(64 * 1024))


@pytest.mark.parametrize(
    "message",
    [
        Data(TOPIC, ((0, 0, 3),), b"abc"),
        Refuse(TOPIC, ((0, 3),)),
        ManifestPart(TOPIC, 0, 3, b"abc"),
        ManifestPart(TOPIC, 0, 0, b""),
    ],
    ids=["data", "refusal", "manifest", "no manifest"],
)
async def test_what_was_not_asked_for_ends_all_links(message: Message, autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        raw = Raw(lan)
        async with raw.dialled(node, "control") as control, raw.dialled(node, "bulk") as bulk:
            await trio.sleep(1)
            assert node.linked == {raw.id}
            bulk.say(message)
            await trio.sleep(1)
            assert (control.open, bulk.open) == (False, False)
        async with raw.dialled(node, "control") as control, raw.dialled(node, "bulk") as bulk:
            await trio.sleep(1)
            assert (control.open, bulk.open) == (False, False)
        await trio.sleep(FAULT_SECONDS)
        async with raw.dialled(node, "control") as control:
            await trio.sleep(1)
            assert control.open


async def test_asking_for_far_too_much_is_a_fault(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        node.shelf.add(Offer(CONTENT, everything(CONTENT.layout.total)))
        raw = Raw(lan)
        async with raw.dialled(node, "control") as control, raw.dialled(node, "bulk") as bulk:
            request = Request(TOPIC, tuple((0, None) for _ in range(512)))
            bulk.say(*[request] * (MAX_QUEUED // 512 + 2))
            await trio.sleep(1)
            assert (control.open, bulk.open) == (False, False)


async def test_asking_without_letting_us_answer_is_a_fault(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        offer = node.shelf.add(Offer(CONTENT, 0))
        offer.vouchers = [node.identity]
        raw = Raw(lan)
        async with raw.dialled(node, "control") as control:
            await trio.sleep(1)
            control.say(*(NeedClaims(TOPIC, ((n % 32, 1),)) for n in range(MAX_QUESTIONS)))
            await trio.sleep(1)
            assert control.open
            control.say(*(Lookup(n, "hf", "model", "a/b", "main") for n in range(4 * MAX_QUESTIONS)))
            await trio.sleep(1)
            assert not control.open


async def test_a_few_questions_about_very_much_are_a_fault(autojump_clock: MockClock) -> None:
    """What waits for an answer is bounded by its weight: a question of 4096 ranges is half a megabyte."""
    lan = MemoryNetwork()
    most = MAX_QUESTION_RANGES // MAX_RANGES

    async def store_is_slow(topic: SnapshotKey, standing: Standing) -> Served | None:
        return await trio.sleep_forever()

    async with nodes(lan, 1) as (node,):
        raw = Raw(lan)
        with patch.object(node.shelf, "open", store_is_slow):
            async with raw.dialled(node, "control") as control:
                control.say(*distinct(most))
                await trio.sleep(1)
                assert control.open
                control.say(*distinct(most + 3))
                await trio.sleep(1)
                assert not control.open


def distinct(count: int) -> list[NeedClaims]:
    """That many questions of the largest size."""
    ranges = tuple((2 * number, 1) for number in range(MAX_RANGES))
    return [NeedClaims(SnapshotKey(bytes([number]) * 32), ranges) for number in range(count)]


async def test_few_large_events_wait_for_a_transfer(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        node.shelf.add(Offer(CONTENT, 0))
        raw = Raw(lan)
        async with raw.dialled(node, "control") as control:
            with node.exchange.join(TOPIC, CONTENT.digest) as topic:
                control.say(Join(TOPIC, True, True, False))
                control.say(*[LARGE] * (2 * LARGE_EVENTS_ROOM))
                await trio.sleep(1)
                first = heard(topic)
                assert len(first) == LARGE_EVENTS_ROOM
                await trio.sleep(1)
                assert len(first) + len(heard(topic)) == 2 * LARGE_EVENTS_ROOM
                assert control.open


async def test_chunks_that_do_not_exist_are_refused(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        node.shelf.add(Offer(CONTENT, everything(CONTENT.layout.total)))
        raw = Raw(lan)
        async with raw.dialled(node, "control"), raw.dialled(node, "bulk") as bulk:
            bulk.say(Request(TOPIC, ((31, None), (32, None), (3_999_999, None))))
            bulk.say(Request(SnapshotKey(bytes(32)), ((0, None),)), NeedManifest(SnapshotKey(bytes(32))))
            await trio.sleep(1)
            expected = [
                Data(TOPIC, ((31, 0, 1 << 18),), CONTENT.chunk(31)),
                Refuse(TOPIC, ((32, 1), (3_999_999, 1))),
                Refuse(SnapshotKey(bytes(32)), ((0, 1),)),
                ManifestPart(SnapshotKey(bytes(32)), 0, 0, b""),
            ]
            assert len(bulk.heard) == 4
            assert all(message in bulk.heard for message in expected)


async def test_a_peer_that_does_not_read_is_cut_and_nobody_else_waits(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (node, friend):
        for each in (node, friend):
            each.shelf.add(Offer(CONTENT, 0))
        friend.sees(node)
        raw = Raw(lan)
        async with raw.dialled(node, "control") as control:
            control.reading = False
            with (
                node.exchange.join(TOPIC, CONTENT.digest) as topic,
                friend.exchange.join(TOPIC, CONTENT.digest) as other,
            ):
                await trio.sleep(3)
                events = heard(other)
                start = trio.current_time()
                for number in range(MAX_POSTED_BYTES // len(LARGE.bits) + 10):
                    topic.say(LARGE)
                    topic.say(Lease(TOPIC, True, number))
                    await trio.sleep(0.01)
                    events += heard(other)
                assert trio.current_time() - start < 2
                assert node.linked == {friend.id}
                await trio.sleep(1)
                events += heard(other)
                assert events[-1] == PeerMessage(node.id, Lease(TOPIC, True, number))


async def test_a_peer_that_does_not_read_its_chunks_is_cut(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        offer = node.shelf.add(Offer(CONTENT, everything(CONTENT.layout.total)))
        raw = Raw(lan)
        async with raw.dialled(node, "control") as control, raw.dialled(node, "bulk") as bulk:
            bulk.reading = False
            bulk.say(Request(TOPIC, tuple((chunk, None) for chunk in range(32))))
            await trio.sleep(SEND_STALL_SECONDS - 1)
            assert len(offer.reads) <= (USUAL_PAYLOAD + MAX_DATA_PAYLOAD) // (
                256 * KIB
            )  # a frame, one behind
            assert len(list(node.exchange.bulks(raw.id))) == 1
            await trio.sleep(2)
            assert len(list(node.exchange.bulks(raw.id))) == 0
            assert control.open


async def test_a_silent_peer_is_pinged_and_cut(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        raw = Raw(lan)
        async with raw.dialled(node, "control") as control:
            control.answering = False
            await trio.sleep(LINK_DEAD_SECONDS - 1)
            pings = [message for message in control.heard if isinstance(message, Ping)]
            assert len(pings) == 2
            control.say(Pong(pings[0].nonce))
            await trio.sleep(LINK_DEAD_SECONDS - 1)
            assert control.open
            await trio.sleep(2)
            assert not control.open


async def test_pings_are_answered(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,), Raw(lan).dialled(node, "control") as control:
        control.say(Ping(7))
        await trio.sleep(1)
        assert control.heard == [Pong(7)]


async def test_chunks_without_a_control_connection_are_not_had(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        node.shelf.add(Offer(CONTENT, 1))
        raw = Raw(lan)
        async with raw.dialled(node, "bulk") as bulk:
            bulk.say(Request(TOPIC, ((0, None),)))
            await trio.sleep(ORPHAN_SECONDS - 1)
            assert bulk.heard == []
            async with raw.dialled(node, "control"):
                await trio.sleep(1)
                assert len(bulk.heard) == 1
            await trio.sleep(1)
            assert not bulk.open
        async with raw.dialled(node, "bulk") as bulk:
            await trio.sleep(ORPHAN_SECONDS + 1)
            assert not bulk.open


async def test_a_new_bulk_connection_takes_the_place_of_the_old(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        raw = Raw(lan)
        async with raw.dialled(node, "control") as control, raw.dialled(node, "bulk") as old:
            await trio.sleep(1)
            async with raw.dialled(node, "bulk") as new:
                await trio.sleep(1)
                assert (control.open, old.open, new.open) == (True, False, True)


async def test_another_node_at_the_address_gets_no_orders(autojump_clock: MockClock) -> None:
    """The peer says it listens where in fact another node does."""
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (node, other):
        node.shelf.add(Offer(CONTENT, 0))
        raw = Raw(lan, listen_port=PORT)
        lan.alias(raw.host, other.host)
        async with raw.dialled(node, "control") as control:
            control.say(Join(TOPIC, False, False, False))
            await trio.sleep(1)
            with node.exchange.join(TOPIC, CONTENT.digest) as topic, pytest.raises(SourceFailed):
                await topic.source(raw.id).fetch([0], unwanted)
            assert control.open


async def test_a_peer_that_does_not_listen_is_no_source_unless_it_dials(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        node.shelf.add(Offer(CONTENT, 0))
        raw = Raw(lan)
        async with raw.dialled(node, "control"):
            await trio.sleep(1)
            assert node.exchange.peers()[0].address is None
            with node.exchange.join(TOPIC, CONTENT.digest) as topic:
                with pytest.raises(SourceFailed, match="where it listens"):
                    await topic.source(raw.id).fetch([0], unwanted)
                async with raw.dialled(node, "bulk") as bulk:
                    with trio.move_on_after(1):
                        await topic.source(raw.id).fetch([0], unwanted)
                    assert Request(TOPIC, ((0, CONTENT.digest(0)),)) in bulk.heard


async def test_answers_nobody_waits_for_change_nothing(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,), Raw(lan).dialled(node, "control") as control:
        control.say(Found(5, TOPIC, "x"), Pong(3), HaveMap(TOPIC, 0, b"\1"))
        await trio.sleep(1)
        assert control.open


async def test_what_peers_say_of_others_is_weighed(autojump_clock: MockClock) -> None:
    """Only addresses of a LAN are dialled, and no name is looked up for a peer."""
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,), Raw(lan).dialled(node, "control") as control:
        someone = NodeId(bytes([7]) * 32)
        texts = ("8.8.8.8:53", "example.org:80", "127.0.0.1:22", "fe80::1%eth0", "x:y:z", "10.0.0.77:1")
        control.say(Peers(((someone, texts), (node.id, ("10.0.0.78:1",)))))
        await trio.sleep(3)
        assert {address for _, address in lan.dialled if _ == node.host} == {Address("10.0.0.77", 1)}


async def test_a_full_node_is_not_dialled_every_second(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    one, two, other = Raw(lan, 98), Raw(lan, 99), Node(lan, 5)
    async with (
        nodes(lan, 1, max_links=1) as (node,),
        one.dialled(node, "control"),
        two.dialled(node, "control"),
        other.running(),
    ):
        other.exchange.sighting(Seen(node.id, (node.address,)))
        await trio.sleep(300)
        assert len([host for host, _ in lan.dialled if host == other.host]) == 5
        assert node.linked in ({one.id}, {two.id})
