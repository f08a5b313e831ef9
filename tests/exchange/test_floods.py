"""Floods of connections, keys and addresses: they cost little, keep nobody out, and reach nobody else."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from heapq import nsmallest

import trio
from trio.testing import MockClock

from protocol.frames import LENGTH
from protocol.messages import Peers
from protocol.noise import KEY
from protocol.standing import OPEN
from swarm.exchange.door import MAX_HANDSHAKES, MAX_HANDSHAKES_OF_A_HOST
from swarm.exchange.hearsay import (
    MAX_CANDIDATES_OF_A_HOST,
    UNPROVEN_DIALS_A_SECOND,
    UNPROVEN_DIALS_AT_ONCE,
)
from swarm.exchange.link import HANDSHAKE_SECONDS
from swarm.exchange.peers import LASTING_SECONDS, REFUSED_RETRY_SECONDS
from swarm.exchange.sessions import MAX_LINKS_OF_A_HOST, MAX_MEMBERS_OF_A_HOST
from swarm.scheduler.neighbours import MAX_LINKS, WANTED_LINKS, Neighbours
from swarm.sources.address import Address
from tests.exchange.bystander import Bystander
from tests.exchange.gates import ScriptedGate
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Node, Seen, identity, made_up, nodes
from tests.exchange.raw import Raw, RawLink

STRANGER = "10.0.0.200"
THIRD = "10.0.0.77"


async def test_one_machine_that_only_connects_keeps_nobody_out(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (node, friend):
        silent = [await lan.host(STRANGER).dial(node.address) for _ in range(4 * MAX_HANDSHAKES)]
        await trio.testing.wait_all_tasks_blocked()
        kept = [stream for stream in lan.open_streams() if stream.there == STRANGER]
        assert len(kept) == MAX_HANDSHAKES_OF_A_HOST
        friend.sees(node)
        await trio.sleep(1)
        assert friend.linked == {node.id}
        for stream in silent:
            await stream.aclose()


async def test_many_machines_that_only_connect_keep_nobody_out(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (node, friend):
        hosts = [lan.host(f"10.0.1.{number}") for number in range(2 * MAX_HANDSHAKES)]
        silent = [await host.dial(node.address) for host in hosts]
        await trio.testing.wait_all_tasks_blocked()
        assert len([stream for stream in lan.open_streams() if stream.here == node.host]) == MAX_HANDSHAKES
        friend.sees(node)
        await trio.sleep(1)
        assert friend.linked == {node.id}
        for stream in silent:
            await stream.aclose()


async def test_a_handshake_that_trickles_is_hung_up_on(autojump_clock: MockClock) -> None:
    """Slow-loris: a byte now and then does not buy more time than silence does."""
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        stream = await lan.host(STRANGER).dial(node.address)
        start = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def trickle() -> None:
                for byte in b"\0\0\0\x20" + bytes(32):
                    await stream.send_all(bytes([byte]))
                    await trio.sleep(1)

            nursery.start_soon(trickle)
            assert await stream.receive_some(100) == b""
            nursery.cancel_scope.cancel()
        assert HANDSHAKE_SECONDS <= trio.current_time() - start <= HANDSHAKE_SECONDS + 1
        await stream.aclose()
        assert not lan.open_streams()


async def test_one_machine_with_many_keys_is_not_all_the_peers_there_are(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2, max_links=32) as (node, friend), AsyncExitStack() as stack:
        for number in range(100, 100 + 2 * MAX_LINKS_OF_A_HOST):
            raw = Raw(lan, number, host=STRANGER)
            await stack.enter_async_context(raw.dialled(node, "control"))
            await trio.sleep(0.1)
        await trio.sleep(1)
        assert len(node.linked) == MAX_LINKS_OF_A_HOST
        friend.sees(node)
        await trio.sleep(1)
        assert friend.id in node.linked


async def test_nor_if_it_is_called_as_well_as_calling(autojump_clock: MockClock) -> None:
    """It has mDNS name its ports, and calls under other keys."""
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,), trio.open_nursery() as nursery:
        for port in range(1, MAX_CANDIDATES_OF_A_HOST + 1):
            raw = Raw(lan, 200 + port, host=STRANGER)
            await nursery.start(raw.listen, port)
            node.exchange.sighting(Seen(raw.id, (Address(STRANGER, port),), "mdns"))
        await trio.sleep(10)
        assert len(node.linked) == MAX_LINKS_OF_A_HOST
        await call(node, [Raw(lan, 100 + number, host=STRANGER) for number in range(5)], nursery)
        assert len(node.linked) == MAX_LINKS_OF_A_HOST
        nursery.cancel_scope.cancel()


async def test_one_too_many_of_a_machine_is_called_now_and_then(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,), trio.open_nursery() as nursery:
        callers = [Raw(lan, 100 + number, host=STRANGER) for number in range(MAX_LINKS_OF_A_HOST)]
        await call(node, callers, nursery)
        raw, address = Raw(lan, host=STRANGER), Address(STRANGER, 1)
        await nursery.start(raw.listen, 1)
        node.exchange.sighting(Seen(raw.id, (address,), "mdns"))
        await trio.sleep(10 * REFUSED_RETRY_SECONDS)
        assert raw.id not in node.linked
        assert 2 <= len([dialled for _, dialled in lan.dialled if dialled == address]) <= 11
        node.exchange.sighting(Seen(raw.id, (address,), "static"))
        await trio.sleep(2 * REFUSED_RETRY_SECONDS)
        assert raw.id in node.linked
        nursery.cancel_scope.cancel()


async def test_members_behind_one_address_are_not_taken_for_made_up_keys(autojump_clock: MockClock) -> None:
    """Nor do strangers there take places of theirs."""
    lan, gate = MemoryNetwork(), ScriptedGate()
    gate.verdicts[b""] = OPEN
    node = Node(lan, 1, gate=gate, max_links=64)
    async with node.running(), trio.open_nursery() as nursery:
        strangers = [Raw(lan, 100 + number, host=STRANGER) for number in range(MAX_LINKS_OF_A_HOST)]
        await call(node, strangers, nursery)
        members = [Raw(lan, 200 + number, host=STRANGER) for number in range(MAX_MEMBERS_OF_A_HOST + 3)]
        for member in members:
            member.badge = b"lab"
        await call(node, members, nursery)
        standings = Counter(info.standing for info in node.exchange.peers())
        assert standings == {"open": MAX_LINKS_OF_A_HOST, "member": MAX_MEMBERS_OF_A_HOST}
        nursery.cancel_scope.cancel()


# --- who calls does not push out who was dialled --------------------------------------------------------


def near(node: Node, lan: MemoryNetwork) -> list[Raw]:
    """Callers, each from a machine of its own, whose ids were made so that they are nearest to the node."""
    rank = Neighbours(node.id).rank
    numbers = nsmallest(60, range(1000, 2000), key=lambda number: rank(identity(number).node_id))
    return [Raw(lan, number, host=f"10.1.0.{place}") for place, number in enumerate(numbers)]


async def call(node: Node, callers: list[Raw], nursery: trio.Nursery) -> None:
    """A few at a time, each of which stays for long enough to be given up for the next."""
    for few in (callers[start : start + 8] for start in range(0, len(callers), 8)):
        for raw in few:
            nursery.start_soon(RawLink(await raw.connector.dial(node.address, "control")).run)
        await trio.sleep(2 * LASTING_SECONDS)


async def test_who_was_dialled_first_is_not_pushed_out_by_callers(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 9) as (node, *friends), trio.open_nursery() as nursery:
        node.sees(*friends, via="mdns")
        await trio.sleep(2 * LASTING_SECONDS)
        await call(node, near(node, lan), nursery)
        assert {friend.id for friend in friends} < node.linked
        assert len(node.linked) == MAX_LINKS
        nursery.cancel_scope.cancel()


async def test_callers_leave_places_to_dial_from(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (node, friend), trio.open_nursery() as nursery:
        await call(node, near(node, lan), nursery)
        assert len(node.linked) == WANTED_LINKS
        node.exchange.sighting(Seen(None, (friend.address,), "mdns"))
        await trio.sleep(60)
        assert friend.id in node.linked
        nursery.cancel_scope.cancel()


async def test_a_peer_that_the_operator_named_may_call_though_many_do(autojump_clock: MockClock) -> None:
    """It cannot be dialled: something between lets connections through one way only."""
    lan = MemoryNetwork()
    friend = Raw(lan, listen_port=7)
    async with nodes(lan, 1) as (node,), trio.open_nursery() as nursery:
        node.exchange.sighting(Seen(None, (Address(friend.host, 7),), "static"))
        await call(node, [*near(node, lan), friend], nursery)
        assert friend.id in node.linked
        nursery.cancel_scope.cancel()


async def test_one_connection_of_a_peer_stands_in_line(autojump_clock: MockClock) -> None:
    """While the first is asked for a sign of life, which this peer does not give, another one waits."""
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,), AsyncExitStack() as stack:
        raw = Raw(lan)
        first = await stack.enter_async_context(raw.dialled(node, "control"))
        await trio.sleep(1)
        first.answering = False
        others = [await stack.enter_async_context(raw.dialled(node, "control")) for _ in range(10)]
        await trio.sleep(1)
        assert sum(link.open for link in others) == 1
        assert node.linked == {raw.id}


async def test_peers_cannot_point_a_node_at_others(autojump_clock: MockClock) -> None:
    """A minute of made-up addresses: few calls, and no more than the first message of a handshake each."""
    lan = MemoryNetwork()
    bystander = Bystander(lan.host(THIRD))
    async with nodes(lan, 1) as (node,), trio.open_nursery() as nursery:
        for port in range(1, 2 * MAX_CANDIDATES_OF_A_HOST):
            await nursery.start(bystander.run, port)
        raw = Raw(lan)
        async with raw.dialled(node, "control") as control:
            begin = trio.current_time()
            for second in range(60):
                ports = range(1 + 64 * (second % 2), 1 + 64 * (second % 2) + 64)
                control.say(*(rumour(number, THIRD, number) for number in ports))
                control.say(*(rumour(number, f"10.7.{second}.{number}", 22) for number in range(64)))
                await trio.sleep(1)
            took = trio.current_time() - begin
            assert control.open
        calls = [address for here, address in lan.dialled if here == node.host]
        assert len(calls) <= UNPROVEN_DIALS_AT_ONCE + UNPROVEN_DIALS_A_SECOND * took
        assert len({call.port for call in calls if call.host == THIRD}) <= MAX_CANDIDATES_OF_A_HOST
        await trio.sleep(HANDSHAKE_SECONDS)
        assert bystander.said
        assert {len(call) for call in bystander.said} == {LENGTH.size + KEY}
        nursery.cancel_scope.cancel()


def rumour(number: int, host: str, port: int) -> Peers:
    return Peers(((made_up(number), (f"{host}:{port}",)),))
