"""Who may link with this node, as its site and its settings say; the `Gate` of the exchange.

Holds the membership and the revocation lists in memory, as files and peers told them. Judging does no I/O;
whoever keeps the gate (`swarm.node.site`) has it `read` what a command changed on disk, in a thread, and
`take` it, and writes what peers said. The wall clock is handed in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from protocol.handshake import PeerIdentity
from protocol.ids import NodeId, short
from protocol.invitation import Grant
from protocol.membership import Badge, BadMembership, Membership, Rights, decode_badge
from protocol.messages import Granted, Redeem, Renew
from protocol.revocation import Revocation, Revocations, decode_revocation
from protocol.signing import Identity
from protocol.standing import FORGED, Verdict, judge, judge_again
from swarm.errors import StoreError
from swarm.sites.folder import SiteFolder
from swarm.sites.issuing import Issuer
from swarm.workers import Workers

MAX_TROUBLES: Final = 64
"""Refused nodes that are remembered for `swarm site show`: more say nothing more."""

BADGES_KEPT: Final = 256
"""Decoded badges: each link's is judged again and again, and takes three signatures to check."""

RENEWAL_SECONDS: Final = 60.0
"""How long who asks for a renewal again gets the one it got."""

RENEWALS_KEPT: Final = 256
"""Renewals remembered for that: more members than have links."""

SILENT: Final = frozenset({"", "stranger"})
"""Refusals that are nobody's trouble: other people's nodes."""

log = logging.getLogger(__name__)

_decoded = lru_cache(maxsize=BADGES_KEPT)(decode_badge)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A node of the same site that was refused, why, and how many seconds its clock is ahead of ours."""

    node: NodeId
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What the folder of a site said, and the stamp by which a change of it is seen."""

    stamp: tuple[object, ...]
    grant: Grant | None
    lists: tuple[Revocation, ...]


