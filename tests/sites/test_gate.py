"""The gate: what it judges, remembers and reads, for a daemon that runs while commands change files."""

from __future__ import annotations

import logging

import pytest

from protocol.handshake import Hello, PeerIdentity
from protocol.ids import to_text
from protocol.membership import DAY, BadMembership, Rights, decode_membership
from protocol.messages import Redeem, Renew
from protocol.revocation import revoke
from protocol.standing import Verdict
from swarm.errors import StoreError
from swarm.sites import administration
from swarm.sites.gate import MAX_TROUBLES, REASONS, RENEWAL_SECONDS, told
from tests.exchange.nodes import identity
from tests.sites.people import NOW, Person, reread


def peer(person: Person) -> PeerIdentity:
    return PeerIdentity(person.me.node_id, person.me.public_key, Hello("control", 0, "test"))


def test_a_node_of_no_site(other: Person, founder: Person) -> None:
    gate = other.gate()
    assert (gate.badge(), gate.in_site, gate.grants) == (b"", False, False)
    assert gate.meet(peer(founder), b"").standing == "open"
    assert gate.meet(peer(founder), founder.gate().badge()).cause == "stranger"
    assert gate.meet(peer(founder), founder.gate(serves_open=True).badge()).standing == "open"
    assert gate.troubles == {}


def test_members(founder: Person, other: Person) -> None:
    founder.let_in(other)
    mine, theirs = founder.gate(), other.gate()
    assert mine.meet(peer(other), theirs.badge()).standing == "member"
    assert theirs.meet(peer(founder), mine.badge()).standing == "member"
    assert (mine.grants, theirs.grants) == (True, False)
    assert theirs.rights_of(mine.badge()) is Rights.FOUNDER


def test_the_badge_of_somebody_else(founder: Person, other: Person, third: Person) -> None:
    founder.let_in(other)
    gate = founder.gate()
    for badge in (other.gate().badge(), b"x", other.gate().badge()[:-1]):
        assert gate.meet(peer(third), badge).cause == "forged"
        assert third.gate().meet(peer(third), b"x").cause == "forged"
    assert gate.troubles[third.me.node_id].verdict.cause == "forged"


def test_trouble_is_told_once_and_forgotten_when_it_is_over(
    founder: Person, other: Person, caplog: pytest.LogCaptureFixture
) -> None:
    founder.let_in(other)
    gate, late = founder.gate(), other.gate(now=NOW + 400 * DAY)
    for _ in range(3):
        assert gate.meet(peer(other), late.badge()) == Verdict("refused", "clock", 400 * DAY)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "400.0 days ahead of" in caplog.text
    gate.meet(peer(other), other.gate().badge())
    assert gate.troubles == {}


def test_the_troubles_remembered_are_few(founder: Person, other: Person) -> None:
    founder.let_in(other)
    badge = other.gate().badge()
    gate = founder.gate()
    for number in range(1000, 1000 + MAX_TROUBLES + 5):
        me = identity(number)
        gate.meet(PeerIdentity(me.node_id, me.public_key, Hello("control", 0, "")), badge)
    assert len(gate.troubles) == MAX_TROUBLES


def test_every_cause_has_words() -> None:
    assert "behind" in told(Verdict("refused", "clock", -DAY * 365))
    for cause in REASONS:
        assert told(Verdict("refused", cause))  # type: ignore[arg-type]  # the keys are causes


def test_a_daemon_notices_what_commands_do(founder: Person, other: Person) -> None:
    mine, theirs = founder.gate(), other.gate()
    assert not reread(mine)
    founder.let_in(other)
    assert reread(theirs)
    assert theirs.in_site
    administration.put_out(founder.folder, founder.me, ["of 0"], None, NOW)
    assert reread(mine)
    assert not reread(mine)
    assert mine.meet(peer(other), theirs.badge()).cause == "revoked"
    (other.folder.path / "membership").unlink()
    assert reread(theirs)
    assert (theirs.badge(), theirs.lists()) == (b"", [])


