"""Wrong attestations for a whole file: what it costs the hub to find out, and who is named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from protocol.limits import KIB, MIB
from swarm.errors import WrongContent
from swarm.transfer import examiner
from swarm.transfer.examiner import CHECKS, CHECKS_OF_A_SIGNER, SIGNER_SECONDS
from tests.exchange.nodes import Content
from tests.node.forger import ALL, forger
from tests.node.lan import Hub, Lan, Node, lan

CHUNK = 256 * KIB
HONEST, VICTIM, FIRST_FORGER = 1, 2, 10

Wrongs = list[Iterable[int] | None]


@pytest.fixture
def content() -> Content:
    """Two files of several chunks, 0 to 40 and 41 to 49, and a small one."""
    return Content(40 * CHUNK + 1000, 9 * CHUNK, 100)


async def get_among_forgers(site: Lan, content: Content, wrongs: Wrongs, *, online: bool = True) -> Node:
    """Start as many forgers, which lie about these chunks each; then the victim gets the content."""
    for number, wrong in enumerate(wrongs, FIRST_FORGER):
        await site.start(number, online=False, wrap=forger(number, content, wrong))
    victim = await site.start(VICTIM, online=online)
    await victim.get(content)
    assert await victim.holds(content.snapshot.files)
    forgers = {site.nodes[number].source for number in range(FIRST_FORGER, FIRST_FORGER + len(wrongs))}
    blamed = await victim.blamed()
    assert blamed
    assert blamed <= forgers
    assert victim.ledger.totals.total() == sum(map(content.layout.length, range(content.layout.total)))
    return victim


WITH_AN_HONEST_HOLDER: dict[str, Wrongs] = {
    "one about all": [ALL],
    "two about all": [ALL, ALL],
    "seven about all": [ALL] * 7,
    "one about one chunk": [[7]],
    "three about one chunk each": [[7], [20], [30]],
    "seven about one chunk each": [[7], [20], [30], [3], [40], [41], [45]],
    "three about half": [range(0, 40, 2), range(20), range(20, 40)],
}


@pytest.mark.parametrize("wrongs", WITH_AN_HONEST_HOLDER.values(), ids=WITH_AN_HONEST_HOLDER.keys())
async def test_where_one_holds_it_the_truth_costs_a_few_chunks(
    tmp_path: Path, content: Content, wrongs: Wrongs, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub) as site:
        await (await site.start(HONEST)).get(content)
        paid = hub.sent.total()
        await get_among_forgers(site, content, wrongs)
        assert hub.sent.total() - paid <= 2 * CHECKS_OF_A_SIGNER


@pytest.mark.parametrize("size", [8 * MIB, 64 * MIB], ids=["8 MiB", "64 MiB"])
async def test_the_cost_does_not_grow_with_the_file(
    tmp_path: Path, size: int, autojump_clock: MockClock
) -> None:
    """All of it signed wrong by three: found for at most a megabyte from upstream, whatever it has."""
    content = Content(size)
    hub = Hub(content, rate=16 * MIB)
    async with lan(tmp_path, content, hub) as site:
        await (await site.start(HONEST)).get(content)
        paid, began = hub.sent.total(), trio.current_time()
        await get_among_forgers(site, content, [ALL] * 3)
        assert trio.current_time() - began < SIGNER_SECONDS
        assert (hub.sent.total() - paid) * CHUNK <= CHECKS_OF_A_SIGNER * CHUNK == 1 * MIB


@pytest.mark.parametrize("wrongs", [[ALL], [[7]], [[7], [20], [30], [3]], [ALL] * 5], ids=str)
async def test_where_nobody_holds_it_the_file_is_paid_once(
    tmp_path: Path, content: Content, wrongs: Wrongs, autojump_clock: MockClock
) -> None:
    """However many lie, the get succeeds, as the hub has it."""
    hub = Hub(content)
    async with lan(tmp_path, content, hub) as site:
        await get_among_forgers(site, content, wrongs)
        assert hub.sent.total() <= content.layout.total + 2 * CHECKS


async def test_who_is_not_found_out_by_a_look_costs_a_round_and_then_the_file_once(
    tmp_path: Path, content: Content, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """More liars than rounds, none of which is looked at: upstream has the last word."""
    monkeypatch.setattr(examiner, "CHECKS_OF_A_SIGNER", 0)
    hub = Hub(content)
    async with lan(tmp_path, content, hub) as site:
        await get_among_forgers(site, content, [[number] for number in range(8)])
        assert hub.sent.total() <= content.layout.total


async def test_without_upstream_the_honest_holder_is_found_among_two_liars(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content)
    async with lan(tmp_path, content, hub) as site:
        await (await site.start(HONEST)).get(content)
        paid = hub.sent.total()
        await get_among_forgers(site, content, [[7], [20]], online=False)
        assert hub.sent.total() == paid


async def test_without_upstream_many_liars_end_the_get_with_their_names(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    async with lan(tmp_path, content, Hub(content)) as site:
        with pytest.raises(WrongContent, match="never matched its publisher's digest"):
            await get_among_forgers(site, content, [[n] for n in range(5)], online=False)
