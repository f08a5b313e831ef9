"""Fetching chunks from one endpoint in memory, with every fault, at exact virtual times."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from protocol.chunks import Bytes
from swarm.cli.demo_repo import Repository
from swarm.sources.interface import Arrived, Source, SourceFailed
from swarm.sources.rate import BURST_SECONDS, RateLimiter
from swarm.upstreams import http, pool
from swarm.upstreams.pool import UpstreamPool
from tests.hub.faults import Faults
from tests.hub.transport import site, url
from tests.upstreams.hubs import CANARY, CHUNK, REPO, Collector, Hubs, repository, seeded
from tests.upstreams.orders import big, blob_of, everything, fetched, four_orders, shown

WEIGHTS = "weights/model.safetensors"


# --- one endpoint that works ----------------------------------------------------------------------


async def test_every_chunk_is_delivered_once_and_right() -> None:
    async with Hubs(hub=site("hub", repository())) as hub:
        snapshot, got = await fetched(hub)
    got.check(snapshot)
    assert set(got.sources) == {url("hub")}


async def test_a_dataset() -> None:
    async with Hubs(hub=site("hub", repository(kind="dataset"))) as hub:
        snapshot = (await hub.resolve(REPO, "dataset")).snapshot
        got = Collector()
        await UpstreamPool(hub, snapshot).fetch(everything(snapshot), got)
    got.check(snapshot)


async def test_files_with_the_same_content_are_fetched_once() -> None:
    one = site("hub", repository())
    async with Hubs(hub=one) as hub:
        await fetched(hub)
    assert one.sent[f"{REPO}/weights/copy.safetensors"] == 9 * CHUNK + 1000
    assert one.sent[f"{REPO}/{WEIGHTS}"] == 0


async def test_neighbouring_chunks_are_one_request_for_just_their_bytes() -> None:
    one = site("hub", big())
    async with Hubs(hub=one) as hub:
        _, got = await fetched(hub, [3, 4, 5, 20, 21])
    assert sorted(got.chunks) == [3, 4, 5, 20, 21]
    assert one.sent.total() == 5 * CHUNK
    ranges = [request.headers.get("range") for where, request in one.requests if where == "cdn"]
    assert sorted(map(str, ranges)) == [
        f"bytes={20 * CHUNK}-{22 * CHUNK - 1}",
        f"bytes={3 * CHUNK}-{6 * CHUNK - 1}",
    ]


async def test_chunks_arrive_while_the_rest_of_the_range_is_on_its_way(autojump_clock: MockClock) -> None:
    async with Hubs(hub=site("hub", big(10), faults=Faults(rate=CHUNK))) as hub:
        _, got = await fetched(hub)
    assert got.times == pytest.approx(range(1, 11))


async def test_each_buffer_belongs_to_the_receiver() -> None:
    kept: list[Bytes] = []

    async def keep(source: Source, arrived: Arrived) -> None:
        kept.extend(data for _, data in arrived)

    async with Hubs(hub=site("hub", big(4))) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        await UpstreamPool(hub, snapshot).fetch(range(4), keep)
    assert b"".join(kept) == seeded(4 * CHUNK)


async def test_small_files_come_eight_at_a_time(autojump_clock: MockClock) -> None:
    files = {f"part-{number:02}.txt": b"%d" % number for number in range(32)}
    one = site("hub", Repository(REPO, files))
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        one.faults.delay = 1.0
        got = Collector()
        await UpstreamPool(hub, snapshot).fetch(everything(snapshot), got)
    got.check(snapshot)
    rounds, hops = 32 // pool.FILES_AT_ONCE, 2
    assert trio.current_time() == rounds * hops


async def test_streams_of_all_orders_together_are_limited(autojump_clock: MockClock) -> None:
    files = {f"part-{number:02}.txt": b"%d" % number for number in range(64)}
    one = site("hub", Repository(REPO, files))
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        one.faults.delay = 1.0
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        async with trio.open_nursery() as nursery:
            for order in range(4):
                nursery.start_soon(upstream.fetch, range(16 * order, 16 * order + 16), got)
    got.check(snapshot)
    assert trio.current_time() == 2 * 64 / pool.STREAMS


async def test_a_signed_url_is_used_again() -> None:
    one = site("hub", big())
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        for first in range(0, 40, 10):
            await upstream.fetch(range(first, first + 10), got)
    got.check(snapshot)
    assert sum(where == "hub" and "/resolve/" in request.target for where, request in one.requests) == 1


async def test_a_signed_url_that_expired_is_asked_for_anew(autojump_clock: MockClock) -> None:
    one = site("hub", big())
    one.link_seconds = 30
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        for first in range(0, 40, 10):
            await upstream.fetch(range(first, first + 10), got)
            await trio.sleep(20)
    got.check(snapshot)
    assert sum(where == "hub" and "/resolve/" in request.target for where, request in one.requests) == 2
    assert trio.current_time() == 80, "nothing waited"


async def test_the_rate_is_kept(autojump_clock: MockClock) -> None:
    async with Hubs(hub=site("hub", big(8))) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        got = Collector()
        await UpstreamPool(hub, snapshot, limiter=RateLimiter(CHUNK)).fetch(range(8), got)
    assert trio.current_time() == pytest.approx(8 - BURST_SECONDS)


async def test_a_cancelled_order_stops_at_once(autojump_clock: MockClock) -> None:
    one = site("hub", big(), faults=Faults(rate=CHUNK))
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        with trio.move_on_after(5.1):
            await upstream.fetch(range(40), got)
        assert trio.current_time() == 5.1
        assert sorted(got.chunks) == list(range(5))
        one.faults.rate = 0
        await upstream.fetch(range(5, 40), got)
    got.check(snapshot)


async def test_an_order_for_nothing() -> None:
    async with Hubs(hub=site("hub", big())) as hub:
        _, got = await fetched(hub, [])
    assert got.chunks == {}


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["private", "gated"])
async def test_the_token_goes_to_the_hub_and_not_to_the_store(fault: str) -> None:
    faults = Faults(token=CANARY, private=fault == "private", gated=fault == "gated")
    hubs = Hubs(CANARY, hub=site("hub", repository(), faults=faults))
    async with hubs as hub:
        snapshot, got = await fetched(hub)
    got.check(snapshot)
    assert shown(hubs) == {"hub.test"}
    assert "cdn.hub.test" in {request.url.host for request in hubs.transport.asked}


async def test_the_token_is_not_shown_for_what_is_public() -> None:
    hubs = Hubs(CANARY, hub=site("hub", repository(), faults=Faults(token=CANARY)))
    async with hubs as hub:
        await fetched(hub)
    assert shown(hubs) == set()


async def test_without_access_the_order_fails() -> None:
    one = site("hub", repository())
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        one.faults.gated = True
        with pytest.raises(SourceFailed, match="is gated") as failed:
            await UpstreamPool(hub, snapshot).fetch([0], Collector())
    assert failed.value.lasting


# --- one endpoint with faults ---------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503, 500])
@pytest.mark.parametrize("where", ["file", "cdn"])
async def test_an_overloaded_hub_is_asked_again_after_the_time_it_said(
    autojump_clock: MockClock, status: int, where: str
) -> None:
    one = site("hub", big(4))
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        one.set({"status": status, "times": 1, "where": where, "headers": {"Retry-After": "6"}})
        got = Collector()
        await UpstreamPool(hub, snapshot).fetch(range(4), got)
    got.check(snapshot)
    assert trio.current_time() == 6


async def test_a_hub_that_asks_to_wait_too_long_is_not_waited_for(autojump_clock: MockClock) -> None:
    one = site("hub", big(4))
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        one.set({"status": 429, "headers": {"RateLimit": '"resolvers";r=0;t=200'}})
        upstream = UpstreamPool(hub, snapshot)
        assert upstream.usable
        with pytest.raises(SourceFailed, match="too many requests") as failed:
            await upstream.fetch(range(4), Collector())
        assert failed.value.lasting
        assert trio.current_time() == 0
        assert not upstream.usable
        await trio.sleep(200)
        assert upstream.usable


async def test_a_hub_that_always_says_soon_is_not_asked_for_ever(autojump_clock: MockClock) -> None:
    one = site("hub", big(4))
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        one.set({"status": 429, "headers": {"Retry-After": "0"}})
        with pytest.raises(SourceFailed, match="too many requests"):
            await UpstreamPool(hub, snapshot).fetch(range(4), Collector())
    assert trio.current_time() == pool.PATIENCE_SECONDS


async def test_a_hub_that_went_away_is_tried_for_a_while(autojump_clock: MockClock) -> None:
    hubs = Hubs(hub=site("hub", big(4)))
    async with hubs as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        hubs.transport.down.add("hub.test")
        asked = len(hubs.transport.asked)
        with pytest.raises(SourceFailed, match=r"cannot connect to hub\.test"):
            await UpstreamPool(hub, snapshot).fetch(range(4), Collector())
    assert len(hubs.transport.asked) - asked == 5
    assert trio.current_time() == 1 + 2 + 4 + 8


async def test_a_hub_that_comes_back_is_noticed(autojump_clock: MockClock) -> None:
    hubs = Hubs(hub=site("hub", big(4)))
    async with hubs as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        hubs.transport.down.add("hub.test")
        got = Collector()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(UpstreamPool(hub, snapshot).fetch, range(4), got)
            await trio.sleep(5)
            hubs.transport.down.clear()
    got.check(snapshot)
    assert trio.current_time() == 1 + 2 + 4


@pytest.mark.parametrize("fault", [{"ignore_range": True}, {"olah": True}])
async def test_a_hub_that_ignores_ranges_sends_each_file_once(fault: dict[str, Any]) -> None:
    one = site("hub", big(), faults=Faults(**fault))
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        async with trio.open_nursery() as nursery:
            four_orders(nursery, upstream, got)
        got.check(snapshot)
        assert one.sent.total() == 40 * CHUNK
        await upstream.aclose()


async def test_runs_wait_for_a_slow_first_answer_and_then_go_on_side_by_side(
    autojump_clock: MockClock,
) -> None:
    one = site("hub", big())
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        one.faults.delay = http.ANSWER_SECONDS - 1
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        async with trio.open_nursery() as nursery:
            four_orders(nursery, upstream, got)
            await trio.sleep(2 * one.faults.delay - 0.5)
            one.faults.delay = 0
    got.check(snapshot)
    assert trio.current_time() == 2 * (http.ANSWER_SECONDS - 1), "the hub's answer and its store's, once"


async def test_what_is_missing_in_between_is_skipped() -> None:
    one = site("hub", big(), faults=Faults(ignore_range=True))
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        await upstream.fetch([*range(5), *range(30, 35)], got)
        await upstream.fetch(range(5, 10), got)
        await upstream.aclose()
    assert sorted(got.chunks) == [*range(10), *range(30, 35)]
    assert one.sent.total() <= 46 * CHUNK, "35 chunks, then 10 from the start again"


async def test_a_cancelled_order_does_not_spoil_a_shared_body(autojump_clock: MockClock) -> None:
    one = site("hub", big(), faults=Faults(ignore_range=True, rate=CHUNK))
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upstream.fetch, range(10), got)
            nursery.start_soon(upstream.fetch, range(20, 40), got)
            with trio.move_on_after(3.5):
                await upstream.fetch(range(10, 20), got)
        await upstream.fetch(range(10, 20), got)
        await upstream.aclose()
    got.check(snapshot)


async def test_a_shared_body_that_ends_early_is_opened_again(autojump_clock: MockClock) -> None:
    one = site("hub", big(), faults=Faults(ignore_range=True, cut_after=15 * CHUNK + 7))
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        upstream = UpstreamPool(hub, snapshot)
        got = Collector()
        async with trio.open_nursery() as nursery:
            four_orders(nursery, upstream, got)
            await trio.sleep(0.5)
            one.faults.cut_after = -1
        await upstream.aclose()
    got.check(snapshot)
    assert one.sent.total() <= 56 * CHUNK


async def test_a_range_with_status_200_is_a_range() -> None:
    one = site("hub", big(), faults=Faults(range_as_200=True))
    async with Hubs(hub=one) as hub:
        _, got = await fetched(hub, [7, 8])
    assert sorted(got.chunks) == [7, 8]
    assert one.sent.total() == 2 * CHUNK


async def test_a_body_that_ends_early_is_gone_on_with(autojump_clock: MockClock) -> None:
    one = site("hub", big(), faults=Faults(cut_after=10 * CHUNK + 5))
    async with Hubs(hub=one) as hub:
        snapshot, got = await fetched(hub)
    got.check(snapshot)
    assert one.sent.total() <= 40 * CHUNK + 4 * CHUNK
    assert trio.current_time() == 3, "a second of rest after each of three cuts"


async def test_a_body_that_never_gets_through_a_chunk_ends_in_an_error(autojump_clock: MockClock) -> None:
    async with Hubs(hub=site("hub", big(), faults=Faults(cut_after=1000))) as hub:
        with pytest.raises(SourceFailed):
            await fetched(hub)
    assert trio.current_time() <= pool.PATIENCE_SECONDS


async def test_a_file_of_another_size_is_not_taken() -> None:
    async with Hubs(hub=site("hub", big(), faults=Faults(wrong_size=1))) as hub:
        with pytest.raises(SourceFailed, match="bytes where"):
            await fetched(hub, [1, 2])


async def test_a_small_file_of_another_size_is_not_taken() -> None:
    async with Hubs(hub=site("hub", repository(), faults=Faults(wrong_size=1))) as hub:
        with pytest.raises(SourceFailed, match="a body of 10 bytes for a file of 9"):
            await fetched(hub, [0])


async def test_one_missing_file_does_not_keep_the_others() -> None:
    one = site("hub", repository())
    async with Hubs(hub=one) as hub:
        snapshot = (await hub.resolve(REPO)).snapshot
        one.faults.lacks = "config.json"
        got = Collector()
        with pytest.raises(SourceFailed, match=r"no upstream gives config\.json.*has no file 'config\.json'"):
            await UpstreamPool(hub, snapshot).fetch(everything(snapshot), got)
    (missing,) = snapshot.layout.chunks_of(blob_of(snapshot, "config.json"))
    assert set(everything(snapshot)) - set(got.chunks) == {missing}
