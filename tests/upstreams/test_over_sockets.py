"""The same over real sockets and httpx's own transport: what a fake transport might hide."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from swarm.cli import demo_hub
from swarm.cli.demo_repo import Repository
from swarm.sources.interface import Arrived, Source
from swarm.upstreams import http
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.http import open_client
from swarm.upstreams.huggingface import HuggingFace
from swarm.upstreams.pool import FILES_AT_ONCE, UpstreamPool
from tests.hub.faults import Faults, FaultyHub
from tests.upstreams.hubs import CANARY, CHUNK, REPO, Collector, repository, seeded


async def fetch(hub: HuggingFace) -> Collector:
    snapshot = (await hub.resolve(REPO)).snapshot
    upstream = UpstreamPool(hub, snapshot)
    got = Collector()
    await upstream.fetch(range(snapshot.layout.total), got)
    await upstream.aclose()
    got.check(snapshot)
    return got


@pytest.fixture(autouse=True)
async def _collect() -> AsyncIterator[None]:
    """Whatever a test leaves to the garbage collector is collected while trio would notice."""
    yield
    gc.collect()
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("cdn_host", ["127.0.0.1", "localhost"])
async def test_the_token_does_not_reach_the_other_port(cdn_host: str) -> None:
    faults = Faults(token=CANARY, gated=True)
    with FaultyHub(repositories=[repository()], cdn_host=cdn_host, faults=faults) as running:
        async with open_client() as client:
            await fetch(HuggingFace(client, [Endpoint(running.url, CANARY)]))
    shown = {where for where, request in running.requests if CANARY in str(request)}
    assert shown == {"hub"}
    assert "cdn" in {where for where, _ in running.requests}


@pytest.mark.parametrize("fault", [{}, {"ignore_range": True}, {"olah": True}, {"range_as_200": True}])
async def test_everything_arrives(fault: dict[str, Any]) -> None:
    with FaultyHub(repositories=[repository()], faults=Faults(**fault)) as running:
        async with open_client() as client:
            await fetch(HuggingFace(client, [Endpoint(running.url)]))


@pytest.mark.parametrize("fault", [{"cut_after": 5 * CHUNK + 1}, {"stall_after": 5 * CHUNK + 1}])
async def test_a_hub_that_cuts_connections_or_stalls(
    fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "STALL_SECONDS", 0.2)
    source = Repository(REPO, {"big.bin": seeded(8 * CHUNK)})
    with (
        FaultyHub(repositories=[source], faults=Faults(**fault)) as failing,
        FaultyHub(repositories=[source]) as whole,
    ):
        async with open_client() as client:
            got = await fetch(HuggingFace(client, [Endpoint(failing.url), Endpoint(whole.url)]))
    assert got.sources == [failing.url] * 5 + [whole.url] * 3


async def test_an_order_that_is_cancelled_leaves_nothing_behind() -> None:
    source = Repository(REPO, {"big.bin": seeded(8 * CHUNK)})
    with FaultyHub(repositories=[source], faults=Faults(stall_after=3 * CHUNK)) as running:
        async with open_client() as client:
            hub = HuggingFace(client, [Endpoint(running.url)])
            snapshot = (await hub.resolve(REPO)).snapshot
            with trio.CancelScope() as scope:

                async def until_the_third(source: Source, arrived: Arrived) -> None:
                    if arrived[0][0] == 2:
                        scope.cancel()

                await UpstreamPool(hub, snapshot).fetch(range(8), until_the_third)
            assert scope.cancelled_caught
            running.faults.stall_after = -1
            await fetch(hub)


async def test_an_unread_answer_can_be_closed() -> None:
    source = Repository(REPO, {"big.bin": seeded(8 * CHUNK)})
    with FaultyHub(repositories=[source]) as running:
        async with open_client() as client:
            endpoint = Endpoint(running.url)
            one = http.Http(client)
            for blocks in range(3):
                reply = await one.get(
                    endpoint, f"{running.url}/{REPO}/resolve/main/big.bin", authorized=False
                )
                for _ in range(blocks):
                    assert await reply.block()
                await reply.aclose()


async def test_connections_are_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = 0
    process = demo_hub._Server.process_request

    def counting(self: Any, request: Any, address: Any) -> None:
        nonlocal opened
        opened += 1
        process(self, request, address)

    monkeypatch.setattr(demo_hub._Server, "process_request", counting)
    files: dict[str, bytes | Path] = {f"part-{number:02}.bin": b"%d" % number for number in range(50)}
    with FaultyHub(repositories=[Repository(REPO, files)]) as running:
        async with open_client() as client:
            await fetch(HuggingFace(client, [Endpoint(running.url)]))
    assert len(running.requests) == 1 + 2 * 50
    assert opened <= 2 * FILES_AT_ONCE, "eight to the hub, eight to the store"