def test_a_membership_of_another_node_on_disk(founder: Person, other: Person, third: Person) -> None:
    founder.let_in(other)
    (other.folder.path).rename(third.folder.path)
    with pytest.raises(StoreError, match="another node"):
        third.gate()


def test_lists_that_are_heard(founder: Person, other: Person, third: Person) -> None:
    founder.let_in(other)
    gate = other.gate()
    one = administration.put_out(founder.folder, founder.me, [to_text(third.me.node_id)], None, NOW)
    assert gate.hear(one.encode())
    assert not gate.hear(one.encode())
    assert gate.lists() == [one.encode()]
    assert gate.unsaved == [one]
    with pytest.raises(ValueError, match="not a revocation list"):
        gate.hear(b"x")
    assert not third.gate().hear(one.encode())


def test_what_was_heard_outlives_what_is_on_disk(founder: Person, other: Person) -> None:
    """A list that is not written yet is not forgotten when some file changes."""
    founder.let_in(other)
    gate = other.gate()
    grant = founder.folder.grant()
    assert grant is not None
    one = revoke(founder.me, grant.membership.root_key, grant.membership, None, [other.me.node_id], NOW)
    gate.hear(one.encode())
    founder.let_in(other, now=NOW + DAY)
    assert reread(gate)
    assert gate.lists() == [one.encode()]


def test_taking_a_renewed_membership(founder: Person, other: Person, third: Person) -> None:
    founder.let_in(other)
    gate = other.gate()
    renewed = founder.let_in(other, now=NOW + DAY).membership
    assert gate.renewed(renewed).membership == renewed
    assert gate.membership == renewed
    third.create("elsewhere")
    own = third.folder.grant()
    assert own is not None
    for wrong in (own.membership, founder.create().membership):
        with pytest.raises(BadMembership):
            gate.renewed(wrong)


async def test_granting(founder: Person, other: Person, third: Person) -> None:
    founder.let_in(other)
    gate, badge = founder.gate(), other.gate().badge()
    token = founder.invite()
    question = Redeem(token.invitation, token.proof(third.me.public_key), "n")
    assert (await gate.grant(peer(third), b"", question)).membership
    assert (await gate.grant(peer(other), badge, Renew())).membership
    for who, shown in ((third, b""), (third, badge), (other, b"x")):
        assert (await gate.grant(peer(who), shown, Renew())).refusal == "stranger"
    assert (await other.gate().grant(peer(third), b"", question)).refusal == "unknown"
    assert (await third.gate().grant(peer(other), b"", Renew())).refusal == "no issuer"


async def test_asking_for_a_renewal_again_and_again_costs_nothing(founder: Person, other: Person) -> None:
    founder.let_in(other)
    now = [NOW + DAY]
    gate, badge = founder.gate(), other.gate().badge()
    gate.wall = lambda: now[0]
    first = await gate.grant(peer(other), badge, Renew())
    (founder.folder.path / "issued" / to_text(other.me.node_id)).unlink()
    now[0] += RENEWAL_SECONDS - 1
    assert await gate.grant(peer(other), badge, Renew()) == first
    assert founder.folder.issued() == []
    now[0] += 1
    later = await gate.grant(peer(other), badge, Renew())
    assert decode_membership(later.membership).own.issued == now[0]
    assert len(founder.folder.issued()) == 1


async def test_a_folder_that_cannot_be_written_refuses(founder: Person, other: Person) -> None:
    founder.let_in(other)
    gate, badge = founder.gate(), other.gate().badge()
    issued = founder.folder.path / "issued"
    issued.rename(issued.with_name("gone"))
    issued.write_text("")
    assert (await gate.grant(peer(other), badge, Renew())).refusal == "no issuer"


def test_who_has_left_knows_nothing_of_the_site(founder: Person, other: Person) -> None:
    founder.let_in(other)
    gate = other.gate()
    gate.meet(peer(founder), founder.gate(now=NOW + 3 * DAY).badge())
    assert gate.troubles
    other.folder.clear()
    assert reread(gate)
    assert (gate.in_site, gate.badge(), gate.revocations, gate.troubles) == (False, b"", None, {})
