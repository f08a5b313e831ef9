"""The topics that transfers of this node take part in: who hears of each, who may speak, who is sought.

One table, from key to `Topic`. Every session is told when a topic is joined, parted from or left; what a
peer says reaches the transfer only if the peer may take part, as it stands at that moment. While a topic is
joined, company is sought for it (`seeking`), of which this is the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from protocol.ids import NodeId, SnapshotKey
from protocol.messages import Seek
from protocol.standing import Audience, Standing, admits
from swarm.exchange.control import ControlSession
from swarm.exchange.interfaces import Gate, PeerMessage
from swarm.exchange.seeking import Seeking
from swarm.exchange.sessions import Sessions
from swarm.exchange.topics import DigestOf, Links, Topic
from swarm.sources.address import Address


class Joined:
    """See the module. `links`: what each topic needs of the exchange."""

    def __init__(
        self, me: NodeId, sessions: Sessions, links: Links, gate: Gate, clock: Callable[[], float]
    ) -> None:
        self._sessions = sessions
        self._links = links
        self._gate = gate
        self._topics: dict[SnapshotKey, Topic] = {}
        self._seeking = Seeking(me, sessions.current, self, clock)

    # --- for transfers ------------------------------------------------------------------------------

    @contextmanager
    def join(self, key: SnapshotKey, digest_of: DigestOf, audience: Audience) -> Iterator[Topic]:
        """See `Exchange.join`. `seek` is to run meanwhile."""
        if key in self._topics:
            raise RuntimeError("this topic has been joined already")
        sessions = [one for one in self._sessions.current.values() if admits(audience, one.standing)]
        linked = frozenset(session.peer for session in sessions)
        topic = self._topics[key] = Topic(key, self._links, digest_of, linked, audience)
        for session in sessions:
            session.announce(key)
        if not self.crowded():
            topic.searched.set()
        try:
            yield topic
        finally:
            topic.search.cancel()
            self._topics.pop(key, None)
            topic.close()
            for session in self._sessions.current.values():
                session.part(key)

    async def seek(self, topic: Topic) -> None:
        """Seek company for a topic until it is over."""
        with topic.search:
            self._sessions.table.seeking += 1
            try:
                await self._seeking.seek(topic.key, lambda: topic.company, topic.searched)
            finally:
                self._sessions.table.seeking -= 1

    def leave(self, key: SnapshotKey) -> None:
        """The catalog offers this no more: a transfer that joined it goes on alone, peers are told."""
        if topic := self._topics.pop(key, None):
            topic.leave()
        for session in self._sessions.current.values():
            session.leave(key)

    # --- what happens to sessions, and what their peers say ------------------------------------------

    def up(self, session: ControlSession) -> None:
        """The peer hears of all topics that are joined."""
        for key in self._topics:
            session.announce(key)

    def welcome(self, session: ControlSession) -> None:
        """The peer has become a member: it hears of what is for members only."""
        for topic in self._topics.values():
            if topic.audience == "members":
                session.announce(topic.key)

    def gone(self, peer: NodeId) -> None:
        """There is no link with the peer any more."""
        for topic in self._topics.values():
            topic.gone(peer)

    def present(self) -> set[NodeId]:
        """The peers that take part in any topic."""
        return {peer for topic in self._topics.values() for peer in topic.present}

    def active(self, key: SnapshotKey, peer: NodeId) -> bool:
        """Has a transfer joined this topic, in which this peer may take part?"""
        topic = self._topics.get(key)
        return topic is not None and topic.admits(self._sessions.standing_of(peer))

    async def heard(self, key: SnapshotKey, event: PeerMessage) -> None:
        """Pass this on to the transfer that joined the topic, if there is one for this peer; may wait."""
        if self.active(key, event.peer):
            await self._topics[key].hear(event)

    async def sought(self, session: ControlSession, message: Seek) -> None:
        """The peer seeks company in a topic, or passes on that another does."""
        await self._seeking.heard(session, message)

    # --- for seeking (seeking.Owner) ------------------------------------------------------------------

    def crowded(self) -> bool:
        return self._sessions.table.crowded

    async def takes_part(self, topic: SnapshotKey, session: ControlSession) -> bool:
        return self.active(topic, session.peer) or await session.offered.open(topic) is not None

    def call(self, node: NodeId, addresses: Iterable[Address], told_by: NodeId) -> None:
        self._sessions.call(node, addresses, told_by)

    def among(self, topic: SnapshotKey) -> Standing:
        for_all = topic in self._topics and self._topics[topic].audience == "everyone"
        return "open" if for_all and not self._gate.in_site else "member"
