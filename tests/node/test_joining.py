"""Joining with a token: whom a newcomer talks to, and what a token is good for."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from protocol.ids import short
from swarm.errors import NoSource, NotAllowed
from tests.node.site_lan import YEAR, SiteLan


async def test_a_token_is_for_so_many_nodes(site: SiteLan, autojump_clock: MockClock) -> None:
    site.create(1)
    await site.start(1)
    token = site.invite(1, uses=2)
    await site.join(2, token)
    await site.join(3, token)
    with pytest.raises(NotAllowed, match="as many nodes"):
        await site.join(4, token)
    assert site.folder(4).grant() is None


async def test_a_token_ends(site: SiteLan, autojump_clock: MockClock) -> None:
    site.create(1)
    await site.start(1)
    token = site.invite(1, valid=3600.0)
    site.wall.pass_days(1 / 24)
    with pytest.raises(NotAllowed, match="expired"):
        await site.join(2, token)


async def test_an_impostor_at_the_address_of_the_inviter(site: SiteLan, autojump_clock: MockClock) -> None:
    """It is another node, of another site even, and hears nothing of the token."""
    site.create(1)
    token = site.invite(1)
    site.create(3, "evil")
    await site.start(3)
    site.lan.network.alias("10.0.0.1", "10.0.0.3")
    with pytest.raises(NoSource, match="another node answers"):
        await site.join(2, token)
    assert site.folder(3).issued() == []


async def test_a_token_of_a_site_that_is_no_more(site: SiteLan, autojump_clock: MockClock) -> None:
    """Its inviter has founded another one since: neither the token nor its proof means anything there."""
    site.create(1)
    token = site.invite(1)
    site.folder(1).path.rename(site.folder(1).path.with_name("old"))
    site.create(1, "new")
    await site.start(1)
    with pytest.raises(NotAllowed, match="may not let others in"):
        await site.join(2, token)


async def test_the_inviter_is_switched_on_a_little_later(site: SiteLan, autojump_clock: MockClock) -> None:
    site.create(1)
    token = site.invite(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.join, 2, token)
        await trio.sleep(15)
        await site.start(1)
    assert site.folder(2).grant() is not None


async def test_an_inviter_that_never_answers(site: SiteLan, autojump_clock: MockClock) -> None:
    site.create(1)
    with pytest.raises(NoSource, match=short(site.me(1).node_id)):
        await site.join(2, site.invite(1))
    assert trio.current_time() < 60


@pytest.mark.parametrize("skew", [YEAR, -YEAR])
async def test_joining_with_a_clock_that_is_wrong_by_a_year(
    site: SiteLan, skew: float, autojump_clock: MockClock
) -> None:
    """The token is not used up by it."""
    site.create(1)
    await site.start(1)
    token = site.invite(1, uses=1)
    site.wall.skew[2] = skew
    with pytest.raises(NotAllowed, match="Set the clock"):
        await site.join(2, token)
    assert await site.join(3, token)
