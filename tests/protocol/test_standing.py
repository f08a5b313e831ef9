"""The rule of who links with whom: every row of the table, alike on both sides."""

from __future__ import annotations

from itertools import product

import pytest

from protocol.membership import (
    CLOCK_TOLERANCE,
    ISSUER_SECONDS,
    MEMBER_SECONDS,
    Badge,
    Membership,
    Rights,
    admit,
    found,
)
from protocol.revocation import Revocations, revoke
from protocol.standing import (
    OPEN,
    STRANGER,
    Audience,
    Standing,
    Verdict,
    admits,
    judge,
    judge_again,
)
from tests.protocol.sites import FOUNDED, FOUNDER, JOINED, MEMBER, NOW, OTHER_ROOT, ROOT, joined, person

FIVE = person(5)
HERE = joined(FIVE)
ELSEWHERE = found(OTHER_ROOT, MEMBER.public_key, NOW)


def badge(membership: Membership, clock: int = NOW, *, serves_open: bool = False) -> Badge:
    return Badge(membership, clock, serves_open)


def refused(cause: str, ahead: int = 0) -> Verdict:
    return Verdict("refused", cause, ahead)  # type: ignore[arg-type]  # tests name causes as text


OURS = [badge(HERE), badge(HERE, serves_open=True)]
THEIRS = [badge(ELSEWHERE), badge(ELSEWHERE, serves_open=True)]


PAIRS = list(product([None, *OURS], [None, *THEIRS]))


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_nodes_of_no_site_and_of_two_sites(mine: Badge | None, theirs: Badge | None) -> None:
    expected = OPEN if all(one is None or one.serves_open for one in (mine, theirs)) else STRANGER
    assert judge(mine, theirs, None, NOW) == judge(theirs, mine, None, NOW) == expected
    assert judge_again(mine, theirs, None, NOW) == expected


@pytest.mark.parametrize("mine", OURS)
def test_members_of_one_site(mine: Badge) -> None:
    for theirs in (badge(JOINED), badge(FOUNDED, serves_open=True)):
        assert judge(mine, theirs, None, NOW) == judge(theirs, mine, None, NOW) == Verdict("member")


@pytest.mark.parametrize("ahead", [CLOCK_TOLERANCE, -CLOCK_TOLERANCE])
def test_clocks_that_differ(ahead: int) -> None:
    more = ahead + (1 if ahead > 0 else -1)
    assert judge(badge(HERE), badge(JOINED, NOW + ahead), None, NOW).standing == "member"
    assert judge(badge(HERE), badge(JOINED, NOW + more), None, NOW) == refused("clock", more)
    assert judge_again(badge(HERE), badge(JOINED, NOW + more), None, NOW).standing == "member"


def test_the_clock_is_named_before_what_it_makes_look_wrong() -> None:
    """With a clock a year off everything seems expired, or yet to come; what is wrong is the clock."""
    for now in (NOW + ISSUER_SECONDS, NOW - ISSUER_SECONDS):
        mine, theirs = badge(HERE, now), badge(JOINED)
        assert judge(mine, theirs, None, now) == refused("clock", NOW - now)
        assert judge(theirs, mine, None, NOW) == refused("clock", now - NOW)


@pytest.mark.parametrize(
    ("now", "cause"),
    [(NOW + MEMBER_SECONDS, "expired"), (NOW - CLOCK_TOLERANCE - 1, "not valid yet")],
)
def test_certificates_that_do_not_hold(now: int, cause: str) -> None:
    fresh = admit(found(ROOT, FOUNDER.public_key, now), FOUNDER, FIVE.public_key, Rights.MEMBER, now, 9)
    good = badge(fresh, now)
    bad = badge(JOINED, now)
    assert judge(good, bad, None, now) == refused(cause)
    assert judge(bad, good, None, now) == refused(f"own {cause}")


def test_revoked() -> None:
    said = Revocations(JOINED.site, [revoke(ROOT, ROOT.public_key, None, None, [MEMBER.node_id], NOW)])
    assert judge(badge(HERE), badge(JOINED), said, NOW) == refused("revoked")
    assert judge(badge(JOINED), badge(HERE), said, NOW) == refused("own revoked")
    assert judge_again(badge(HERE), badge(JOINED), said, NOW) == refused("revoked")


@pytest.mark.parametrize(
    ("audience", "who"),
    [("everyone", {"member", "open", "refused"}), ("members", {"member"}), ("nobody", set())],
)
def test_whom_an_audience_takes_in(audience: Audience, who: set[Standing]) -> None:
    standings: tuple[Standing, ...] = ("member", "open", "refused")
    assert {standing for standing in standings if admits(audience, standing)} == who
