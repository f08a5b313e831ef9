"""What is told of endpoints that do not give a file to everybody, and when."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from swarm.errors import SwarmError
from swarm.sources.interface import SourceFailed
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.pool import UpstreamPool
from swarm.upstreams.trouble import Gated
from tests.hub.faults import Faults
from tests.hub.transport import site, url
from tests.upstreams.hubs import CANARY, REPO, Collector, Hubs, repository
from tests.upstreams.orders import everything


class Heard:
    """What a pool tells of endpoints that do not give a file to everybody, and what had come by then."""

    def __init__(self) -> None:
        self.collector = Collector()
        self.told: list[tuple[str, type[SwarmError] | None]] = []
        self.came_before = 0

    async def hear(self, endpoint: Endpoint, refused: SwarmError | None) -> None:
        self.told.append((endpoint.url, type(refused) if refused else None))
        await trio.sleep(10)  # a slow disk
        self.came_before += len(self.collector.chunks)


async def test_what_a_token_alone_opens_is_told_of_before_it_is_used(autojump_clock: MockClock) -> None:
    one = site("hub", repository(), faults=Faults(token=CANARY))
    heard = Heard()
    async with Hubs(CANARY, hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        one.faults.private = True
        upstream = UpstreamPool(hub, snapshot, not_public=heard.hear)
        await upstream.fetch(everything(snapshot), heard.collector)
        heard.collector.check(snapshot)
    assert set(heard.told) == {(url("hub"), None)}
    assert heard.came_before == 0


async def test_a_refusal_is_told_of_once(autojump_clock: MockClock) -> None:
    one = site("hub", repository())
    heard = Heard()
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        one.faults.gated = True
        upstream = UpstreamPool(hub, snapshot, not_public=heard.hear)
        for chunk in (0, 1):
            with pytest.raises(SourceFailed):
                await upstream.fetch([chunk], heard.collector)
    assert heard.told == [(url("hub"), Gated)]


async def test_nobody_hears_of_what_all_may_have() -> None:
    heard = Heard()
    async with Hubs(CANARY, hub=site("hub", repository(), faults=Faults(token=CANARY))) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        await UpstreamPool(hub, snapshot, not_public=heard.hear).fetch(range(3), heard.collector)
    assert heard.told == []
