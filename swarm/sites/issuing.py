"""Letting nodes in and renewing them: the decisions of a member that may issue.

`Issuer` is this node's membership and key at one moment. A refusal is a word of docs/protocol.md, "Sites";
whoever asked makes a sentence of it. What was granted is written down before it is handed out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from protocol.invitation import check_proof
from protocol.membership import BadMembership, Membership, Rights, admit, lifetime_of
from protocol.messages import Granted, Redeem
from protocol.revocation import Revocations
from protocol.signing import BadSignature, Identity
from swarm.errors import NotAllowed, UsageError
from swarm.sites.folder import SiteFolder
from swarm.sites.invitations import Invitation

Refusal = Literal["no issuer", "unknown", "expired", "used up", "revoked", "stranger"]

SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "no issuer": (
        "The node that was asked may not let others in (any more).",
        "Invite from where the site was created, or from a member invited with --issuer.",
    ),
    "unknown": ("The inviting node does not know this token.", "Make a new one with `swarm site invite`."),
    "expired": ("This token has expired.", "Make a new one with `swarm site invite --valid 1d`."),
    "used up": (
        "This token has let in as many nodes as it was made for.",
        "Make a new one with `swarm site invite --uses N`.",
    ),
    "revoked": (
        "This node was revoked from the site.",
        "If that was a mistake, remove its identity file, so that it becomes another node, and join again.",
    ),
    "stranger": ("The certificate of this node does not hold any more.", "Join again with a new token."),
}
"""What to tell the user of a refused node, and what to do."""


def refused(refusal: str) -> NotAllowed:
    """The error for a refusal, whatever the other side wrote."""
    return NotAllowed(*SENTENCES.get(refusal, ("The site refuses this node.", "Ask who runs the site.")))


@dataclass(frozen=True, slots=True)
class Issuer:
    """A member, its key, and what is revoked in its site. Methods block for the files of `folder`."""

    folder: SiteFolder
    me: Identity
    membership: Membership
    revocations: Revocations

    def redeem(self, public_key: bytes, question: Redeem, now: float) -> Granted:
        """Let in the node that proved to hold `public_key`, if it holds a token of ours."""
        invitation = self.folder.invitations.find(question.invitation)
        if invitation is None or not self._proves(public_key, question):
            return _no("unknown")
        if now >= invitation.expires:
            return _no("expired")
        membership = self._made(public_key, invitation.rights, now)
        if membership is None:
            return _no("no issuer")
        if self.revocations.revoked(membership) is not None:
            return _no("revoked")
        if not self.folder.invitations.use(invitation, membership.node_id):
            return _no("used up")
        self.folder.record(membership, question.name)
        return Granted(membership.encode(), "")

    def renew(self, theirs: Membership, now: float) -> Granted:
        """Grant anew what a member has; who asks holds this membership, and was judged a member."""
        if self.membership.rights <= theirs.rights:
            return _no("no issuer")
        membership = self._made(theirs.own.public_key, theirs.rights, now)
        if membership is None:
            return _no("no issuer")
        if self.revocations.revoked(membership) is not None:
            return _no("revoked")
        self.folder.record(membership, "")
        return Granted(membership.encode(), "")

    def answer(self, public_key: bytes, name: str, rights: Rights, now: float) -> Membership:
        """What a request that came by hand is answered with. Raises NotAllowed."""
        membership = self._made(public_key, rights, now)
        if membership is None:
            raise refused("no issuer")
        if self.revocations.revoked(membership) is not None:
            raise refused("revoked")
        self.folder.record(membership, name)
        return membership

    def invite(self, invitation: Invitation, now: float) -> None:
        """Have one more invitation. NotAllowed when this member may not give such rights."""
        if self.membership.rights <= invitation.rights or self.membership.fault_at(now):
            raise refused("no issuer")
        if invitation.expires <= now:
            raise UsageError("A token has to be valid for a while.", "Write --valid 1h.")
        self.folder.invitations.add(invitation, now)

    def _proves(self, public_key: bytes, question: Redeem) -> bool:
        site, inviter = self.membership.site, self.me.node_id
        try:
            check_proof(question.invitation, site, inviter, public_key, question.proof)
        except BadSignature:
            return False
        return True

    def _made(self, public_key: bytes, rights: Rights, now: float) -> Membership | None:
        """The membership of this node; None when this member may not grant it now."""
        if self.membership.fault_at(now):
            return None
        try:
            return admit(self.membership, self.me, public_key, rights, now, lifetime_of(rights))
        except BadMembership:
            return None


def _no(refusal: Refusal) -> Granted:
    return Granted(b"", refusal)
