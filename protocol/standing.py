"""Who links with whom: the one rule by which two nodes judge each other's badges, so that both decide alike.

docs/protocol.md, "Sites", has it as a table. A verdict is a value; who breaks a link, and when the question
is put again, is the exchange's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from protocol.membership import CLOCK_TOLERANCE, Badge
from protocol.revocation import Revocations

Standing = Literal["member", "open", "refused"]

Audience = Literal["everyone", "members", "nobody"]
"""Whom something may be offered to: every peer, members of this node's site, or no peer at all."""

Cause = Literal[
    "",
    "stranger",
    "forged",
    "clock",
    "own expired",
    "own not valid yet",
    "own revoked",
    "expired",
    "not valid yet",
    "revoked",
]
"""Why a peer is refused. `own …`: it is this node's certificate that does not hold."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a peer stands to this node: a member of its site, one for what is public, or refused and why.

    `ahead`: seconds by which the peer's clock was ahead of ours when it showed its badge.
    """

    standing: Standing
    cause: Cause = ""
    ahead: int = 0

    @property
    def refused(self) -> bool:
        return self.standing == "refused"


def admits(audience: Audience, standing: Standing) -> bool:
    """May a peer of this standing know of what is for this audience?"""
    return audience == "everyone" or (audience == "members" and standing == "member")


OPEN: Final = Verdict("open")
STRANGER: Final = Verdict("refused", "stranger")
FORGED: Final = Verdict("refused", "forged")


def judge(mine: Badge | None, theirs: Badge | None, revocations: Revocations | None, now: float) -> Verdict:
    """The verdict about a peer with this badge, which it has just shown; None is a node of no site.

    `now`: seconds since 1970, by this node's clock. `revocations` are those of this node's site.
    """
    verdict = judge_again(mine, theirs, revocations, now)
    if verdict.standing == "open" or theirs is None or verdict.cause == "stranger":
        return verdict
    ahead = theirs.clock - int(now)
    if abs(ahead) > CLOCK_TOLERANCE:
        return Verdict("refused", "clock", ahead)
    return verdict


def judge_again(
    mine: Badge | None, theirs: Badge | None, revocations: Revocations | None, now: float
) -> Verdict:
    """The same about a peer whose badge was shown some time ago: its clock is not looked at."""
    if mine is None or theirs is None or mine.membership.site != theirs.membership.site:
        allowed = all(badge is None or badge.serves_open for badge in (mine, theirs))
        return OPEN if allowed else STRANGER
    if fault := mine.membership.fault_at(now):
        return Verdict("refused", "own expired" if fault == "expired" else "own not valid yet")
    if fault := theirs.membership.fault_at(now):
        return Verdict("refused", "expired" if fault == "expired" else "not valid yet")
    if revocations is not None and revocations.revoked(mine.membership) is not None:
        return Verdict("refused", "own revoked")
    if revocations is not None and revocations.revoked(theirs.membership) is not None:
        return Verdict("refused", "revoked")
    return Verdict("member")
