"""Where a node listens, and callers that never come through the handshake."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from swarm.errors import UsageError
from swarm.exchange.door import MAX_HANDSHAKES
from swarm.exchange.link import HANDSHAKE_SECONDS
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Node, nodes


async def test_a_taken_port_is_replaced_unless_it_was_asked_for(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (one,):
        other = Node(lan, 2)
        other.source.name = one.host
        async with other.running():
            assert other.exchange.port != one.exchange.port
        strict = Node(lan, 3, any_port=False)
        strict.source.name = one.host
        with pytest.raises(UsageError):
            await strict.exchange.run()


async def test_a_stranger_who_says_nothing_is_hung_up_on(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        stream = await lan.host("10.0.0.50").dial(node.address)
        with trio.fail_after(HANDSHAKE_SECONDS + 1):
            assert await stream.receive_some(100) == b""
        await stream.aclose()
        assert not lan.open_streams()


async def test_noise_instead_of_a_handshake(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 1) as (node,):
        stream = await lan.host("10.0.0.50").dial(node.address)
        await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        with trio.fail_after(1):
            assert await stream.receive_some(100) == b""
        await stream.aclose()


async def test_strangers_do_not_keep_others_out_for_long(autojump_clock: MockClock) -> None:
    lan = MemoryNetwork()
    async with nodes(lan, 2) as (node, friend):
        silent = [await lan.host("10.0.0.50").dial(node.address) for _ in range(2 * MAX_HANDSHAKES)]
        friend.sees(node)
        await trio.sleep(HANDSHAKE_SECONDS + 20)
        assert friend.linked == {node.id}
        for stream in silent:
            await stream.aclose()
