"""Floods of connections, keys and addresses: they cost little, keep nobody out, and reach nobody else."""

from __future__ import annotations

from contextlib import AsyncExitStack

import trio
from trio.testing import MockClock

from protocol.frames import LENGTH
from protocol.ids import NodeId
from protocol.messages import Peers
from protocol.noise import KEY
from swarm.exchange.door import MAX_HANDSHAKES, MAX_HANDSHAKES_OF_A_HOST
from swarm.exchange.hearsay import (
    MAX_CANDIDATES_OF_A_HOST,
    UNPROVEN_DIALS_A_SECOND,
    UNPROVEN_DIALS_AT_ONCE,
)
from swarm.exchange.link import HANDSHAKE_SECONDS
from swarm.exchange.sessions import MAX_LINKS_OF_A_HOST
from tests.exchange.bystander import Bystander
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import nodes
from tests.exchange.raw import Raw

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
                control.say(*(made_up(number, THIRD, number) for number in ports))
                control.say(*(made_up(number, f"10.7.{second}.{number}", 22) for number in range(64)))
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


def made_up(number: int, host: str, port: int) -> Peers:
    return Peers(((NodeId(number.to_bytes(32, "big")), (f"{host}:{port}",)),))
