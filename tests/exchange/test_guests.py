"""Admission connections: short, few, and for one purpose."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from protocol.handshake import PeerIdentity
from protocol.messages import Granted, Ping, Redeem, Renew
from swarm.exchange.connector import CannotConnect
from swarm.exchange.guests import GUEST_SECONDS, MAX_GUESTS, MAX_QUESTIONS_OF_A_GUEST, ask
from tests.exchange.gates import ScriptedGate
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Node
from tests.exchange.raw import Raw, RawLink

QUESTION = Redeem(bytes(32), bytes(64), "n")


def redeem(peer: PeerIdentity) -> Redeem:
    return QUESTION


async def test_a_stranger_asks_and_is_answered(autojump_clock: MockClock) -> None:
    lan, gate = MemoryNetwork(), ScriptedGate()
    node, raw = Node(lan, 1, gate=gate), Raw(lan)
    async with node.running():
        assert await ask(raw.connector, node.address, redeem) == gate.answer
        assert gate.asked == [(raw.id, b"", QUESTION)]
        assert node.linked == set()
        await trio.sleep(1)
        assert lan.open_streams() == []


async def test_the_question_is_put_to_who_is_proven_to_answer(autojump_clock: MockClock) -> None:
    class NotHim(Exception):
        pass

    def refuse(peer: PeerIdentity) -> Redeem:
        assert peer.node_id == node.id
        raise NotHim

    lan, gate = MemoryNetwork(), ScriptedGate()
    node, raw = Node(lan, 1, gate=gate), Raw(lan)
    async with node.running():
        with pytest.raises(NotHim):
            await ask(raw.connector, node.address, refuse)
        await trio.sleep(1)
        assert gate.asked == []
        assert lan.open_streams() == []


async def test_a_node_that_lets_nobody_in_hangs_up(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    node, raw = Node(lan, 1, gate=ScriptedGate(grants=False)), Raw(lan)
    async with node.running():
        with pytest.raises(CannotConnect, match="no answer"):
            await ask(raw.connector, node.address, redeem)


async def test_a_guest_that_says_nothing_is_shown_out(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    node, raw = Node(lan, 1, gate=ScriptedGate()), Raw(lan)
    async with node.running(), raw.dialled(node, "admission") as link:
        await trio.sleep(GUEST_SECONDS - 1)
        assert link.open
        await trio.sleep(2)
        assert not link.open


async def test_a_guest_that_wants_something_else(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    node, raw = Node(lan, 1, gate=ScriptedGate()), Raw(lan)
    async with node.running(), raw.dialled(node, "admission") as link:
        link.say(Ping(1))
        await trio.sleep(1)
        assert not link.open
        assert link.heard == []


async def test_a_guest_that_guesses(autojump_clock: MockClock) -> None:
    lan, gate = MemoryNetwork(), ScriptedGate()
    gate.answer = Granted(b"", "unknown")
    node, raw = Node(lan, 1, gate=gate), Raw(lan)
    async with node.running(), raw.dialled(node, "admission") as link:
        link.say(*[QUESTION] * 10)
        await trio.sleep(1)
        assert len(gate.asked) == MAX_QUESTIONS_OF_A_GUEST
        assert not link.open


async def test_guests_are_few_at_a_time(autojump_clock: MockClock) -> None:
    lan, gate = MemoryNetwork(), ScriptedGate()
    node = Node(lan, 1, gate=gate)
    async with node.running(), trio.open_nursery() as nursery:
        for number in range(MAX_GUESTS):
            link = RawLink(await Raw(lan, 100 + number).connector.dial(node.address, "admission"))
            nursery.start_soon(link.run)
        await trio.sleep(1)
        with pytest.raises(CannotConnect):
            await ask(Raw(lan).connector, node.address, redeem)
        await trio.sleep(GUEST_SECONDS)
        assert await ask(Raw(lan).connector, node.address, redeem) == gate.answer
        nursery.cancel_scope.cancel()


async def test_an_issuer_that_falls_silent(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    node, raw = Node(lan, 1, gate=ScriptedGate()), Raw(lan)
    async with node.running():
        began = trio.current_time()
        lan.host("10.0.0.2")

        def cut_cable(peer: PeerIdentity) -> Renew:
            lan.cut(node.host)
            return Renew()

        with pytest.raises(CannotConnect):
            await ask(raw.connector, node.address, cut_cable)
        assert trio.current_time() - began < 2 * GUEST_SECONDS
