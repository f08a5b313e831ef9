"""Names, manifests and renewals asked of peers, whatever they answer."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from protocol.ids import private_topic
from protocol.messages import Renew
from protocol.standing import OPEN
from swarm.sources.interface import SourceFailed
from tests.exchange.gates import ScriptedGate
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Node, Offer, nodes
from tests.exchange.raw import Raw

CONTENT = Content(1000)


async def test_a_name_is_looked_up_and_its_manifest_fetched(autojump_clock: MockClock) -> None:
    content = Content(*range(1, 300))
    async with nodes(MemoryNetwork(), 4) as made:
        asker, *others = made
        asker.sees(*others)
        others[0].shelf.add(Offer(content, 0))
        others[2].shelf.add(Offer(content, 0))
        await trio.sleep(3)
        start = trio.current_time()
        found = await asker.exchange.asking.lookup("hf", "model", "org/model", "main")
        assert trio.current_time() - start < 0.1
        commit = content.snapshot.commit
        assert sorted(found) == sorted((node.id, content.key, commit) for node in (others[0], others[2]))
        assert await asker.exchange.asking.manifest(others[0].id, content.key) == content.snapshot.encoded
        with pytest.raises(SourceFailed, match="does not have"):
            await asker.exchange.asking.manifest(others[1].id, content.key)
        assert await asker.exchange.asking.lookup("hf", "model", "org/model", "v2") == []
        assert await asker.exchange.asking.lookup("hf", "model", "x" * 10_000, "main") == []


async def test_a_lookup_does_not_wait_for_the_silent(autojump_clock: MockClock) -> None:
    content = Content(1000)
    lan = MemoryNetwork()
    async with nodes(lan, 3) as (asker, one, two):
        asker.sees(one, two)
        one.shelf.add(Offer(content, 0))
        await trio.sleep(3)
        lan.cut(two.host)
        start = trio.current_time()
        found = await asker.exchange.asking.lookup("hf", "model", "org/model", "main", timeout=2)
        assert [node for node, _, _ in found] == [one.id]
        assert trio.current_time() - start == pytest.approx(2)


async def test_nobody_to_ask(autojump_clock: MockClock) -> None:
    async with nodes(MemoryNetwork(), 1) as (one,):
        assert await one.exchange.asking.lookup("hf", "model", "org/model", "main", timeout=1000) == []
        assert trio.current_time() < 1


async def test_a_false_manifest_is_found_out(autojump_clock: MockClock) -> None:
    true, false = Content(1000, seed=1), Content(1000, seed=2)
    async with nodes(MemoryNetwork(), 2) as (one, two):
        one.sees(two)
        await trio.sleep(1)
        two.shelf.offers[true.key] = Offer(false, 0)
        with pytest.raises(SourceFailed) as failed:
            await one.exchange.asking.manifest(two.id, true.key)
        assert failed.value.lasting
        await trio.sleep(10)
        assert not one.linked


async def test_in_a_site_only_members_are_asked_for_names(autojump_clock: MockClock) -> None:
    gate = ScriptedGate()
    gate.verdicts[b""] = OPEN
    lan = MemoryNetwork()
    node, stranger = Node(lan, 1, gate=gate), Raw(lan)
    async with node.running(), stranger.dialled(node, "control") as link:
        await trio.sleep(1)
        assert node.linked == {stranger.id}
        assert await node.exchange.asking.lookup("hf", "model", "a/b", "main") == []
        assert not [message for message in link.heard if type(message).__name__ == "Lookup"]


async def test_renewing_by_a_call(autojump_clock: MockClock) -> None:
    """There is no link, but it is known where the other may be."""
    lan = MemoryNetwork()
    gate = ScriptedGate()
    one, two = Node(lan, 1, gate=ScriptedGate()), Node(lan, 2, gate=gate)
    one.exchange.distrust(two.id, 1e9)
    one.sees(two)
    async with one.running(), two.running():
        assert await one.exchange.asking.renew(two.id) == gate.answer
        assert await one.exchange.asking.renew(Raw(lan).id) is None
        assert gate.asked == [(one.id, b"lab", Renew())]


@pytest.mark.parametrize("in_site", [True, False])
async def test_that_a_snapshot_is_private_is_heard_from_members_only(
    autojump_clock: MockClock, in_site: bool
) -> None:
    lan, topic = MemoryNetwork(), private_topic(CONTENT.key)
    gates = [ScriptedGate() if in_site else None for _ in range(2)]
    one, two = (Node(lan, number + 1, gate=gate) for number, gate in enumerate(gates))
    two.shelf.offers[topic] = Offer(CONTENT, 0)
    async with one.running(), two.running():
        one.sees(two)
        await trio.sleep(1)
        if in_site:
            assert await one.exchange.asking.manifest(two.id, topic) == CONTENT.snapshot.encoded
        else:
            with pytest.raises(SourceFailed, match="another manifest"):
                await one.exchange.asking.manifest(two.id, topic)
