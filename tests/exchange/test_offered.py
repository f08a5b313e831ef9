"""What is for members only: they have it, and to anybody else it is as if it did not exist."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from protocol.ids import SnapshotKey
from protocol.limits import MIB
from protocol.messages import (
    Belongs,
    Cancel,
    Data,
    Found,
    Have,
    HaveMap,
    Join,
    Leave,
    Lookup,
    ManifestPart,
    NeedClaims,
    NeedManifest,
    Peers,
    Ping,
    Pong,
    Refuse,
    Request,
    Seek,
)
from protocol.signing import attest
from protocol.standing import OPEN, Audience
from swarm.exchange.company import COMPANY_SECONDS
from swarm.exchange.outbox import Message
from swarm.exchange.topics import Topic
from tests.exchange.gates import ScriptedGate
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Node, Offer, heard, identity
from tests.exchange.raw import Raw, RawLink

CONTENT, UNKNOWN = Content(MIB, seed=1), Content(MIB, seed=2)
NAME = ("hf", "model", "org/model", "main")


class Called:
    """A node of a site that has CONTENT for members only, and a peer that says what a test wants."""

    def __init__(self, node: Node, offer: Offer, control: RawLink, bulk: RawLink) -> None:
        self.node = node
        self.offer = offer
        self.control = control
        self.bulk = bulk

    async def answers(self, *messages: Message, bulk: bool = False) -> list[Message]:
        """What comes of saying this."""
        link = self.bulk if bulk else self.control
        del link.heard[:]
        link.say(*messages)
        await trio.sleep(2 * COMPANY_SECONDS)
        return [message for message in link.heard if not isinstance(message, Ping | Pong | Peers)]

    @contextmanager
    def joined(self) -> Iterator[Topic]:
        with self.node.exchange.join(CONTENT.key, CONTENT.digest, "members") as topic:
            yield topic

    async def becomes(self, badge: bytes) -> None:
        """The peer shows another badge."""
        self.control.say(Belongs(badge))
        await trio.sleep(0.1)


@asynccontextmanager
async def called(badge: bytes) -> AsyncIterator[Called]:
    """The badge says what the peer is: `lab` a member, `out` an open peer."""
    lan, gate = MemoryNetwork(), ScriptedGate()
    gate.verdicts[b"out"] = OPEN
    node, raw = Node(lan, 1, gate=gate), Raw(lan)
    offer = node.shelf.add(Offer(CONTENT, 0b1011, wants=True))
    offer.audience = "members"
    raw.badge = badge
    async with (
        node.running(),
        raw.dialled(node, "control") as control,
        raw.dialled(node, "bulk") as bulk,
    ):
        await trio.sleep(1)
        yield Called(node, offer, control, bulk)


JOIN = Join(CONTENT.key, wants=True, can_fetch=False, ask=True)
SIGNED = attest(identity(5), CONTENT.key, 0, [CONTENT.digest(0)], whole=False)
FORGED = replace(SIGNED, signature=bytes(64))
QUESTIONS: list[Message] = [
    JOIN,
    replace(JOIN, ask=False),
    NeedClaims(CONTENT.key, ((0, 4),)),
    SIGNED,
    FORGED,
    Have(CONTENT.key, ((0, 1),)),
    Seek(CONTENT.key, identity(97).node_id, ("10.0.0.97:7677",), 2),
]
ORDERS: list[Message] = [
    Request(CONTENT.key, ((0, None), (2, None))),
    Cancel(CONTENT.key, ((0, 1),)),
    NeedManifest(CONTENT.key),
]


def about(message: Any, topic: SnapshotKey) -> Message:
    """The same, which has a topic, about another one."""
    changed: Message = replace(message, topic=topic)
    return changed


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("message", [*QUESTIONS, *ORDERS], ids=lambda message: type(message).__name__)
async def test_a_stranger_is_answered_as_about_what_is_unknown(
    autojump_clock: MockClock, message: Message, runs: bool
) -> None:
    async with called(b"out") as at:
        with at.joined() if runs else nullcontext():
            bulk = message in ORDERS
            unknown = await at.answers(about(message, UNKNOWN.key), bulk=bulk)
            private = await at.answers(message, bulk=bulk)
            assert [about(answer, UNKNOWN.key) for answer in private] == unknown
            assert (at.control.open, at.bulk.open) == (True, True)
            assert at.node.source.network.dialled[2:] == []


async def test_nor_by_a_name(autojump_clock: MockClock) -> None:
    async with called(b"out") as at:
        assert await at.answers(Lookup(1, *NAME)) == [Found(1, None, "")]
        assert at.node.shelf.names[NAME]


async def test_a_member_has_it(autojump_clock: MockClock) -> None:
    async with called(b"lab") as at:
        with at.joined() as topic:
            await at.answers()
            join, have, *_ = await at.answers(JOIN)
            assert (join, type(have)) == (Join(CONTENT.key, True, True, False), HaveMap)
            assert heard(topic)
            assert await at.answers(Have(CONTENT.key, ((0, 1),))) == []
            assert heard(topic)
            topic.say(Have(CONTENT.key, ((2, 1),)))
            assert await at.answers() == [Have(CONTENT.key, ((2, 1),))]
        data, refused = await at.answers(Request(CONTENT.key, ((0, None), (2, None))), bulk=True)
        assert (type(data), type(refused)) == (Data, Refuse)
        assert await at.answers(FORGED) == [], "no transfer, nobody who minds"
        assert at.control.open


async def test_a_member_that_forges_is_found_out(autojump_clock: MockClock) -> None:
    async with called(b"lab") as at:
        with at.joined():
            await at.answers(FORGED)
            assert not at.control.open


async def test_what_strangers_say_does_not_reach_the_transfer(autojump_clock: MockClock) -> None:
    async with called(b"out") as at:
        with at.joined() as topic:
            assert topic.linked == frozenset()
            await at.answers(*QUESTIONS)
            assert heard(topic) == []
            topic.say(Have(CONTENT.key, ((2, 1),)))
            assert await at.answers() == []


async def test_who_becomes_a_member_is_told(autojump_clock: MockClock) -> None:
    async with called(b"out") as at:
        with at.joined():
            del at.control.heard[:]
            await at.becomes(b"lab")
            assert Join(CONTENT.key, True, True, True) in at.control.heard


async def test_who_is_a_member_no_more_begins_anew(autojump_clock: MockClock) -> None:
    """All that it was told to expect, and has ordered, ends with the link."""
    async with called(b"lab") as at:
        with at.joined() as topic:
            await at.answers(JOIN)
            heard(topic)
            await at.becomes(b"out")
            assert (at.control.open, at.bulk.open) == (False, False)
            assert len(heard(topic)) == 1, "it is gone"


async def test_the_standing_counts_at_each_chunk(autojump_clock: MockClock) -> None:
    """Its certificate ends while it waits for what it ordered: noticed at the next look, told by nobody."""
    async with called(b"lab") as at:
        reads = at.offer.reads

        def cut_off(chunk: int) -> bytes:
            reads.append(chunk)
            session = at.node.exchange._sessions.current[identity(99).node_id]
            session.standing = "refused"
            return CONTENT.chunk(chunk)

        at.offer.read = cut_off  # type: ignore[method-assign]  # as if time passed
        answers = await at.answers(Request(CONTENT.key, ((0, None), (1, None), (3, None))), bulk=True)
        assert not any(isinstance(answer, Data) for answer in answers[1:])
        assert len(reads) <= 2


@pytest.mark.parametrize("audience", ["everyone", "members"])
async def test_what_is_offered_no_more_is_left(autojump_clock: MockClock, audience: Audience) -> None:
    async with called(b"lab") as at:
        with at.node.exchange.join(CONTENT.key, CONTENT.digest, audience) as topic:
            await at.answers(JOIN)
            heard(topic)
            topic.searched = trio.Event()  # as if there were many nodes
            at.offer.audience = "nobody"
            at.node.exchange.leave(CONTENT.key)
            assert len(heard(topic)) == 1, "the transfer hears that the peer is gone"
            assert topic.searched.is_set()
            topic.say(Have(CONTENT.key, ((2, 1),)))
            assert await at.answers() == [Leave(CONTENT.key)]
            assert [type(answer).__name__ for answer in await at.answers(JOIN)] == ["Absent"]
            assert heard(topic) == []


async def test_and_what_was_read_of_it_is_not_sent(autojump_clock: MockClock) -> None:
    async with called(b"lab") as at:

        def closing(chunk: int) -> bytes:
            at.offer.audience = "nobody"
            return CONTENT.chunk(chunk)

        at.offer.read = closing  # type: ignore[method-assign]  # turns out while it is being read
        order = Request(CONTENT.key, ((0, None), (1, None), (3, None)))
        answers = await at.answers(order, NeedManifest(CONTENT.key), bulk=True)
        assert not any(isinstance(answer, Data) for answer in answers)
        refused = [answer.ranges for answer in answers if isinstance(answer, Refuse)]
        assert sorted(refused) == [((0, 1),), ((1, 1), (3, 1))], "by two tasks, in any order"
        (part,) = (answer for answer in answers if isinstance(answer, ManifestPart))
        assert part.size == 0


async def test_company_is_of_members(autojump_clock: MockClock) -> None:
    """A stranger that says it wants the topic is not told of to those who may have it."""
    async with called(b"lab") as at:
        stranger = Raw(at.node.source.network, 98)
        stranger.badge = b"out"
        async with stranger.dialled(at.node, "control") as link:
            link.say(JOIN)
            await trio.sleep(1)
            *_, company = await at.answers(JOIN)
            assert getattr(company, "nodes", None) == (identity(99).node_id,)
