"""Sites of whole nodes on a LAN: who comes in, who stays, and what a wrong clock does."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from protocol.invitation import parse_grant, request
from protocol.limits import KIB
from protocol.membership import DAY, Rights
from swarm.errors import NotAllowed, UsageError
from swarm.sites import administration
from tests.exchange.nodes import PORT
from tests.node.site_lan import CONTENT, MEMBER, SOON, YEAR, SiteLan, of_members

# --- coming in ------------------------------------------------------------------------------------------


async def test_a_node_joins_over_the_lan_while_its_daemon_runs(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    site.create(1)
    one = await site.start(1)
    two = await site.start(2)
    await trio.sleep(SOON)
    assert site.standing(1) == site.standing(2) == {}
    assert await site.join(2, site.invite(1))
    await trio.sleep(SOON)
    assert (site.standing(1), site.standing(2)) == ({2: MEMBER}, {1: MEMBER})
    await one.get(CONTENT)
    await two.get(CONTENT)
    assert (await two.received(CONTENT))["peer"] == 600 * KIB + 1000


async def test_joining_again_is_no_second_use(site: SiteLan, autojump_clock: MockClock) -> None:
    site.create(1)
    await site.start(1)
    token = site.invite(1, uses=1)
    assert await site.join(2, token)
    site.wall.pass_days(0.01)
    assert await site.join(2, token)  # what it is granted now lasts longer
    assert [row.name for row in site.folder(1).issued()] == ["h2"]


async def test_a_node_joins_by_two_files(site: SiteLan, autojump_clock: MockClock) -> None:
    site.create(1)
    asked = request(site.me(2), "h2")
    answer = administration.answer(
        site.folder(1), site.me(1), str(asked), Rights.MEMBER, [f"10.0.0.1:{PORT}"], site.now(1)
    )
    assert administration.accept(site.folder(2), site.me(2), parse_grant(str(answer)), site.now(2))
    await site.start(1)
    await site.start(2)
    await trio.sleep(SOON)
    assert site.standing(2) == {1: MEMBER}


async def test_hundreds_from_one_token(site: SiteLan, autojump_clock: MockClock) -> None:
    site.create(1)
    await site.start(1)
    token = site.invite(1, uses=300)
    joined: list[bool] = []

    async def join(number: int) -> None:
        joined.append(await site.join(number, token))

    async with trio.open_nursery() as nursery:
        for number in range(2, 302):
            nursery.start_soon(join, number)
    assert joined == [True] * 300
    with pytest.raises(NotAllowed, match="as many nodes"):
        await site.join(302, token)


# --- strangers ------------------------------------------------------------------------------------------


async def test_a_stranger_is_refused(site: SiteLan, autojump_clock: MockClock) -> None:
    await of_members(site, 2)
    await site.lan.nodes[1].get(CONTENT)
    stranger = await site.start(9)
    await trio.sleep(60)
    assert site.standing(9) == {}
    assert site.standing(1) == {2: MEMBER}
    await stranger.get(CONTENT)
    assert await stranger.received(CONTENT) == {"upstream": 600 * KIB + 1000}


async def test_a_site_that_serves_open_peers_as_well(site: SiteLan, autojump_clock: MockClock) -> None:
    site.create(1)
    server = await site.start(1, serves_open=True)
    await site.join(2, site.invite(1))
    await site.start(2)
    stranger = await site.start(9)
    await trio.sleep(SOON)
    assert site.standing(1) == {2: MEMBER, 9: "open"}
    assert site.standing(9) == {1: "open"}
    assert site.standing(2) == {1: MEMBER}
    await server.get(CONTENT)
    await stranger.get(CONTENT)
    assert (await stranger.received(CONTENT))["peer"] == 600 * KIB + 1000


async def test_members_of_two_sites_are_strangers(site: SiteLan, autojump_clock: MockClock) -> None:
    site.create(1)
    site.create(2, "other")
    await site.start(1)
    await site.start(2)
    await trio.sleep(SOON)
    assert site.standing(1) == site.standing(2) == {}
    with pytest.raises(UsageError, match="belongs to the site 'other'"):
        await site.join(2, site.invite(1))


# --- staying --------------------------------------------------------------------------------------------


async def test_a_membership_is_renewed_over_the_link_and_told_to_others(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    await of_members(site, 3)
    before = site.expires(2)
    site.wall.pass_days(16)
    await trio.sleep(120)
    assert site.expires(2) >= before + 15 * DAY
    grant = site.folder(2).grant()
    assert grant is not None
    assert grant.membership.own.expires == site.expires(2)
    site.wall.pass_days(15)
    await trio.sleep(SOON)
    assert site.standing(3) == {1: MEMBER, 2: MEMBER}


async def test_a_machine_that_runs_for_moments_only_is_renewed(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    """It has no daemon: every `swarm get` is a node for as long as it runs."""
    await of_members(site, 2)
    await site.lan.crash(2)
    before = site.expires(2)
    site.wall.pass_days(16)
    await site.start(2)
    await trio.sleep(5)
    await site.lan.crash(2)
    assert site.expires(2) >= before + 15 * DAY


async def test_a_member_without_a_link_to_an_issuer_calls_one(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    await of_members(site, 2)
    before = site.expires(2)
    site.lan.nodes[2].exchange.distrust(site.me(1).node_id, 10 * YEAR)
    site.wall.pass_days(16)
    await trio.sleep(120)
    assert site.standing(2) == {}
    assert site.expires(2) > before


async def test_a_member_that_could_not_renew_is_out(site: SiteLan, autojump_clock: MockClock) -> None:
    await of_members(site, 3)
    await site.lan.crash(1)
    site.wall.pass_days(31)
    await trio.sleep(2 * SOON)
    assert site.standing(2) == site.standing(3) == {}
    assert set(site.causes(2).values()) == {"own expired"}
    await site.start(1)
    await trio.sleep(60)
    assert site.standing(1) == {}
    await site.join(2, site.invite(1))
    await trio.sleep(SOON)
    assert site.standing(1) == {2: MEMBER}


async def test_the_founder_renews_itself_beside_its_root_key(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    await of_members(site, 2)
    for _ in range(14):
        site.wall.pass_days(14)
        await trio.sleep(1000)
    assert site.expires(1) > site.now(1) + 300 * DAY
    assert site.standing(2) == {1: MEMBER}


async def test_the_site_outlives_the_machine_that_founded_it(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    site.create(1)
    await site.start(1)
    await site.join(2, site.invite(1, rights=Rights.ISSUER))
    await site.start(2)
    await site.join(3, site.invite(1))
    await site.start(3)
    await trio.sleep(SOON)
    await site.lan.crash(1)
    site.wall.pass_days(16)
    await trio.sleep(120)
    assert site.expires(3) > site.now(3) + 29 * DAY
    await site.join(4, site.invite(2))
    await site.start(4)
    await trio.sleep(SOON)
    assert site.standing(4) == {2: MEMBER, 3: MEMBER}
    with pytest.raises(NotAllowed, match="may not let others in"):
        site.invite(2, rights=Rights.ISSUER)
    with pytest.raises(NotAllowed, match="may not let others in"):
        site.invite(3)


async def test_a_copy_of_the_root_key_founds_the_site_anew(site: SiteLan, autojump_clock: MockClock) -> None:
    await of_members(site, 3)
    await site.lan.crash(1)
    copy = site.folder(1).root.path
    site.create(2, root=copy)
    await trio.sleep(SOON)
    await site.join(4, site.invite(2))
    await site.start(4)
    await trio.sleep(SOON)
    assert site.standing(4) == {2: MEMBER, 3: MEMBER}


# --- clocks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [YEAR, -YEAR], ids=["a year ahead", "a year behind"])
async def test_a_member_whose_clock_is_wrong_by_a_year(
    site: SiteLan, skew: float, autojump_clock: MockClock
) -> None:
    await of_members(site, 3)
    await site.lan.crash(3)
    site.wall.skew[3] = skew
    await site.start(3)
    await trio.sleep(60)
    assert site.standing(3) == {}
    assert site.standing(1) == {2: MEMBER}
    assert site.causes(3) == {site.me(number).node_id: "clock" for number in (1, 2)}
    assert site.causes(1) == {site.me(3).node_id: "clock"}
    trouble = site.gates[3].troubles[site.me(1).node_id]
    assert trouble.verdict.ahead == pytest.approx(-skew, abs=5)
    site.wall.skew[3] = 0
    await trio.sleep(90)
    assert site.standing(3) == {1: MEMBER, 2: MEMBER}
    assert site.causes(3) == site.causes(1) == {}


async def test_an_answer_brought_to_a_machine_with_a_wrong_clock(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    site.create(1)
    asked = str(request(site.me(2), "h2"))
    answer = administration.answer(site.folder(1), site.me(1), asked, Rights.MEMBER, [], site.now(1))
    for skew in (YEAR, -YEAR):
        site.wall.skew[2] = skew
        with pytest.raises(NotAllowed, match="Set the clock"):
            administration.accept(site.folder(2), site.me(2), answer, site.now(2))


async def test_a_clock_on_local_time_does_no_harm(site: SiteLan, autojump_clock: MockClock) -> None:
    site.wall.skew[2] = 14 * 3600
    site.wall.skew[3] = -5 * 3600
    await of_members(site, 3)
    assert site.standing(2) == {1: MEMBER, 3: MEMBER}


# --- certificates that are not what they should be ------------------------------------------------------


async def test_the_membership_of_another_node(site: SiteLan, autojump_clock: MockClock) -> None:
    """A home that was copied with another identity in it: said at once, in words."""
    await of_members(site, 2)
    stolen = site.folder(2).grant()
    assert stolen is not None
    with pytest.raises(NotAllowed, match="another node"):
        administration.accept(site.folder(3), site.me(3), stolen, site.now(3))


@pytest.mark.parametrize(
    ("made", "theirs", "ours"),
    [(-31 * DAY, "expired", "own expired"), (2 * DAY, "not valid yet", "own not valid yet")],
)
async def test_a_certificate_that_has_ended_or_lies_in_the_future(
    site: SiteLan, autojump_clock: MockClock, made: float, theirs: str, ours: str
) -> None:
    """Put on disk as it is, by somebody who asks no command whether it holds."""
    administration.create(site.folder(1), site.me(1), "lab", None, site.now(1) - 100 * DAY, root=None)
    asked = str(request(site.me(2), "h2"))
    when = site.now(1) + made
    grant = administration.answer(site.folder(1), site.me(1), asked, Rights.MEMBER, [], when)
    site.folder(2).keep_grant(grant)
    await site.start(1)
    await site.start(2)
    await trio.sleep(SOON)
    assert site.standing(1) == site.standing(2) == {}
    assert site.causes(1) == {site.me(2).node_id: theirs}
    assert site.causes(2) == {site.me(1).node_id: ours}
