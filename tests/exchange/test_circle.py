"""Members and strangers among the links of an exchange: who stays, who is told what, who is cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from protocol.messages import Belongs, Granted, Peers, Redeem, Renew, Revoked
from protocol.standing import OPEN, Verdict
from swarm.exchange.circle import LAST_WORDS_SECONDS, MAX_OPEN_LINKS, RENEW_SECONDS, REVIEW_SECONDS
from swarm.exchange.peers import LASTING_SECONDS, REFUSED_RETRY_SECONDS
from swarm.scheduler.neighbours import WANTED_LINKS, Neighbours
from swarm.sources.address import Address
from tests.exchange.gates import MEMBER, ScriptedGate
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import PORT, Content, Node, Offer, identity
from tests.exchange.raw import Raw, RawLink

REVOKED = Verdict("refused", "revoked")


@asynccontextmanager
async def members(lan: MemoryNetwork, *gates: ScriptedGate) -> AsyncIterator[list[Node]]:
    """A running node behind each gate; each sees all others."""
    made = [Node(lan, number + 1, gate=gate) for number, gate in enumerate(gates)]
    async with trio.open_nursery() as nursery:
        for node in made:
            await nursery.start(node.exchange.run)
        for node in made:
            node.sees(*(other for other in made if other is not node))
        await trio.sleep(3)
        yield made
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def called(gate: ScriptedGate, badge: bytes = b"lab") -> AsyncIterator[tuple[Node, RawLink]]:
    """A node behind this gate, called by a peer that shows this badge."""
    lan = MemoryNetwork()
    node, raw = Node(lan, 1, gate=gate), Raw(lan)
    raw.badge = badge
    async with node.running(), raw.dialled(node, "control") as link:
        await trio.sleep(1)
        yield node, link


async def test_members_link_and_know_each_other(autojump_clock: MockClock) -> None:
    async with members(MemoryNetwork(), ScriptedGate(), ScriptedGate()) as (one, two):
        assert (one.linked, two.linked) == ({two.id}, {one.id})
        assert [info.standing for info in one.exchange.peers()] == ["member"]


async def test_a_stranger_is_refused_and_called_again_only_now_and_then(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    gate, elsewhere = ScriptedGate(), ScriptedGate(b"other")
    elsewhere.verdicts.clear()
    async with members(lan, gate, elsewhere) as (one, two):
        await trio.sleep(10 * REFUSED_RETRY_SECONDS)
        assert one.linked == two.linked == set()
        assert len(lan.dialled) <= 22
        gate.verdicts[b"other"] = OPEN
        await trio.sleep(REFUSED_RETRY_SECONDS + 1)
        assert two.linked == set()  # it takes both


async def test_a_refusal_does_not_replace_a_link(autojump_clock: MockClock) -> None:
    """Somebody with the identity of a member, but without its badge: the link there is stays."""
    lan = MemoryNetwork()
    node, raw = Node(lan, 1, gate=ScriptedGate()), Raw(lan)
    async with node.running():
        raw.badge = b"lab"
        async with raw.dialled(node, "control") as good:
            await trio.sleep(1)
            raw.badge = b"bad"
            async with raw.dialled(node, "control") as bad:
                await trio.sleep(5)
                assert (good.open, bad.open) == (True, False)


async def test_who_is_refused_later_is_cut_with_its_bulk_connections(autojump_clock: MockClock) -> None:
    gates = [ScriptedGate(), ScriptedGate()]
    content = Content(1_000_000)
    lan = MemoryNetwork()
    async with members(lan, *gates) as (one, two):
        for node in (one, two):
            node.shelf.add(Offer(content, 1))
        with one.exchange.join(content.key, content.digest), two.exchange.join(content.key, content.digest):
            await trio.sleep(1)
            assert len(lan.open_streams()) == 4
            for gate, other in zip(gates, (two, one), strict=True):
                gate.expelled[other.id] = Verdict("refused", "expired")
            await trio.sleep(REVIEW_SECONDS + 1)
            assert one.linked == set()
            assert lan.open_streams() == []


async def test_lists_are_told_when_a_link_comes_up(autojump_clock: MockClock) -> None:
    one, two = ScriptedGate(), ScriptedGate()
    one.known.append(b"list")
    async with members(MemoryNetwork(), one, two):
        assert two.known == [b"list"]


async def test_a_new_list_is_passed_on_once(autojump_clock: MockClock) -> None:
    gates = [ScriptedGate() for _ in range(4)]
    lan = MemoryNetwork()
    async with members(lan, *gates) as nodes:
        sent = sum(stream.sent for stream in lan.streams)
        gates[0].known.append(b"list")
        nodes[0].exchange.circle.changed()
        await trio.sleep(1)
        assert [gate.known for gate in gates] == [[b"list"]] * 4
        assert sum(stream.sent for stream in lan.streams) - sent < 2000


async def test_a_revoked_node_hears_why_and_is_cut(autojump_clock: MockClock) -> None:
    gate = ScriptedGate()
    async with called(gate) as (node, link):
        gate.known.append(b"list")
        gate.expelled[link.link.peer.node_id] = MEMBER
        gate.verdicts[b"lab"] = REVOKED
        node.exchange.circle.changed()
        await trio.sleep(LAST_WORDS_SECONDS / 2)
        assert Revoked(b"list") in link.heard
        assert link.open
        await trio.sleep(LAST_WORDS_SECONDS)
        assert not link.open
        assert node.linked == set()


async def test_many_are_put_out_at_once(autojump_clock: MockClock) -> None:
    lan, gate = MemoryNetwork(), ScriptedGate()
    node = Node(lan, 1, gate=gate)
    async with node.running(), trio.open_nursery() as nursery:
        for number in range(100, 100 + WANTED_LINKS):
            raw = Raw(lan, number)
            raw.badge = b"lab"
            nursery.start_soon(RawLink(await raw.connector.dial(node.address, "control")).run)
        await trio.sleep(1)
        assert len(node.linked) == WANTED_LINKS
        gate.verdicts[b"lab"] = REVOKED
        node.exchange.circle.changed()
        await trio.sleep(2 * LAST_WORDS_SECONDS)
        assert node.linked == set()
        nursery.cancel_scope.cancel()


async def test_an_open_peer_is_told_no_lists_and_not_believed_any(autojump_clock: MockClock) -> None:
    gate = ScriptedGate()
    gate.known.append(b"list")
    gate.verdicts[b""] = OPEN
    async with called(gate, b"") as (node, link):
        link.say(Revoked(b"other"), Revoked(b"junk"))
        await trio.sleep(1)
        assert gate.known == [b"list"]
        assert not [message for message in link.heard if isinstance(message, Revoked)]
        assert [info.standing for info in node.exchange.peers()] == ["open"]


async def test_a_list_that_is_none_ends_the_link(autojump_clock: MockClock) -> None:
    async with called(ScriptedGate()) as (node, link):
        link.say(Revoked(b"junk"))
        await trio.sleep(1)
        assert not link.open
        assert node.linked == set()


async def test_a_new_badge_counts_at_once(autojump_clock: MockClock) -> None:
    gate = ScriptedGate()
    gate.known.append(b"list")
    gate.verdicts[b""] = OPEN
    async with called(gate, b"") as (node, link):
        link.say(Belongs(b"lab"))
        await trio.sleep(1)
        assert [info.standing for info in node.exchange.peers()] == ["member"]
        assert Revoked(b"list") in link.heard
        link.say(Belongs(b"bad"))
        await trio.sleep(1)
        assert not link.open


async def test_an_own_new_badge_is_shown(autojump_clock: MockClock) -> None:
    gate = ScriptedGate()
    async with called(gate) as (node, link):
        gate.own = b"renewed"
        node.exchange.circle.changed()
        await trio.sleep(1)
        assert Belongs(b"renewed") in link.heard


async def test_members_and_open_peers_are_not_told_of_each_other(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    gate = ScriptedGate()
    gate.verdicts[b""] = OPEN
    node = Node(lan, 1, gate=gate)
    async with node.running():
        links = []
        async with trio.open_nursery() as nursery:
            for number, badge in ((91, b"lab"), (92, b"lab"), (93, b""), (94, b"")):
                raw = Raw(lan, number, listen_port=PORT)
                raw.badge = badge
                link = RawLink(await raw.connector.dial(Address(node.host, PORT), "control"))
                nursery.start_soon(link.run)
                links.append(link)
                await trio.sleep(1)
            told = [
                sorted(address for message in link.heard for address in addresses_in(message))
                for link in links
            ]
            nursery.cancel_scope.cancel()
    assert told == [["10.0.0.92:7677"], ["10.0.0.91:7677"], ["10.0.0.94:7677"], ["10.0.0.93:7677"]]


def addresses_in(message: object) -> list[str]:
    if not isinstance(message, Peers):
        return []
    return [address for _, addresses in message.entries for address in addresses]


async def test_strangers_cannot_take_the_places_of_members(autojump_clock: MockClock) -> None:
    lan, gate = MemoryNetwork(), ScriptedGate()
    gate.verdicts[b""] = OPEN
    node = Node(lan, 1, gate=gate)
    async with node.running(), trio.open_nursery() as nursery:
        for number in range(100, 100 + MAX_OPEN_LINKS + 3):
            link = RawLink(await Raw(lan, number).connector.dial(node.address, "control"))
            nursery.start_soon(link.run)
        await trio.sleep(1)
        assert len(node.linked) == MAX_OPEN_LINKS
        member = Raw(lan)
        member.badge = b"lab"
        async with member.dialled(node, "control"):
            await trio.sleep(1)
            assert member.id in node.linked
        nursery.cancel_scope.cancel()


async def test_a_stranger_that_is_nearer_displaces_no_member(autojump_clock: MockClock) -> None:
    lan, gate = MemoryNetwork(), ScriptedGate()
    gate.verdicts[b""] = OPEN
    node = Node(lan, 1, gate=gate)
    numbers = sorted(range(200, 250), key=lambda number: Neighbours(node.id).rank(identity(number).node_id))
    async with node.running(), trio.open_nursery() as nursery:
        for number in reversed(numbers):
            raw = Raw(lan, number)
            raw.badge = b"" if number in numbers[:10] else b"lab"
            nursery.start_soon(RawLink(await raw.connector.dial(node.address, "control")).run)
            await trio.sleep(LASTING_SECONDS)
        assert [info.standing for info in node.exchange.peers()] == ["member"] * WANTED_LINKS
        nursery.cancel_scope.cancel()


# --- renewing ---------------------------------------------------------------------------------------------


async def test_renewing_over_the_link(autojump_clock: MockClock) -> None:
    gates = [ScriptedGate(), ScriptedGate()]
    gates[1].answer = Granted(b"", "no issuer")
    lan = MemoryNetwork()
    async with members(lan, *gates) as (one, two):
        dialled = len(lan.dialled)
        assert await one.exchange.asking.renew(two.id) == Granted(b"", "no issuer")
        assert gates[1].asked == [(one.id, b"lab", Renew())]
        assert len(lan.dialled) == dialled


async def test_a_member_that_does_not_answer(autojump_clock: MockClock) -> None:
    async with called(ScriptedGate()) as (node, link):
        peer = link.link.peer.node_id
        [info] = node.exchange.peers()
        began = trio.current_time()
        assert await node.exchange.asking.renew(info.node_id) is None
        assert trio.current_time() == began + RENEW_SECONDS
        assert Renew() in link.heard
        assert peer == node.id


async def test_answers_that_nobody_asked_for(autojump_clock: MockClock) -> None:
    async with called(ScriptedGate()) as (node, link):
        link.say(*[Granted(b"x", "")] * 5)
        await trio.sleep(1)
        assert link.open
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.exchange.asking.renew, next(iter(node.linked)))
            await trio.sleep(1)
            link.say(*[Granted(b"x", "")] * 5)
        assert link.open


async def test_a_node_without_sites_grants_nothing(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    node, raw = Node(lan, 1), Raw(lan)
    async with node.running(), raw.dialled(node, "control") as link:
        link.say(Renew(), Revoked(b"x"), Belongs(b"x"))
        await trio.sleep(1)
        assert Granted(b"", "no issuer") in link.heard
        assert link.open


async def test_a_token_on_a_control_connection(autojump_clock: MockClock) -> None:
    """Those who try tokens are heard as guests, few at a time."""
    gate = ScriptedGate()
    async with called(gate) as (_, link):
        link.say(Redeem(bytes(32), bytes(64), "n"))
        await trio.sleep(1)
        assert not link.open
        assert gate.asked == []
