"""Whole nodes, each with far fewer links than there are nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from protocol.limits import KIB, MIB
from tests.exchange.nodes import Content
from tests.node.lan import Hub, Lan, lan

NODES = 16
LINKS = 6


@pytest.fixture
def content() -> Content:
    return Content(40 * 256 * KIB + 1000, *range(100, 110))


async def linked(site: Lan) -> None:
    """Until all have the links they want."""
    await trio.sleep(70)
    counts = [len(node.exchange.peers()) for node in site.nodes.values()]
    assert max(counts) <= LINKS
    assert min(counts) >= 2


async def test_the_hub_is_paid_about_once(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    hub = Hub(content, rate=1 * MIB)
    async with lan(tmp_path, content, hub, nodes=NODES, max_links=LINKS) as site:
        await linked(site)
        await site.get_all()
        assert await site.all_hold()
    assert hub.share < 1.15


async def test_few_who_want_it_find_one_another(
    tmp_path: Path, content: Content, autojump_clock: MockClock
) -> None:
    """Though most of those they are linked with do not take part."""
    hub = Hub(content, rate=1 * MIB)
    async with lan(tmp_path, content, hub, nodes=NODES, max_links=LINKS) as site:
        await linked(site)
        await site.get_all(1, 2, 3, 4)
        assert await site.all_hold(1, 2, 3, 4)
        assert hub.share < 1.15
        paid = hub.share
        await site.get_all(12)
        assert await site.all_hold(12)
        assert hub.share == paid
