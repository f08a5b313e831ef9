"""Who hears what of a topic: nodes that meet, say something, leave, and are lost."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from protocol.bits import everything
from protocol.ids import SnapshotKey
from protocol.messages import (
    Absent,
    Claims,
    Have,
    HaveMap,
    Join,
    Lease,
    Leave,
    Lost,
    NeedClaims,
)
from swarm.exchange.control import MAX_HELD_BACK
from swarm.exchange.interfaces import PeerGone, PeerMessage
from swarm.exchange.topics import EVENTS_ROOM
from swarm.sources.interface import Source, SourceFailed
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Inbox, Offer, heard, nodes, offer, seed_and_leech, unwanted

MIB = 1024 * 1024


async def test_a_topic_is_met_and_chunks_are_had(autojump_clock: MockClock) -> None:
    content = Content(3_000_000, 70_000, 5_000, 5_001, 12)
    total = content.layout.total
    async with seed_and_leech(content) as (seed, leech, topic):
        assert heard(topic) == [
            PeerMessage(seed.id, Join(content.key, wants=False, can_fetch=True, ask=False)),
            PeerMessage(seed.id, HaveMap(content.key, 0, everything(total).to_bytes(2, "little"))),
        ]
        inbox = Inbox()
        await topic.source(seed.id).fetch(range(total), inbox.deliver)
        assert inbox.chunks == {chunk: content.chunk(chunk) for chunk in range(total)}
        assert inbox.order == list(range(total))
        assert inbox.sources == {Source("peer", topic.source(seed.id).source.name)}
        size = sum(map(len, content.files))
        assert (leech.exchange.peers()[0].received, seed.exchange.peers()[0].sent) == (size, size)


async def test_a_topic_is_announced_to_links_that_come_later(autojump_clock: MockClock) -> None:
    content = Content(1000)
    async with nodes(MemoryNetwork(), 2) as (one, two):
        for node in (one, two):
            node.shelf.add(Offer(content, 0))
        with one.exchange.join(content.key, content.digest) as topic:
            await trio.sleep(1)
            one.sees(two)
            await trio.sleep(3)
            assert heard(topic) == [
                PeerMessage(two.id, Join(content.key, wants=True, can_fetch=True, ask=False))
            ]


async def test_who_does_not_know_the_topic_is_absent_until_it_joins(autojump_clock: MockClock) -> None:
    content = Content(1000)
    async with nodes(MemoryNetwork(), 2) as (one, two):
        one.shelf.add(Offer(content, 1))
        one.sees(two)
        with one.exchange.join(content.key, content.digest) as topic:
            await trio.sleep(3)
            assert heard(topic) == [PeerMessage(two.id, Absent(content.key))]
            two.shelf.add(Offer(content, 0))
            with two.exchange.join(content.key, content.digest) as other:
                await trio.sleep(1)
                assert heard(topic) == [
                    PeerMessage(two.id, Join(content.key, wants=True, can_fetch=True, ask=True))
                ]
                assert [type(event.message) for event in heard(other) if isinstance(event, PeerMessage)] == [
                    Join,
                    HaveMap,
                ]


async def test_a_private_topic_is_never_mentioned(autojump_clock: MockClock) -> None:
    """What the catalog does not offer is not announced, although a transfer has joined it."""
    content = Content(1000)
    async with nodes(MemoryNetwork(), 2) as (one, two):
        two.shelf.add(Offer(content, 1))
        one.sees(two)
        with two.exchange.join(content.key, content.digest) as other:
            with one.exchange.join(content.key, content.digest) as topic:
                await trio.sleep(3)
                assert heard(topic) == [
                    PeerMessage(two.id, Join(content.key, wants=False, can_fetch=True, ask=True)),
                    PeerMessage(two.id, HaveMap(content.key, 0, b"\1")),
                ]
                with pytest.raises(SourceFailed):
                    await topic.source(two.id).fetch([0], unwanted)
            assert heard(other) == [PeerMessage(one.id, Absent(content.key))]


async def test_leaving_says_how_the_node_goes_on(autojump_clock: MockClock) -> None:
    kept, dropped = Content(1000, seed=1), Content(1000, seed=2)
    async with nodes(MemoryNetwork(), 2) as (one, two):
        one.sees(two)
        for content in (kept, dropped):
            one.shelf.add(Offer(content, 0))
            two.shelf.add(Offer(content, 0))
        with (
            two.exchange.join(kept.key, kept.digest) as stays,
            two.exchange.join(dropped.key, dropped.digest) as goes,
        ):
            with (
                one.exchange.join(kept.key, kept.digest),
                one.exchange.join(dropped.key, dropped.digest),
            ):
                await trio.sleep(3)
                heard(stays), heard(goes)
                offer(one, kept).wants = False
                del one.shelf.offers[dropped.key]
            await trio.sleep(1)
            join = Join(kept.key, wants=False, can_fetch=True, ask=False)
            assert heard(stays) == [PeerMessage(one.id, join)]
            assert heard(goes) == [PeerMessage(one.id, Leave(dropped.key))]


async def test_what_is_said_keeps_its_place(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    said: list[Have | Lost] = [
        Have(content.key, ((3, 1),)),
        Lost(content.key, ((3, 1),)),
        Have(content.key, ((9, 1),)),
    ]
    async with seed_and_leech(content) as (seed, leech, topic):
        with seed.exchange.join(content.key, content.digest) as other:
            await trio.sleep(1)
            heard(other)
            for message in said:
                topic.say(message)
            await trio.sleep(0.1)
            assert heard(other) == [PeerMessage(leech.id, message) for message in said]


async def test_what_is_said_to_one_peer_reaches_that_one(autojump_clock: MockClock) -> None:
    content = Content(1000)
    async with nodes(MemoryNetwork(), 3) as made:
        one, two, three = made
        for node in made:
            node.shelf.add(Offer(content, 0))
            node.sees(*(other for other in made if other is not node))
        with (
            one.exchange.join(content.key, content.digest) as a,
            two.exchange.join(content.key, content.digest) as b,
            three.exchange.join(content.key, content.digest) as c,
        ):
            await trio.sleep(3)
            heard(b), heard(c)
            a.say(Lease(content.key, True, 5), two.id)
            await trio.sleep(1)
            assert heard(b) == [PeerMessage(one.id, Lease(content.key, True, 5))]
            assert heard(c) == []


async def test_claims_are_asked_for_and_their_signer_is_named(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    async with seed_and_leech(content) as (seed, leech, topic):
        offer(seed, content).vouchers = [seed.identity, leech.identity]
        heard(topic)
        topic.say(NeedClaims(content.key, ((2, 3), (9, 1))), seed.id)
        await trio.sleep(1)
        said = [event for event in heard(topic) if isinstance(event, PeerMessage)]
        claims = [event.message for event in said if isinstance(event.message, Claims)]
        assert [(event.peer, event.signer) for event in said] == 2 * [(seed.id, seed.id)] + 2 * [
            (seed.id, leech.id)
        ]
        assert [(claim.first, len(claim.digests)) for claim in claims] == [(2, 3), (9, 1)] * 2
        assert claims[0].digests[0] == content.digest(2)


async def test_a_false_signature_ends_the_friendship(autojump_clock: MockClock) -> None:
    content = Content(8 * MIB)
    async with seed_and_leech(content) as (seed, leech, topic):
        heard(topic)
        with seed.exchange.join(content.key, content.digest) as other:
            forged = Claims(content.key, 0, (content.digest(0),), False, seed.identity.public_key, bytes(64))
            other.say(forged, leech.id)
            await trio.sleep(1)
        assert heard(topic)[-1] == PeerGone(seed.id)
        await trio.sleep(20)
        assert not leech.linked


async def test_a_lost_link_is_told_once_and_a_new_one_begins_anew(autojump_clock: MockClock) -> None:
    content = Content(1000)
    lan = MemoryNetwork()
    async with seed_and_leech(content, lan) as (seed, leech, topic):
        first = heard(topic)
        lan.break_streams(seed.host, leech.host)
        await trio.sleep(5)
        assert heard(topic) == [PeerGone(seed.id), *first]


async def test_a_transfer_that_falls_behind_slows_its_peers_down(autojump_clock: MockClock) -> None:
    content = Content(1000)
    async with seed_and_leech(content) as (seed, leech, topic):
        with seed.exchange.join(content.key, content.digest) as other:
            await trio.sleep(1)
            heard(topic)
            for number in range(3 * EVENTS_ROOM):
                other.say(Lease(content.key, True, number))
            await trio.sleep(10)
            assert topic.events.statistics().current_buffer_used <= EVENTS_ROOM + 1
            said: list[object] = []
            while len(said) < 3 * EVENTS_ROOM:
                said += [event.message.fetched for event in heard(topic)]  # type: ignore[union-attr]  # all are leases
                await trio.sleep(0.1)
            assert said == list(range(3 * EVENTS_ROOM))
            assert leech.linked


async def test_one_transfer_a_topic(autojump_clock: MockClock) -> None:
    async with nodes(MemoryNetwork(), 1) as (one,):
        key = SnapshotKey(bytes(32))
        with one.exchange.join(key, lambda _: None), pytest.raises(RuntimeError):
            one.exchange.join(key, lambda _: None).__enter__()


async def test_what_is_said_of_a_newcomer_waits_until_it_knows_who_takes_part(
    autojump_clock: MockClock,
) -> None:
    """The transfer hears of the newcomer while it is yet to be answered, and tells it who fetches."""
    content = Content(1000)
    async with nodes(MemoryNetwork(), 2) as (one, two):
        one.shelf.seconds = 5
        for node in (one, two):
            node.shelf.add(Offer(content, 0))
        one.sees(two)
        with one.exchange.join(content.key, content.digest) as a:
            await trio.sleep(10)
            heard(a)
            with two.exchange.join(content.key, content.digest) as b:
                await trio.sleep(1)
                assert [event.peer for event in heard(a)] == [two.id]
                for number in range(2 * MAX_HELD_BACK):
                    a.say(Lease(content.key, True, number))
                await trio.sleep(10)
                assert heard(b) == [
                    PeerMessage(one.id, Join(content.key, wants=True, can_fetch=True, ask=False)),
                    *(
                        PeerMessage(one.id, Lease(content.key, True, number))
                        for number in range(MAX_HELD_BACK, 2 * MAX_HELD_BACK)
                    ),
                ]