class SiteGate:
    """See the module. `held` None: the node belongs to no site, and is open to others like it. `troubles`:
    members of the site that are refused, by node. `unsaved`: lists that were heard, to be written."""

    def __init__(
        self,
        folder: SiteFolder,
        me: Identity,
        workers: Workers,
        *,
        serves_open: bool,
        wall: Callable[[], float],
    ) -> None:
        self.folder = folder
        self.held: Grant | None = None
        self.troubles: dict[NodeId, Trouble] = {}
        self.revocations: Revocations | None = None
        self.wall = wall
        self._me = me
        self._workers = workers
        self.serves_open = serves_open
        self._renewals: dict[bytes, tuple[float, Granted]] = {}
        self._stamp: tuple[object, ...] | None = None
        self.unsaved: list[Revocation] = []

    # --- what the exchange asks ------------------------------------------------------------------------

    @property
    def membership(self) -> Membership | None:
        return self.held.membership if self.held else None

    @property
    def in_site(self) -> bool:
        return self.held is not None

    @property
    def grants(self) -> bool:
        """May this node let others in?"""
        return self.membership is not None and self.membership.rights > Rights.MEMBER

    def badge(self) -> bytes:
        """What to show in a handshake: empty for a node of no site."""
        mine = self._badge()
        return mine.encode() if mine else b""

    def meet(self, peer: PeerIdentity, badge: bytes) -> Verdict:
        """The verdict about a peer that shows this badge now."""
        verdict = self._judge(peer, badge, fresh=True)
        self._note(peer.node_id, verdict)
        return verdict

    def review(self, peer: PeerIdentity, badge: bytes) -> Verdict:
        """The verdict about a peer that showed this badge some time ago."""
        verdict = self._judge(peer, badge, fresh=False)
        if verdict.refused:
            self._note(peer.node_id, verdict)
        return verdict

    def lists(self) -> Sequence[bytes]:
        """The revocation lists to tell members of."""
        return [one.encode() for one in self.revocations.lists] if self.revocations else []

    def hear(self, encoded: bytes) -> bool:
        """A member passes on this list: whether it is news. ValueError when it is none."""
        revocation = decode_revocation(encoded)
        if self.revocations is None or not self.revocations.add(revocation):
            return False
        self.unsaved.append(revocation)
        return True

    async def grant(self, peer: PeerIdentity, badge: bytes, question: Redeem | Renew) -> Granted:
        """The answer to a node that wants to come in, or to stay."""
        membership, revocations = self.membership, self.revocations
        if membership is None or revocations is None:
            return Granted(b"", "no issuer")
        issuer = Issuer(self.folder, self._me, membership, revocations)
        try:
            if isinstance(question, Redeem):
                return await self._workers.run(issuer.redeem, peer.public_key, question, self.wall())
            if self.review(peer, badge).standing != "member":
                return Granted(b"", "stranger")
            return await self._renewal(issuer, _decoded(badge).membership)
        except (StoreError, BadMembership) as error:
            log.warning("cannot let %s in: %s", short(peer.node_id), error)
            return Granted(b"", "no issuer")

    async def _renewal(self, issuer: Issuer, theirs: Membership) -> Granted:
        """A renewed membership; to who asks again at once the same, as each costs a signature and a write."""
        now, key = self.wall(), theirs.own.signature
        when, granted = self._renewals.get(key, (0.0, None))
        if granted is None or not 0 <= now - when < RENEWAL_SECONDS:
            granted = await self._workers.run(issuer.renew, theirs, now)
            if len(self._renewals) >= RENEWALS_KEPT:
                del self._renewals[next(iter(self._renewals))]
            self._renewals[key] = (now, granted)
        return granted

    # --- what its keeper does ----------------------------------------------------------------------------

    def read(self) -> OnDisk | None:
        """What the files say now, None if they say what they said; blocks.

        StoreError when they cannot be used, or hold the membership of another node.
        """
        stamp = self.folder.stamp()
        if stamp == self._stamp:
            return None
        grant = self.folder.grant()
        if grant is not None and grant.membership.node_id != self._me.node_id:
            raise StoreError(
                "The membership in this home is that of another node.",
                f"If its identity was replaced, remove {self.folder.path} and join again.",
            )
        return OnDisk(stamp, grant, tuple(self.folder.revocations()) if grant else ())

    def take(self, found: OnDisk) -> bool:
        """Go by what was read; whether that is another membership, or anything newly revoked."""
        self._stamp = found.stamp
        changed = found.grant != self.held
        self._hold(found.grant)
        news = [self.revocations is not None and self.revocations.add(one) for one in found.lists]
        return changed or any(news)

    def renewed(self, membership: Membership) -> Grant:
        """From now on this is the node's membership; what is to be written. BadMembership when it is not."""
        if self.held is None or membership.node_id != self._me.node_id:
            raise BadMembership("a membership for another node")
        if membership.site != self.held.membership.site:
            raise BadMembership("a membership of another site")
        self._hold(replace(self.held, membership=membership))
        return self.held

    def rights_of(self, badge: bytes) -> Rights:
        """What a member that showed this badge may do."""
        return _decoded(badge).membership.rights

    def _hold(self, grant: Grant | None) -> None:
        before, after = (one.membership.site if one else None for one in (self.held, grant))
        if before != after:
            self.revocations = Revocations(after) if after else None
            self.troubles.clear()
            self.unsaved.clear()
        self.held = grant

    # --- judging -------------------------------------------------------------------------------------------

    def _badge(self) -> Badge | None:
        membership = self.membership
        return Badge(membership, int(self.wall()), self.serves_open) if membership else None

    def _judge(self, peer: PeerIdentity, badge: bytes, *, fresh: bool) -> Verdict:
        try:
            theirs = _decoded(badge) if badge else None
        except BadMembership:
            return FORGED
        if theirs is not None and theirs.membership.own.public_key != peer.public_key:
            return FORGED
        rule = judge if fresh else judge_again
        return rule(self._badge(), theirs, self.revocations, self.wall())

    def _note(self, node: NodeId, verdict: Verdict) -> None:
        """Remember who was refused, and tell the log of each once."""
        known = self.troubles.pop(node, None)
        if not verdict.refused or verdict.cause in SILENT:
            return
        if len(self.troubles) >= MAX_TROUBLES:
            del self.troubles[next(iter(self.troubles))]
        self.troubles[node] = Trouble(node, verdict)
        if known is None or known.verdict.cause != verdict.cause:
            log.warning("no link with %s: %s", short(node), told(verdict))


def told(verdict: Verdict) -> str:
    """Why a peer is refused, as a sentence for the log."""
    if verdict.cause == "clock":
        days = abs(verdict.ahead) / 86_400
        side = "ahead of" if verdict.ahead > 0 else "behind"
        return f"its clock is {days:.1f} days {side} the one of this machine; set the one that is wrong"
    return REASONS[verdict.cause]


REASONS: Final[dict[str, str]] = {
    "stranger": "it does not belong to this site",
    "forged": "what it shows is not its own certificate",
    "own expired": "the certificate of this node has expired (or its clock is wrong); join again",
    "own not valid yet": "the certificate of this node begins later (or its clock is wrong)",
    "own revoked": "this node was revoked",
    "expired": "its certificate has expired, or a clock is wrong",
    "not valid yet": "its certificate begins later, or a clock is wrong",
    "revoked": "it was revoked",
}
"""What to say of each cause but the clock."""
