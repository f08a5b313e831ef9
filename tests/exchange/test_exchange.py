"""Whole exchanges on a LAN in memory: how links come about, stay single, and go."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from protocol.messages import Have
from swarm.exchange.control import LINK_DEAD_SECONDS
from swarm.exchange.exchange import FAULT_SECONDS
from swarm.exchange.interfaces import PeerMessage
from swarm.sources.address import Address
from swarm.sources.interface import SourceFailed
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Content, Node, Offer, Seen, heard, nodes, unwanted


async def test_two_nodes_that_see_each_other_need_one_connection(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (one, two):
        one.sees(two)
        two.sees(one)
        await trio.sleep(3)
        assert (one.linked, two.linked) == ({two.id}, {one.id})
        assert len(lan.dialled) == 1
        assert lan.dialled[0][0] == (one.host if one.id < two.id else two.host)


@pytest.mark.parametrize("seed", range(6))
async def test_both_dialling_at_once_keep_the_one_of_the_smaller_id(
    seed: int, autojump_clock: MockClock
) -> None:
    lan = MemoryNetwork(seed, latency=0.02)
    async with nodes(lan, 2) as (one, two):
        one.sees(two, known=False)
        await trio.sleep(0.005 * seed)
        two.sees(one, known=False)
        await trio.sleep(30)
        assert len(lan.dialled) == 2
        [a], [b] = one.exchange.peers(), two.exchange.peers()
        assert (a.node_id, b.node_id) == (two.id, one.id)
        assert one.exchange.dialled(two.id) is (one.id < two.id)
        assert two.exchange.dialled(one.id) is (two.id < one.id)
        assert a.since == pytest.approx(b.since, abs=0.1)


async def test_a_topic_survives_both_dialling_at_once(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork(latency=0.02)
    content = Content(1_000_000)
    async with nodes(lan, 2) as (one, two):
        for node in (one, two):
            node.shelf.add(Offer(content, 1))
        with one.exchange.join(content.key, content.digest) as a:
            one.sees(two, known=False)
            two.sees(one, known=False)
            await trio.sleep(5)
            with two.exchange.join(content.key, content.digest) as b:
                await trio.sleep(1)
                a.say(Have(content.key, ((1, 1),)))
                b.say(Have(content.key, ((2, 1),)))
                await trio.sleep(1)
                for topic, peer, chunk in ((a, two, 2), (b, one, 1)):
                    assert heard(topic)[-1] == PeerMessage(peer.id, Have(content.key, ((chunk, 1),)))


async def test_an_address_without_a_name_is_named_by_its_handshake(autojump_clock: MockClock) -> None:
    async with nodes(MemoryNetwork(), 2) as (one, two):
        one.sees(two, known=False)
        await trio.sleep(1)
        [info] = one.exchange.peers()
        assert (info.node_id, info.address, info.via, info.agent) == (two.id, two.address, "static", "test/2")
        [back] = two.exchange.peers()
        assert (back.node_id, back.address, back.via) == (one.id, one.address, "inbound")


async def test_a_node_that_dials_itself_does_so_once(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (one,):
        for _ in range(5):
            one.sees(one, known=False)
            await trio.sleep(60)
        assert not one.linked
        assert len(lan.dialled) == 1


async def test_a_node_at_several_addresses_is_linked_once(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (one, two):
        lan.alias("192.168.7.2", two.host)
        one.exchange.sighting(Seen(two.id, (two.address, Address("192.168.7.2", 7677))))
        one.exchange.sighting(Seen(None, (Address("192.168.7.2", 7677),)))
        await trio.sleep(60)
        assert one.linked == {two.id}
        assert len(lan.dialled) <= 2
        assert len(lan.open_streams()) == 2  # the two ends of one


async def test_the_next_address_is_tried_when_one_is_dead(autojump_clock: MockClock) -> None:
    async with nodes(MemoryNetwork(), 2) as (one, two):
        dead = Address("10.9.9.9", 7677)
        one.exchange.sighting(Seen(two.id, (dead, two.address)))
        await trio.sleep(2)
        assert one.linked == {two.id}
        assert one.exchange.peers()[0].address == two.address


async def test_a_lost_link_comes_back(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (one, two):
        one.sees(two)
        await trio.sleep(10)
        lan.break_streams(one.host, two.host)
        await trio.sleep(0.1)
        assert (one.linked, two.linked) == (set(), set())
        await trio.sleep(5)
        assert (one.linked, two.linked) == ({two.id}, {one.id})


async def test_a_pulled_cable_is_noticed_and_forgiven(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (one, two):
        one.sees(two)
        await trio.sleep(20)
        lan.cut(two.host)
        await trio.sleep(LINK_DEAD_SECONDS + 1)
        assert (one.linked, two.linked) == (set(), set())
        lan.mend(two.host)
        await trio.sleep(30)
        assert (one.linked, two.linked) == ({two.id}, {one.id})


async def test_a_quiet_link_stays_for_hours(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (one, two):
        one.sees(two)
        await trio.sleep(1)
        [before] = one.exchange.peers()
        await trio.sleep(3 * 3600)
        assert one.exchange.peers() == [before]


async def test_a_peer_that_restarts_is_taken_back_at_once(autojump_clock: MockClock) -> None:
    """Its old connection looks alive to the other side, as nobody told it otherwise."""
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (one,):
        first = Node(lan, 2)
        async with first.running():
            first.sees(one)
            await trio.sleep(10)
            lan.forget(first.host)
        second = Node(lan, 2)
        async with second.running():
            second.sees(one)
            await trio.sleep(4)
            assert second.linked == {one.id}
            assert one.linked == {second.id}
            await trio.sleep(60)
            assert one.linked == {second.id}


async def test_all_are_linked_with_all_by_way_of_others_and_none_with_too_many(
    autojump_clock: MockClock,
) -> None:
    """One that comes last may find all others full but one; through that one it hears of everything."""
    async with nodes(MemoryNetwork(), 9, max_links=4) as made:
        for node in made:
            node.sees(*(other for other in made if other is not node))
        await trio.sleep(120)
        assert all(1 <= len(node.linked) <= 4 for node in made)
        reached, fresh = {made[0].id}, {made[0].id}
        while fresh:
            reached |= fresh
            fresh = {peer for node in made if node.id in fresh for peer in node.linked} - reached
        assert len(reached) == 9


async def test_peers_are_passed_on(autojump_clock: MockClock) -> None:
    async with nodes(MemoryNetwork(), 4) as made:
        middle, *rest = made
        for node in rest:
            node.sees(middle)
        await trio.sleep(5)
        everyone = {node.id for node in made}
        assert all(node.linked == everyone - {node.id} for node in made)
        assert "exchange" in {info.via for info in rest[0].exchange.peers() + rest[1].exchange.peers()}


async def test_a_distrusted_peer_is_kept_away_for_a_while(autojump_clock: MockClock) -> None:
    async with nodes(MemoryNetwork(), 2) as (one, two):
        one.sees(two)
        two.sees(one)
        await trio.sleep(3)
        one.exchange.distrust(two.id, 100)
        await trio.sleep(99)
        assert (one.linked, two.linked) == (set(), set())
        await trio.sleep(60)
        assert (one.linked, two.linked) == ({two.id}, {one.id})


async def test_goodbye_ends_dialling_but_no_link(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (one, two):
        one.sees(two, via="mdns")
        await trio.sleep(1)
        one.exchange.vanished(two.id)
        assert one.linked == {two.id}
        nobody = Node(lan, 9)
        one.sees(nobody, via="mdns")
        await trio.sleep(3)
        one.exchange.vanished(nobody.id)
        dialled = len(lan.dialled)
        await trio.sleep(300)
        assert len(lan.dialled) == dialled


async def test_an_address_where_nobody_answers_is_tried_ever_more_rarely(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (one,):
        one.sees(Node(lan, 9))
        await trio.sleep(600)
        assert 20 <= len(lan.dialled) <= 30


@pytest.mark.parametrize("seed", range(3))
async def test_links_come_about_although_dials_get_lost(seed: int, autojump_clock: MockClock) -> None:
    async with nodes(MemoryNetwork(seed, drop=0.5), 4) as made:
        for node in made:
            node.sees(*(other for other in made if other is not node))
        await trio.sleep(120)
        assert all(len(node.linked) == 3 for node in made)


async def test_stopping_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    content = Content(5_000_000)
    before = trio.lowlevel.current_statistics().tasks_living
    async with nodes(lan, 3) as made:
        for node in made:
            node.shelf.add(Offer(content, 1 if node is made[0] else 0))
            node.sees(*(other for other in made if other is not node))
        with made[1].exchange.join(content.key, content.digest):
            await trio.sleep(2)
    assert trio.lowlevel.current_statistics().tasks_living == before
    assert not lan.open_streams()
    assert not made[0].linked


async def test_no_link_no_source(autojump_clock: MockClock) -> None:
    content = Content(1000)
    async with nodes(MemoryNetwork(), 2) as (one, two):
        one.shelf.add(Offer(content, 0))
        with one.exchange.join(content.key, content.digest) as topic, pytest.raises(SourceFailed) as failed:
            await topic.source(two.id).fetch([0], unwanted)
        assert not failed.value.lasting


def test_a_faulty_peer_is_left_alone_for_longer_than_a_redial() -> None:
    assert FAULT_SECONDS > LINK_DEAD_SECONDS
