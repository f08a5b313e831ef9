"""A gate that says what a test wants, and notes what it is asked."""

from __future__ import annotations

import trio

from protocol.handshake import PeerIdentity
from protocol.ids import NodeId
from protocol.messages import Granted, Redeem, Renew
from protocol.standing import Verdict

MEMBER = Verdict("member")


class ScriptedGate:
    """`verdicts`: how peers stand by the badge they show; whoever shows another one is a stranger."""

    def __init__(self, badge: bytes = b"lab", *, grants: bool = True) -> None:
        self.in_site = bool(badge)
        self.grants = grants
        self.verdicts: dict[bytes, Verdict] = {b"lab": MEMBER}
        self.expelled: dict[NodeId, Verdict] = {}
        self.known: list[bytes] = []
        self.asked: list[tuple[NodeId, bytes, Redeem | Renew]] = []
        self.answer = Granted(b"membership", "")
        self.own = badge

    def badge(self) -> bytes:
        return self.own

    def meet(self, peer: PeerIdentity, badge: bytes) -> Verdict:
        return self.review(peer, badge)

    def review(self, peer: PeerIdentity, badge: bytes) -> Verdict:
        stranger = Verdict("refused", "stranger")
        return self.expelled.get(peer.node_id) or self.verdicts.get(badge, stranger)

    def lists(self) -> list[bytes]:
        return self.known

    def hear(self, revocation: bytes) -> bool:
        if revocation == b"junk":
            raise ValueError("not a list")
        if revocation in self.known:
            return False
        self.known.append(revocation)
        return True

    async def grant(self, peer: PeerIdentity, badge: bytes, question: Redeem | Renew) -> Granted:
        await trio.lowlevel.checkpoint()
        self.asked.append((peer.node_id, badge, question))
        return self.answer
