"""Which peers are members of this node's site: asked at each handshake, and again whenever anything changes.

The gate judges; this keeps to it. A peer that is refused, or that was a member and is none any more, loses
its connections at once. Members are told of every revocation list: all of them when a link comes up, and
each new one as it comes, the node it puts out included, which so learns why nobody links with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from protocol.handshake import PeerIdentity
from protocol.ids import NodeId, short
from protocol.messages import Belongs, Granted, Redeem, Renew, Revoked
from protocol.standing import OPEN, Standing, Verdict
from swarm.exchange.control import ControlSession
from swarm.exchange.interfaces import Gate
from swarm.exchange.link import Link
from swarm.exchange.sessions import Sessions

REVIEW_SECONDS: Final = 10.0
"""Between two looks at all links: certificates expire without anybody saying so."""

MAX_OPEN_LINKS: Final = 16
"""Nodes of no site that a member links with, where it serves them at all: half of the links it dials for, so
that strangers cannot take the places of members."""

LAST_WORDS_SECONDS: Final = 1.0
"""Between telling a revoked node of it and cutting its connections."""

RENEW_SECONDS: Final = 10.0
"""For the answer to a Renew: a signature, and a small file to write."""

log = logging.getLogger(__name__)


class Everyone:
    """The gate of a node without sites: links with whoever calls, and knows no badge."""

    in_site = False
    grants = False

    def badge(self) -> bytes:
        return b""

    def meet(self, peer: PeerIdentity, badge: bytes) -> Verdict:
        return OPEN

    def review(self, peer: PeerIdentity, badge: bytes) -> Verdict:
        return OPEN

    def lists(self) -> tuple[bytes, ...]:
        return ()

    def hear(self, revocation: bytes) -> bool:
        return False

    async def grant(self, peer: PeerIdentity, badge: bytes, question: Redeem | Renew) -> Granted:
        await trio.lowlevel.checkpoint()
        return Granted(b"", "no issuer")


class Circle:
    """See the module. `expel(peer, reason)` cuts all connections with a peer; `welcome` is told of one that
    has become a member while it was linked."""

    def __init__(
        self,
        gate: Gate,
        sessions: Sessions,
        expel: Callable[[NodeId, str], None],
        welcome: Callable[[ControlSession], None],
    ) -> None:
        self.gate = gate
        self._sessions = sessions
        self._expel = expel
        self._welcome = welcome
        self._answers: dict[NodeId, trio.MemorySendChannel[Granted]] = {}
        self._revoked, self._leaving = trio.open_memory_channel[ControlSession](float("inf"))
        self._told_off: set[NodeId] = set()

    async def keep(self) -> None:
        """Look at all links now and then, and see off who is revoked, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._review_now_and_then)
            async for session in self._leaving:
                nursery.start_soon(self._see_off, session)

    async def _review_now_and_then(self) -> None:
        while True:
            await trio.sleep(REVIEW_SECONDS)
            self.review()

    async def _see_off(self, session: ControlSession) -> None:
        """Cut a revoked node, once it may have heard that it is."""
        await trio.sleep(LAST_WORDS_SECONDS)
        self._told_off.discard(session.peer)
        if self._sessions.current.get(session.peer) is session:
            self._expel(session.peer, "revoked")

    def refusal(self, link: Link) -> str | None:
        """Why there may be no link with a peer that has just shaken hands."""
        verdict = self.gate.meet(link.peer, link.peer.hello.membership)
        if verdict.refused:
            return verdict.cause
        if verdict.standing == "open" and self.gate.in_site and self._open_links() >= MAX_OPEN_LINKS:
            return f"{MAX_OPEN_LINKS} nodes of no site are enough"
        return None

    def standing(self, link: Link) -> Standing:
        """How a peer that has just shaken hands stands to this node."""
        return self.gate.review(link.peer, link.peer.hello.membership).standing

    def above(self, link: Link) -> frozenset[NodeId]:
        """Members, where the peer is none: it takes the place of none of them."""
        if self.standing(link) == "member":
            return frozenset()
        return frozenset(session.peer for session in self.members())

    def _open_links(self) -> int:
        return sum(one.standing == "open" for one in self._sessions.current.values())

    def begin(self, session: ControlSession) -> None:
        """A session that was not refused: note how its peer stands."""
        session.standing = self.gate.review(session.link.peer, session.badge).standing

    def up(self, session: ControlSession) -> None:
        """The session can speak: a member hears of what is revoked."""
        if session.standing == "member":
            for revocation in self.gate.lists():
                session.link.post(Revoked(revocation))

    def members(self) -> list[ControlSession]:
        return [one for one in self._sessions.current.values() if one.standing == "member"]

    def told(self, session: ControlSession, message: Belongs | Revoked | Granted) -> None:
        """What a peer says of the site. Whoever is no member is not listened to, but for its badge."""
        match message:
            case Belongs(badge):
                self._shown(session, badge)
            case Revoked(revocation) if session.standing == "member":
                self._heard(session, revocation)
            case Granted() if answer := self._answers.get(session.peer):
                with suppress(trio.WouldBlock):  # it answers twice
                    answer.send_nowait(message)

    def review(self) -> None:
        """Judge every peer anew; who is refused now is cut."""
        for session in list(self._sessions.current.values()):
            self._settle(session, self.gate.review(session.link.peer, session.badge))

    def changed(self) -> None:
        """This node's own badge or lists have changed: say so, judge everybody anew, dial who refused us."""
        badge = self.gate.badge()
        for session in self._sessions.current.values():
            if badge:
                session.link.post(Belongs(badge))
        for revocation in self.gate.lists():
            self._pass_on(revocation, None)
        self.review()
        self._sessions.reconsider()

    async def renew(self, peer: NodeId) -> Granted | None:
        """Ask a member to renew this node's membership; None when it does not answer."""
        session = self._sessions.current.get(peer)
        if session is None or peer in self._answers:
            return None
        sending, receiving = trio.open_memory_channel[Granted](1)
        self._answers[peer] = sending
        try:
            session.link.post(Renew())
            with trio.move_on_after(RENEW_SECONDS):
                return await receiving.receive()
        finally:
            del self._answers[peer]
        return None

    def _shown(self, session: ControlSession, badge: bytes) -> None:
        session.badge = badge
        self._settle(session, self.gate.meet(session.link.peer, badge))

    def _heard(self, session: ControlSession, revocation: bytes) -> None:
        try:
            news = self.gate.hear(revocation)
        except ValueError as error:
            session.link.cut(f"a revocation list that is none: {error}", fault=True)
            return
        if news:
            log.info("%s passed on a new revocation list", short(session.peer))
            self._pass_on(revocation, session)
            self.review()

    def _pass_on(self, revocation: bytes, source: ControlSession | None) -> None:
        for session in self.members():
            if session is not source:
                session.link.post(Revoked(revocation))

    def _settle(self, session: ControlSession, verdict: Verdict) -> None:
        before, session.standing = session.standing, verdict.standing
        if verdict.cause == "revoked":
            if session.peer not in self._told_off:
                self._told_off.add(session.peer)
                self._revoked.send_nowait(session)
        elif verdict.refused:
            self._expel(session.peer, verdict.cause)
        elif (before, verdict.standing) == ("member", "open"):
            self._expel(session.peer, "no member any more")
        elif verdict.standing == "member" != before:
            self.up(session)
            self._welcome(session)
