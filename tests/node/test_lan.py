"""Whole nodes on a LAN in memory: what each scenario costs the hub, who finishes, who is blamed."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from protocol.limits import KIB, MIB
from swarm.errors import NoSource, StoreError, WrongContent
from swarm.sources import Source
from tests.exchange.nodes import Content
from tests.node.faulty import FlipsBytes, Overheard, approves_all, fills_up
from tests.node.lan import HUB, MIRROR, SETTLE, Hub, Killed, Node, lan

CHUNK = 256 * KIB


@pytest.fixture
def content() -> Content:
    """A model of one long file (chunks 0 to 40), one of nine chunks, and thirty small ones."""
    return Content(40 * CHUNK + 1000, 9 * CHUNK, *range(100, 130))


def size(content: Content) -> int:
    return sum(map(content.layout.length, range(content.layout.total)))


async def fails(node: Node, content: Content, error: type[Exception]) -> None:
    """Get the content; this is how it ends."""
    with pytest.raises(error):
        await node.get(content)


# --- nothing goes wrong ---------------------------------------------------------------------------------


async def test_eight_nodes_start_cold(tmp_path: Path, content: Content, autojump_clock: MockClock) -> None:
    hub = Hub(content, rate=4 * MIB)
    async with lan(tmp_path, content, hub, nodes=8) as site:
        await site.get_all()
        assert await site.all_hold()
        assert [await node.blamed() for node in site.nodes.values()] == [set()] * 8
        last = max(node.finished_at for node in site.nodes.values())
    assert hub.sent == Counter(range(content.layout.total))
    assert last < SETTLE + 1.15 * size(content) / (4 * MIB)


async def test_a_late_joiner_takes_nothing_from_the_hub(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=3) as site:
        await site.get_all()
        late = await site.start(4)
        await late.get(content)
        assert await site.all_hold()
        assert await late.received(content) == {"peer": size(content)}
    assert hub.share == 1


async def test_who_joins_half_way_does_not_go_to_the_hub(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=3) as site, trio.open_nursery() as nursery:
        nursery.start_soon(site.get_all)
        await hub.reached(0.5)
        late = await site.start(4)
        await late.get(content)
        assert set(await late.received(content)) == {"peer"}
    assert hub.share == 1


async def test_two_gets_of_different_files_share_a_transfer(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=1) as site:
        node = site.nodes[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.get, content, "f000", "f005")
            nursery.start_soon(node.get, content, "f001", "f005")
        wanted = [file for file in content.snapshot.files if file.path in ("f000", "f001", "f005")]
        assert await node.holds(wanted)
        chunks = [chunk for file in wanted for chunk in content.layout.chunks_of(file.blob)]
        assert not node.transfers.is_running(content.key)
    assert hub.sent == Counter(chunks)


async def test_a_get_that_is_cancelled_is_taken_up_again(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=1) as site:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(site.nodes[1].get, content)
            await hub.reached(0.4)
            nursery.cancel_scope.cancel()
        await site.nodes[1].get(content)
        assert await site.all_hold()
    assert set(hub.sent) == set(range(content.layout.total))
    assert hub.share < 1.05  # what was on the line when the first get ended


async def test_a_node_switched_off_half_way_goes_on_from_its_disk(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=1) as site:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(site.nodes[1].get, content)
            await hub.reached(0.4)
            nursery.cancel_scope.cancel()
        await site.crash(1)
        again = await site.start(1)
        await again.get(content)
        assert await site.all_hold()
    assert hub.share < 1.05


async def test_a_private_snapshot_is_never_told_of(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=1) as site:
        overheard = Overheard()
        other = await site.start(2, wrap=overheard.wrap)
        await trio.sleep(SETTLE)
        await site.nodes[1].get(content, public=False)
        assert len(other.exchange.peers()) == 1
        assert overheard.topics == []
        assert await other.exchange.asking.lookup("hf", "model", "org/model", "main") == []
        await other.get(content)
        assert set(await other.received(content)) == {"upstream"}
    assert hub.share == 2


# --- links and nodes fail -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
async def test_links_that_break_are_made_again(
    tmp_path: Path, content: Content, autojump_clock: MockClock, seed: int
) -> None:
    hub = Hub(content, rate=1 * MIB)
    chance = random.Random(seed)
    async with lan(tmp_path, content, hub, nodes=5, seed=seed) as site, trio.open_nursery() as nursery:

        async def cut() -> None:
            while True:
                await trio.sleep(chance.uniform(0.5, 1.5))
                site.break_link(*chance.sample(sorted(site.nodes), 2))

        nursery.start_soon(cut)
        await site.get_all()
        nursery.cancel_scope.cancel()
        assert await site.all_hold()
        assert [await node.blamed() for node in site.nodes.values()] == [set()] * 5
    assert hub.share < 1.25


async def test_slow_peers_hold_up_nobody_else(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content, rate=4 * MIB)
    async with lan(tmp_path, content, hub, nodes=5) as site:
        for number in site.origin_first()[1:3]:
            await site.restart(number, upload=256 * KIB)
        await site.get_all()
        assert await site.all_hold()
        last = max(node.finished_at for node in site.nodes.values())
    assert hub.share == 1
    assert last < SETTLE + 3 * size(content) / (4 * MIB)


async def test_the_origin_is_killed_at_forty_percent(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=5) as site:
        origin, *others = site.origin_first()
        doomed = site.nodes[origin]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails, doomed, content, Killed)
            nursery.start_soon(site.get_all, *others)
            await hub.reached(0.4)
            assert set(await doomed.received(content)) == {"upstream"}
            await site.crash(origin)
        assert await site.all_hold(*others)
    assert hub.share <= 1.10


async def test_the_origin_loses_its_cable_at_forty_percent(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=5) as site:
        origin, *others = site.origin_first()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails, site.nodes[origin], content, Killed)
            nursery.start_soon(site.get_all, *others)
            await hub.reached(0.4)
            site.cut_cable(origin)
            site.nodes[origin].kill()
        assert await site.all_hold(*others)
    assert hub.share <= 1.10


async def test_the_hub_goes_away_once_one_node_has_all(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=4) as site:
        await site.nodes[1].get(content)
        hub.down = True
        await site.get_all(2, 3, 4)
        assert await site.all_hold()
    assert hub.share == 1


async def test_everything_is_gone(tmp_path: Path, content: Content, autojump_clock: MockClock) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=2) as site:
        origin, other = site.origin_first()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails, site.nodes[origin], content, Killed)
            nursery.start_soon(fails, site.nodes[other], content, NoSource)
            await hub.reached(0.4)
            hub.down = True
            gone_at = trio.current_time()
            await site.crash(origin)
        assert trio.current_time() - gone_at < 60


async def test_nobody_is_there_at_all(tmp_path: Path, content: Content, autojump_clock: MockClock) -> None:
    async with lan(tmp_path, content, Hub(content)) as site:
        node = await site.start(1, online=False)
        with pytest.raises(NoSource) as caught:
            await node.get(content)
    assert caught.value.exit_code == 5
    assert trio.current_time() < 30


async def test_a_full_disk_ends_the_get_and_no_link(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=3) as site, trio.open_nursery() as nursery:
        for number in (1, 2):
            nursery.start_soon(site.nodes[number].get, content)
        full = site.nodes[3]
        with fills_up(full.store, after=10), pytest.raises(StoreError) as caught:
            await full.get(content)
        assert caught.value.exit_code == 7
        assert len(full.exchange.peers()) == 2
    assert hub.share <= 1.10


async def test_a_full_disk_of_the_origin_ends_its_get_alone(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=3) as site:
        origin, *others = site.origin_first()
        with fills_up(site.nodes[origin].store, after=10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fails, site.nodes[origin], content, StoreError)
                nursery.start_soon(site.get_all, *others)
        assert await site.all_hold(*others)
    assert hub.share <= 1.15


# --- somebody lies --------------------------------------------------------------------------------------


async def test_a_peer_that_flips_bytes_is_named_and_left_out(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub, nodes=4) as site:
        liar = await site.start(5, wrap=FlipsBytes)
        await site.get_all()
        assert await site.all_hold()
        blamed = [await site.nodes[number].blamed() for number in range(1, 5)]
        assert {liar.source} in blamed
        assert all(sources <= {liar.source} for sources in blamed)
    assert hub.share < 1.5


async def test_an_origin_deceived_by_its_mirror(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    """Its first mirror sends two wrong chunks; all find out when the file is whole, and mend just that."""
    hub = Hub(content, mirrors=[MIRROR, HUB])
    hub.wrong[MIRROR] = {7, 30}
    async with lan(tmp_path, content, hub, nodes=4) as site:
        origin, *others = (site.nodes[number] for number in site.origin_first())
        await site.get_all()
        assert await site.all_hold()
        assert await origin.blamed() == {Source("upstream", MIRROR)}
        for node in others:
            assert await node.blamed() <= {origin.source}
            assert node.payload <= size(content) + 2 * CHUNK
    checks = 3 * 2 * 2  # each of the others looks at both chunks, at both mirrors
    assert hub.share < 2 + checks / content.layout.total


async def test_an_origin_that_stands_by_wrong_bytes(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    """It says that it checked the whole, and did not: it is named, left alone, and worked around."""
    hub = Hub(content, mirrors=[HUB, MIRROR])
    hub.wrong[MIRROR] = {7, 30}
    async with lan(tmp_path, content, hub) as site:
        for number in range(1, 5):
            await site.start(number, mirrors=[HUB])
        forger = await site.restart(site.first_in_rank(), mirrors=[MIRROR])
        others = [node for node in site.nodes.values() if node is not forger]
        with approves_all(forger.store):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fails, forger, content, StoreError)
                for node in others:
                    nursery.start_soon(node.get, content)
        for node in others:
            assert await node.holds(content.snapshot.files)
            assert await node.blamed() <= {forger.source}
            assert forger.id not in {peer.node_id for peer in node.exchange.peers()}
    assert hub.share < 2.2


async def test_an_origin_with_one_good_mirror(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content, mirrors=[MIRROR, HUB])
    hub.wrong[MIRROR] = {3}
    async with lan(tmp_path, content, hub, nodes=1) as site:
        await site.get_all()
        assert await site.all_hold()
        assert await site.nodes[1].blamed() == {Source("upstream", MIRROR)}
        assert all(hub.sent[chunk] <= 2 for chunk in hub.sent)


async def test_a_hub_that_is_wrong_until_the_next_get(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    hub.wrong[HUB] = {3}
    async with lan(tmp_path, content, hub, nodes=1) as site:
        with pytest.raises(WrongContent, match=HUB) as caught:
            await site.nodes[1].get(content)
        assert caught.value.exit_code == 6
        assert set(hub.sent.values()) == {1}
        assert trio.current_time() < 60
        hub.wrong.clear()
        await site.nodes[1].get(content)
        assert await site.all_hold()
        long_file = content.layout.chunks_of(content.snapshot.files[0].blob)
    assert hub.sent == Counter(range(content.layout.total)) + Counter(long_file)
