"""Peers that a person named."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest
import trio
import trio.testing

from protocol.limits import MAX_ADDRESSES
from swarm.discovery.sightings import Event, Sighting
from swarm.discovery.static import (
    RESOLVE_RETRY_SECONDS,
    RESOLVE_TIMEOUT_SECONDS,
    SIGHT_AGAIN_SECONDS,
    parse_peers,
    run_static,
    system_resolve,
)
from swarm.errors import UsageError
from swarm.sources.address import Address


class Resolver:
    """Answers from a script, one entry a question: hosts, an error, or None for no answer at all."""

    def __init__(self, *script: Sequence[str] | OSError | None) -> None:
        self._script = list(script)
        self.asked_at: list[float] = []

    async def __call__(self, name: str, port: int) -> Sequence[str]:
        self.asked_at.append(trio.current_time())
        answer = self._script.pop(0)
        if isinstance(answer, OSError):
            raise answer
        if answer is None:
            await trio.sleep_forever()
            raise AssertionError
        return answer


async def sightings(peers: str, resolver: Resolver, count: int) -> list[tuple[float, tuple[str, ...]]]:
    """When, and with which addresses, the first `count` sightings came."""
    send, receive = trio.open_memory_channel[Event](0)
    start, got = trio.current_time(), []
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await run_static(parse_peers(peers), send, resolve=resolver)

        nursery.start_soon(run)
        for _number in range(count):
            event = await receive.receive()
            assert isinstance(event, Sighting)
            assert (event.node_id, event.via) == (None, "static")
            got.append((trio.current_time() - start, tuple(map(str, event.addresses))))
        nursery.cancel_scope.cancel()
    return got


def test_reads_a_list() -> None:
    assert parse_peers(" node, 10.0.0.1:80,[fd00::1]:81,node:7677,,") == (
        Address("node", 7677),
        Address("10.0.0.1", 80),
        Address("fd00::1", 81),
    )
    assert parse_peers("") == ()


@pytest.mark.parametrize("text", ["a b", "node:0", "0.0.0.0", "http://node"])
def test_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="not a peer"):
        parse_peers(text)


async def test_an_address_is_sighted_again_and_again(autojump_clock: trio.testing.MockClock) -> None:
    assert await sightings("10.0.0.1", Resolver(), 3) == [
        (0, ("10.0.0.1:7677",)),
        (SIGHT_AGAIN_SECONDS, ("10.0.0.1:7677",)),
        (2 * SIGHT_AGAIN_SECONDS, ("10.0.0.1:7677",)),
    ]


async def test_a_name_is_resolved_each_time(autojump_clock: trio.testing.MockClock) -> None:
    resolver = Resolver(["10.0.0.1", "fd00::1", "10.0.0.1"], ["10.0.0.2"])
    assert await sightings("node:80", resolver, 2) == [
        (0, ("10.0.0.1:80", "[fd00::1]:80")),
        (SIGHT_AGAIN_SECONDS, ("10.0.0.2:80",)),
    ]


async def test_failures_are_told_once_and_tried_again_soon(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    resolver = Resolver(socket.gaierror(-2, "no such name"), [], ["10.0.0.1"])
    assert await sightings("node", resolver, 1) == [(2 * RESOLVE_RETRY_SECONDS, ("10.0.0.1:7677",))]
    assert [record.getMessage() for record in caplog.records] == [
        "peer node:7677: no such name; trying again every 10 s"
    ]


async def test_a_silent_name_server_delays_only_its_own_entry(autojump_clock: trio.testing.MockClock) -> None:
    resolver = Resolver(None, ["10.0.0.1"])
    assert await sightings("node,10.0.0.2", resolver, 2) == [
        (0, ("10.0.0.2:7677",)),
        (RESOLVE_TIMEOUT_SECONDS + RESOLVE_RETRY_SECONDS, ("10.0.0.1:7677",)),
    ]


async def test_a_name_of_very_many_machines_is_cut_short(autojump_clock: trio.testing.MockClock) -> None:
    [(_when, addresses)] = await sightings("node", Resolver([f"10.0.0.{n}" for n in range(1, 99)]), 1)
    assert len(addresses) == MAX_ADDRESSES


async def test_the_systems_resolver_keeps_the_zone() -> None:
    assert list(await system_resolve("127.0.0.1", 80)) == ["127.0.0.1"]
    assert list(await system_resolve("fe80::1%1", 80)) == ["fe80::1%1"]
