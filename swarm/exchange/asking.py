"""Asking peers outside any transfer: what a name stands for, what a snapshot is, to stay in the site.

Each question goes over the connections there are, or over one opened for it, and has an end: an answer, a
refusal, or the time is up. A manifest counts only if its digest is the key it was asked for by.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio
from blake3 import blake3

from protocol.ids import NodeId, SnapshotKey, private_topic, to_text
from protocol.messages import Found, Granted, Renew
from swarm.exchange.bulks import Bulks
from swarm.exchange.circle import Circle
from swarm.exchange.connector import CannotConnect, Connector
from swarm.exchange.guests import ask
from swarm.exchange.lookups import Answer, Lookups
from swarm.exchange.sessions import Sessions
from swarm.sources.address import Address
from swarm.sources.interface import Source, SourceFailed

LOOKUP_SECONDS: Final = 2.0
"""How long peers have for an answer to a Lookup: it is one look into a database."""

MANIFEST_SECONDS: Final = 120.0
"""For a manifest to arrive: the largest there can be, at 2 MB/s."""


class Asking:
    """See the module. `misbehaved(peer, reason)` is told of a peer that broke the protocol."""

    def __init__(
        self,
        sessions: Sessions,
        bulks: Bulks,
        connector: Connector,
        circle: Circle,
        misbehaved: Callable[[NodeId, str], None],
    ) -> None:
        self._sessions = sessions
        self._bulks = bulks
        self._connector = connector
        self._circle = circle
        self._misbehaved = misbehaved
        self._lookups = Lookups()

    async def lookup(
        self, hub: str, repo_type: str, repo: str, revision: str, timeout: float = LOOKUP_SECONDS
    ) -> list[Answer]:
        """What peers know of this name: (who, topic, commit) each; waits for all of them or `timeout` s.

        In a site its members are asked and nobody else.
        """
        sessions = self._sessions.current
        if self._circle.gate.in_site:
            sessions = {session.peer: session for session in self._circle.members()}
        return await self._lookups.ask(sessions, (hub, repo_type, repo, revision), timeout)

    def found(self, peer: NodeId, message: Found) -> None:
        """The peer answers a Lookup."""
        self._lookups.found(peer, message)

    def gone(self, peer: NodeId) -> None:
        """There is no link with the peer any more: it will not answer."""
        self._lookups.gone(peer)

    async def manifest(self, peer: NodeId, topic: SnapshotKey) -> bytes:
        """The encoded snapshot with this key, or this topic within the site, from a peer; SourceFailed."""
        source = Source("peer", to_text(peer))
        encoded = None
        with trio.move_on_after(MANIFEST_SECONDS):
            encoded = await (await self._bulks.get(peer)).manifest(topic)
        if encoded is None:
            raise SourceFailed(source, "no manifest in time", lasting=True)
        key = SnapshotKey(blake3(encoded).digest())
        private = self._sessions.standing_of(peer) == "member" and private_topic(key) == topic
        if topic != key and not private:
            self._misbehaved(peer, "sent a manifest that is not the one it was asked for")
            raise SourceFailed(source, "sent another manifest", lasting=True)
        return encoded

    async def renew(self, peer: NodeId) -> Granted | None:
        """Have a member renew this node's membership: over the link there is, else by a call.

        None when it cannot be reached.
        """
        if (granted := await self._circle.renew(peer)) is not None:
            return granted
        for candidate in self._sessions.table.candidates.of(peer):
            with suppress(CannotConnect):
                return await self.renew_at(candidate.address)
        return None

    async def renew_at(self, address: Address) -> Granted:
        """The same of whoever is at this address; CannotConnect."""
        return await ask(self._connector, address, lambda _: Renew())
