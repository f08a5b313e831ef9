"""What people do about a site: idempotent where scripts repeat it, refused where it makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.ids import to_text
from protocol.invitation import parse_token, request
from protocol.membership import CLOCK_TOLERANCE, DAY, ISSUER_SECONDS, MEMBER_SECONDS, Rights
from swarm.errors import NotAllowed, StoreError, UsageError
from swarm.sites import administration
from swarm.sites.administration import MAX_VALID_SECONDS, date
from tests.sites.people import NOW, Person


def test_creating_again_renews(founder: Person) -> None:
    before = founder.folder.grant()
    after = founder.create(now=NOW + 100 * DAY)
    assert before is not None
    assert after.membership.site == before.membership.site
    assert after.membership.own.expires == NOW + 100 * DAY + ISSUER_SECONDS
    assert after.membership.rights is Rights.FOUNDER
    assert founder.folder.grant() == after


def test_one_home_one_site(founder: Person, other: Person) -> None:
    with pytest.raises(UsageError, match="belongs to the site 'lab'"):
        founder.create("other")
    founder.let_in(other)
    with pytest.raises(UsageError, match="root key lies elsewhere"):
        other.create("lab")


def test_a_name_that_is_none(other: Person) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        other.create("a\nb")
    assert not other.folder.path.exists()


def test_founding_anew_from_a_copy_of_the_root_key(founder: Person, other: Person, third: Person) -> None:
    copy = founder.folder.root.path
    administration.create(other.folder, other.me, "lab", None, NOW, root=copy)
    assert other.folder.root.public_key == founder.folder.root.public_key
    mine, theirs = founder.folder.grant(), other.folder.grant()
    assert mine is not None
    assert theirs is not None
    assert theirs.membership.site == mine.membership.site
    assert theirs.membership.rights is Rights.FOUNDER
    third.create("lab")
    fourth = third.folder.root.path
    founder.folder.root.path.unlink()
    with pytest.raises(UsageError, match="not the root key of the site"):
        administration.create(founder.folder, founder.me, "lab", None, NOW, root=fourth)
    with pytest.raises(StoreError, match="no root key"):
        administration.create(
            Person(fourth.parent.parent.parent, 9).folder, third.me, "lab", None, NOW, root=Path("/none")
        )


def test_a_token_says_what_was_asked_for(founder: Person) -> None:
    token = founder.invite(uses=5, valid=60, rights=Rights.ISSUER)
    assert parse_token(str(token)) == token
    assert (token.inviter, token.name, token.expires) == (founder.me.node_id, "lab", NOW + 60)
    kept = founder.folder.invitations.find(token.invitation)
    assert kept is not None
    assert (kept.uses, kept.rights, kept.used) == (5, Rights.ISSUER, 0)
    written = [path.read_text() for path in founder.folder.path.rglob("*") if path.is_file()]
    assert not [text for text in written if token.seed.hex() in text or str(token) in text]


def test_invitations_that_make_no_sense(founder: Person, other: Person) -> None:
    with pytest.raises(UsageError, match="--uses"):
        founder.invite(uses=0)
    with pytest.raises(UsageError, match="30 days"):
        founder.invite(valid=MAX_VALID_SECONDS + 1)
    with pytest.raises(UsageError, match="valid for a while"):
        founder.invite(valid=0)
    with pytest.raises(NotAllowed):
        founder.invite(rights=Rights.FOUNDER)
    with pytest.raises(UsageError, match="belongs to no site"):
        other.invite()
    assert founder.folder.invitations.all() == []


def test_accepting_is_idempotent_and_never_takes_less(founder: Person, other: Person) -> None:
    first = founder.let_in(other)
    longer = founder.let_in(other, now=NOW + DAY)
    issuer = founder.let_in(other, Rights.ISSUER)
    for older in (first, longer, issuer):
        assert not administration.accept(other.folder, other.me, older, NOW + DAY)
    assert other.folder.grant() == issuer


def test_accepting_what_is_not_for_this_node(founder: Person, other: Person, third: Person) -> None:
    grant = founder.let_in(other)
    with pytest.raises(NotAllowed, match="another node"):
        administration.accept(third.folder, third.me, grant, NOW)
    third.create("elsewhere")
    with pytest.raises(UsageError, match="'elsewhere'"):
        founder.let_in(third)


@pytest.mark.parametrize("now", [NOW + MEMBER_SECONDS, NOW - CLOCK_TOLERANCE - 1])
def test_accepting_what_does_not_hold_now(founder: Person, other: Person, now: float) -> None:
    asked = str(request(other.me, "n"))
    grant = administration.answer(founder.folder, founder.me, asked, Rights.MEMBER, [], NOW)
    with pytest.raises(
        NotAllowed, match=r"holds from 2027-01-15 08:00 UTC to 2027-02-14 08:00 UTC"
    ) as caught:
        administration.accept(other.folder, other.me, grant, now)
    assert date(now) in caught.value.message
    assert "clock" in caught.value.advice


def test_answering_what_is_no_request(founder: Person, other: Person) -> None:
    for text in ("", str(founder.invite()), str(founder.folder.grant())):
        with pytest.raises(UsageError, match="no request"):
            administration.answer(founder.folder, founder.me, text, Rights.MEMBER, [], NOW)
    founder.let_in(other)
    asked = str(request(founder.me, "n"))
    with pytest.raises(NotAllowed):
        administration.answer(other.folder, other.me, asked, Rights.MEMBER, [], NOW)


def test_revoking_by_the_root(founder: Person, other: Person, third: Person) -> None:
    founder.let_in(other)
    first = administration.put_out(founder.folder, founder.me, ["of 0"], None, NOW)
    assert (first.version, first.nodes, first.signer) == (1, (other.me.node_id,), None)
    again = administration.put_out(founder.folder, founder.me, [to_text(third.me.node_id)], None, NOW)
    assert (again.version, set(again.nodes)) == (2, {other.me.node_id, third.me.node_id})
    assert founder.folder.revocations() == [again]


def test_revoking_by_an_issuer(founder: Person, other: Person, third: Person) -> None:
    founder.let_in(other, Rights.ISSUER)
    other.let_in(third)
    one = administration.put_out(other.folder, other.me, [to_text(third.me.node_id)[:10]], None, NOW)
    assert one.key == other.me.public_key
    with pytest.raises(NotAllowed):
        administration.put_out(other.folder, other.me, ["of 0"], None, NOW + ISSUER_SECONDS)
    for person in (founder, other):
        with pytest.raises(NotAllowed, match="root key"):
            administration.put_out(other.folder, other.me, [to_text(person.me.node_id)], None, NOW)


def test_revoking_an_issuer_keeps_what_it_revoked(founder: Person, other: Person, third: Person) -> None:
    """Otherwise who joins later, and never takes the list of the issuer, would link with those again."""
    founder.let_in(other, Rights.ISSUER)
    founder.let_in(third)
    theirs = administration.put_out(other.folder, other.me, [to_text(third.me.node_id)], None, NOW)
    founder.folder.keep_revocation(theirs)
    mine = administration.put_out(founder.folder, founder.me, ["of 0"], None, NOW)
    assert set(mine.nodes) == {other.me.node_id, third.me.node_id}


def test_revoking_whom_nobody_knows(founder: Person, other: Person, third: Person) -> None:
    with pytest.raises(UsageError, match="No node"):
        administration.put_out(founder.folder, founder.me, ["h9"], None, NOW)
    for person in (other, third):
        grant = founder.let_in(person)
        founder.folder.record(grant.membership, "twin")
    with pytest.raises(UsageError, match="More than one"):
        administration.put_out(founder.folder, founder.me, ["twin"], None, NOW)
    assert founder.folder.revocations() == []
    with pytest.raises(NotAllowed):
        administration.put_out(other.folder, other.me, [to_text(third.me.node_id)], None, NOW)
