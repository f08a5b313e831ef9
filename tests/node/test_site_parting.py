"""Sites of whole nodes on a LAN: who leaves, and who is put out."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from protocol.invitation import request
from protocol.membership import Rights
from protocol.messages import Granted
from swarm.errors import NotAllowed
from swarm.sites import administration
from tests.node.site_lan import MEMBER, SOON, SiteLan, of_members

# --- leaving --------------------------------------------------------------------------------------------


async def test_who_leaves_is_linked_with_no_member_and_open_to_others(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    await of_members(site, 3)
    await site.start(4)
    await trio.sleep(SOON)
    assert administration.leave(site.folder(3)).joined
    await trio.sleep(SOON)
    assert (site.standing(3), site.standing(4)) == ({4: "open"}, {3: "open"})
    assert site.standing(1) == {2: MEMBER}
    assert site.gates[3].badge() == b""
    await site.join(3, site.invite(1))
    await trio.sleep(SOON)
    assert site.standing(3) == {1: MEMBER, 2: MEMBER}


async def test_who_leaves_is_open_to_members_that_serve_open_nodes(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    """They are told by the new handshake: what is for members only goes to it no more."""
    site.create(1)
    await site.start(1, serves_open=True)
    await site.join(2, site.invite(1))
    await site.start(2, serves_open=True)
    await trio.sleep(SOON)
    assert site.standing(1) == {2: MEMBER}
    administration.leave(site.folder(2))
    await trio.sleep(SOON)
    assert (site.standing(1), site.standing(2)) == ({2: "open"}, {1: "open"})


async def test_a_renewal_on_its_way_does_not_undo_leaving(
    site: SiteLan, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    await of_members(site, 2)
    granting = site.gates[1].grant

    async def granted_too_late(*given: Any) -> Granted:
        administration.leave(site.folder(2))
        return await granting(*given)

    monkeypatch.setattr(site.gates[1], "grant", granted_too_late)
    site.wall.pass_days(16)
    await trio.sleep(120)
    assert site.folder(2).grant() is None
    assert site.standing(2) == {}


async def test_a_list_heard_just_before_leaving_is_not_kept(site: SiteLan, autojump_clock: MockClock) -> None:
    await of_members(site, 3)
    gate = site.gates[2]
    revocation = site.revoke(1, 3)
    await trio.sleep(SOON)
    gate.unsaved.append(revocation)
    administration.leave(site.folder(2))
    await trio.sleep(SOON)
    assert gate.unsaved == []
    assert not site.folder(2).revocations()


# --- being put out --------------------------------------------------------------------------------------


async def test_a_revocation_spreads_and_cuts_within_a_minute(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    await of_members(site, 5)
    assert site.standing(5) == dict.fromkeys((1, 2, 3, 4), MEMBER)
    site.revoke(1, 5)
    await trio.sleep(SOON)
    assert site.standing(5) == {}
    for number in (1, 2, 3, 4):
        assert set(site.standing(number)) == {1, 2, 3, 4} - {number}
        assert [one.nodes for one in site.folder(number).revocations()] == [(site.me(5).node_id,)]
    assert set(site.causes(5).values()) == {"own revoked"}
    await trio.sleep(600)
    assert site.standing(5) == {}


async def test_a_node_that_was_off_hears_of_it_from_whoever_is_there(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    """The revoked one, which keeps quiet about it, comes to it first and is let in, until a member tells."""
    await of_members(site, 4)
    await site.lan.crash(2)
    site.revoke(1, 4)
    await trio.sleep(SOON)
    for number in (1, 3, 4):
        await site.lan.crash(number)
    shutil.rmtree(site.folder(4).path / "revoked")
    await site.start(2)
    await site.start(4)
    await trio.sleep(SOON)
    assert site.standing(2) == {4: MEMBER}
    await site.start(3)
    await trio.sleep(SOON)
    assert site.standing(2) == {3: MEMBER}


async def test_a_revoked_node_is_not_let_in_again(site: SiteLan, autojump_clock: MockClock) -> None:
    await of_members(site, 2)
    site.revoke(1, 2)
    await trio.sleep(SOON)
    with pytest.raises(NotAllowed, match="was revoked"):
        await site.redeem(2, site.invite(1))
    asked = str(request(site.me(2), "h2"))
    with pytest.raises(NotAllowed, match="was revoked"):
        administration.answer(site.folder(1), site.me(1), asked, Rights.MEMBER, [], site.now(1))


async def test_an_issuer_revokes_members_and_is_revoked_with_those_it_let_in(
    site: SiteLan, autojump_clock: MockClock
) -> None:
    await of_members(site, 3)
    await site.join(4, site.invite(1, rights=Rights.ISSUER))
    await site.start(4)
    await site.join(5, site.invite(4))
    await site.start(5)
    await trio.sleep(SOON)
    with pytest.raises(NotAllowed):
        site.revoke(4, 1)
    site.revoke(4, 3)
    await trio.sleep(SOON)
    assert site.standing(2) == {1: MEMBER, 4: MEMBER, 5: MEMBER}
    site.revoke(1, 4)
    await trio.sleep(SOON)
    assert site.standing(2) == {1: MEMBER}
    await site.join(5, site.invite(1))
    await trio.sleep(SOON)
    assert site.standing(2) == {1: MEMBER, 5: MEMBER}


async def test_a_member_may_not_revoke(site: SiteLan, autojump_clock: MockClock) -> None:
    await of_members(site, 3)
    with pytest.raises(NotAllowed):
        site.revoke(2, 3)
