"""Several endpoints in memory, of which some fail, at exact virtual times."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from swarm.cli.demo_repo import Repository
from swarm.cli.demo_site import Answer, Request
from swarm.sources.interface import Source, SourceFailed
from swarm.upstreams import http, pool
from swarm.upstreams.huggingface import HuggingFace
from swarm.upstreams.pool import UpstreamPool
from tests.hub.faults import Faults, FaultySite
from tests.hub.transport import site, url
from tests.upstreams.hubs import CANARY, CHUNK, REPO, Collector, Hubs, seeded
from tests.upstreams.orders import big, everything, fetched, shown


def pair(first: Faults | None = None, second: Faults | None = None, source: Repository | None = None) -> Hubs:
    """Two endpoints with the same repository."""
    source = source or big()
    return Hubs(first=site("first", source, faults=first), second=site("second", source, faults=second))


async def test_the_next_one_goes_on_from_the_same_chunk_when_one_stalls(autojump_clock: MockClock) -> None:
    hubs = pair(Faults(stall_after=10 * CHUNK + 5))
    async with hubs as hub:
        snapshot, got = await fetched(hub)
    got.check(snapshot)
    assert got.sources == [url("first")] * 10 + [url("second")] * 30
    assert trio.current_time() == http.STALL_SECONDS


async def test_the_next_one_goes_on_when_one_goes_down() -> None:
    hubs = pair(Faults(cut_after=10 * CHUNK))
    async with hubs as hub:
        snapshot, got = await fetched(hub)
    got.check(snapshot)
    assert got.sources == [url("first")] * 10 + [url("second")] * 30


@pytest.mark.parametrize(
    "faults",
    [
        Faults(status=503, where="file"),
        Faults(status=429, where="cdn"),
        Faults(lacks="big"),
        Faults(wrong_size=3),
        Faults(olah=True, lacks="big"),
        Faults(disabled=True),
        Faults(gated=True),
    ],
)
async def test_another_one_serves_what_one_cannot(faults: Faults) -> None:
    source = big()
    hubs = Hubs(second=site("second", source), first=site("first", source, faults=faults))
    async with hubs as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(HuggingFace(hubs.client, hubs.endpoints[::-1]), snapshot)
        got = Collector()
        await upstream.fetch(everything(snapshot), got)
    got.check(snapshot)
    assert set(got.sources) == {url("second")}


async def test_new_endpoints_are_tried_in_order_and_the_fastest_is_kept(autojump_clock: MockClock) -> None:
    source = Repository(REPO, {"big.bin": seeded(90 * CHUNK)})
    hubs = Hubs(
        slow=site("slow", source, faults=Faults(rate=CHUNK)),
        fast=site("fast", source, faults=Faults(rate=6 * CHUNK)),
        middle=site("middle", source, faults=Faults(rate=3 * CHUNK)),
    )
    async with hubs as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        for first in range(0, 90, 6):
            await upstream.fetch(range(first, first + 6), got)
    got.check(snapshot)
    assert got.sources[:18] == [url("slow")] * 6 + [url("fast")] * 6 + [url("middle")] * 6
    assert set(got.sources[18:]) == {url("fast")}
    speeds = {status.url: status.bytes_per_second for status in upstream.speeds()}
    assert speeds[url("fast")] == pytest.approx(6 * CHUNK)
    assert speeds[url("slow")] == pytest.approx(CHUNK)


async def test_a_crawling_stream_is_left_for_a_faster_endpoint(autojump_clock: MockClock) -> None:
    hubs = pair(Faults(rate=CHUNK / 4), Faults(rate=16 * CHUNK), source=big(80))
    async with hubs as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upstream.fetch, range(40), got)
            nursery.start_soon(upstream.fetch, range(40, 80), got)
    got.check(snapshot)
    assert trio.current_time() < 10
    assert got.sources.count(url("first")) <= 2


async def test_a_crawling_stream_is_left_for_one_never_tried(autojump_clock: MockClock) -> None:
    hubs = pair(Faults(rate=10_000))
    async with hubs as hub:
        snapshot, got = await fetched(hub)
    got.check(snapshot)
    assert trio.current_time() < 12


async def test_a_slow_stream_is_not_left_for_one_that_lacks_the_file(autojump_clock: MockClock) -> None:
    source = Repository(REPO, {"big.bin": seeded(8 * CHUNK), "other.bin": seeded(40 * CHUNK, seed=2)})
    slow = site("slow", source)
    fast = site("fast", source, faults=Faults(lacks="big.bin", rate=100 * CHUNK))
    async with Hubs(slow=slow, fast=fast) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        await upstream.fetch(range(8, 28), got)
        await upstream.fetch(range(28, 48), got)
        slow.faults.rate = CHUNK / 10
        await upstream.fetch(range(8), got)
    got.check(snapshot)
    assert slow.sent[f"{REPO}/big.bin"] == 8 * CHUNK, "nothing was begun again"


async def test_all_may_stall_but_the_last(autojump_clock: MockClock) -> None:
    source, stalled = big(), Faults(stall_after=0)
    a, b, c = (site(name, source, faults=stalled) for name in ("a", "b", "c"))
    async with Hubs(a=a, b=b, c=c, d=site("d", source)) as hub:
        _, got = await fetched(hub)
    assert set(got.sources) == {url("d")}
    assert trio.current_time() == 3 * http.STALL_SECONDS


async def test_an_avoided_endpoint_is_left_in_the_middle_of_a_range(autojump_clock: MockClock) -> None:
    hubs = pair(Faults(rate=CHUNK))
    async with hubs as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upstream.fetch, range(40), got)
            await trio.sleep(5.5)
            upstream.avoid(Source("upstream", url("first")), 60)
    got.check(snapshot)
    assert got.sources == [url("first")] * 5 + [url("second")] * 35
    resting = {status.url: status.resting_because for status in upstream.speeds()}
    assert resting == {url("first"): "it sent wrong bytes", url("second"): None}


async def test_the_only_endpoint_avoided_leaves_none(autojump_clock: MockClock) -> None:
    async with Hubs(hub=site("hub", big())) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        upstream.avoid(Source("upstream", url("hub")), 600)
        assert not upstream.usable
        with pytest.raises(SourceFailed, match="it sent wrong bytes") as failed:
            await upstream.fetch([0], Collector())
    assert failed.value.lasting
    assert trio.current_time() == 0


async def test_wrong_bytes_are_the_receivers_business() -> None:
    hubs = pair(Faults(wrong_bytes="big"))
    async with hubs as hub:
        _, got = await fetched(hub, [0])
    assert got.chunks[0] != seeded(40 * CHUNK)[:CHUNK]
    assert got.sources == [url("first")]


async def test_an_endpoint_that_honours_ranges_is_asked_for_later_parts() -> None:
    far = 2 * pool.SKIP_BYTES // CHUNK
    source = big(far + 10)
    ranged = site("ranged", source)
    hubs = Hubs(whole=site("whole", source, faults=Faults(ignore_range=True)), ranged=ranged)
    async with hubs as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        await upstream.fetch([far, far + 1], got)
        await upstream.aclose()
    assert set(got.sources) == {url("ranged")}
    assert ranged.sent.total() == 2 * CHUNK


async def test_a_mirror_that_sends_clients_back_to_the_hub(autojump_clock: MockClock) -> None:
    """hf-mirror.com was seen to answer 308 to huggingface.co."""
    source = big()
    hubs = Hubs(CANARY, mirror=_Forwarding("mirror", "hub", source), hub=site("hub", source))
    async with hubs:
        alone = HuggingFace(hubs.client, hubs.endpoints[:1])
        snapshot, got = await fetched(alone)
    got.check(snapshot)
    assert set(got.sources) == {url("mirror")}
    assert shown(hubs) == set()


class _Forwarding(FaultySite):
    def __init__(self, name: str, to: str, source: Repository) -> None:
        super().__init__([source], cdn_url=f"https://cdn.{name}.test")
        self.to = to

    def answer(self, request: Request) -> Answer:
        return Answer(308, {"Location": f"{url(self.to)}{request.target}", "Content-Length": "0"})
