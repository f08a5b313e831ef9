"""Letting in and renewing: every refusal, and that nothing is granted on the way to one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.ids import to_text
from protocol.invitation import Token
from protocol.membership import DAY, ISSUER_SECONDS, MEMBER_SECONDS, Rights, decode_membership
from protocol.messages import Granted, Redeem
from protocol.revocation import revoke
from swarm.errors import NotAllowed
from swarm.sites import administration
from swarm.sites.issuing import SENTENCES, Issuer, refused
from tests.sites.people import NOW, Person


def issuer(person: Person) -> Issuer:
    return administration.issuer_of(person.folder, person.me)[1]


def redeem(person: Person, token: Token, newcomer: Person, *, now: float = NOW) -> Granted:
    question = Redeem(token.invitation, token.proof(newcomer.me.public_key), "n")
    return issuer(person).redeem(newcomer.me.public_key, question, now)


def no(refusal: str) -> Granted:
    return Granted(b"", refusal)


def test_a_newcomer_with_a_token(founder: Person, other: Person) -> None:
    granted = redeem(founder, founder.invite(), other)
    membership = decode_membership(granted.membership)
    assert membership.node_id == other.me.node_id
    assert membership.rights is Rights.MEMBER
    assert membership.own.expires == NOW + MEMBER_SECONDS
    assert [row.name for row in founder.folder.issued()] == ["n"]


def test_a_proof_overheard_serves_nobody_else(founder: Person, other: Person, third: Person) -> None:
    """Whoever sends another's Redeem is known by its own key, and is a stranger to the token."""
    token = founder.invite()
    question = Redeem(token.invitation, token.proof(other.me.public_key), "n")
    assert issuer(founder).redeem(third.me.public_key, question, NOW) == no("unknown")
    assert issuer(founder).redeem(other.me.public_key, question, NOW).membership
    assert issuer(founder).redeem(third.me.public_key, question, NOW) == no("unknown")


def test_the_same_twice_counts_once(founder: Person, other: Person, third: Person) -> None:
    token = founder.invite(uses=1)
    assert redeem(founder, token, other).membership
    assert redeem(founder, token, other).membership
    assert redeem(founder, token, third) == no("used up")


def test_a_made_up_token(founder: Person, other: Person) -> None:
    token = replace(founder.invite(), seed=b"\x01" * 32)
    assert redeem(founder, token, other) == no("unknown")


def test_the_token_of_another_member(founder: Person, other: Person, third: Person) -> None:
    founder.let_in(other, Rights.ISSUER)
    assert redeem(other, founder.invite(), third) == no("unknown")


def test_a_token_that_has_ended(founder: Person, other: Person) -> None:
    token = founder.invite(valid=60)
    assert redeem(founder, token, other, now=NOW + 59).membership
    assert redeem(founder, token, other, now=NOW + 60) == no("expired")


def test_an_inviter_whose_own_time_is_over(founder: Person, other: Person) -> None:
    token = founder.invite(valid=30 * DAY)
    founder.create(now=NOW - ISSUER_SECONDS)
    assert redeem(founder, token, other) == no("no issuer")


def test_a_revoked_newcomer_uses_nothing_up(founder: Person, other: Person, third: Person) -> None:
    administration.put_out(founder.folder, founder.me, [to_text(other.me.node_id)], None, NOW)
    token = founder.invite(uses=1)
    assert redeem(founder, token, other) == no("revoked")
    assert redeem(founder, token, third).membership


def test_renewing(founder: Person, other: Person, third: Person) -> None:
    member, deputy = founder.let_in(third), founder.let_in(other, Rights.ISSUER)
    later = NOW + 20 * DAY
    founder.create(now=later)
    for whose in (member, deputy):
        granted = decode_membership(issuer(founder).renew(whose.membership, later).membership)
        assert granted.own.public_key == whose.membership.own.public_key
        assert granted.rights == whose.membership.rights
        assert granted.own.expires > whose.membership.own.expires
    assert {row.name for row in founder.folder.issued()} == {"of 0", "of 1"}


def test_who_may_not_renew(founder: Person, other: Person, third: Person) -> None:
    deputy = founder.let_in(other, Rights.ISSUER)
    member = founder.let_in(third)
    assert issuer(other).renew(deputy.membership, NOW) == no("no issuer")
    assert issuer(third).renew(member.membership, NOW) == no("no issuer")
    assert issuer(founder).renew(member.membership, NOW + ISSUER_SECONDS) == no("no issuer")


def test_a_revoked_member_is_not_renewed(founder: Person, other: Person) -> None:
    member = founder.let_in(other)
    one = issuer(founder)
    root_key = member.membership.root_key
    one.revocations.add(revoke(founder.me, root_key, one.membership, None, [other.me.node_id], NOW))
    assert one.renew(member.membership, NOW) == no("revoked")


@pytest.mark.parametrize("refusal", [*SENTENCES, "something of a later version"])
def test_every_refusal_says_what_to_do(refusal: str) -> None:
    error = refused(refusal)
    assert isinstance(error, NotAllowed)
    assert error.exit_code == 4
    assert error.message
    assert error.advice
