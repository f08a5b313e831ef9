"""One transfer's part in a topic: what peers say of it, what this node says, and each peer as a source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import trio

from protocol.ids import ChunkDigest, NodeId, SnapshotKey, to_text
from protocol.limits import KIB
from protocol.manifest import Layout
from protocol.messages import Absent, Join, Leave, NeedClaims
from protocol.standing import Audience, Standing, admits
from swarm.exchange.bulk import BulkLink
from swarm.exchange.interfaces import PeerGone, PeerMessage, TopicEvent, TopicMessage
from swarm.exchange.outbox import weight
from swarm.sources.interface import Deliver, Source, SourceFailed

EVENTS_ROOM: Final = 512
"""Events that may wait for a transfer; then the readers of the links wait too."""

LARGE_EVENT: Final = 4 * KIB
"""Weight from which an event is a large one: a have-map, or news of hundreds of ranges or digests."""

LARGE_EVENTS_ROOM: Final = 16
"""Events that may wait if one more is to be large: half a megabyte each in memory, were they the largest."""

EVENTS_POLL_SECONDS: Final = 0.01
"""How often a waiting reader looks whether there is room again: a memory channel tells nobody."""

DigestOf = Callable[[int], ChunkDigest | None]
Sayable = TopicMessage | NeedClaims


class Links(Protocol):
    """What a topic needs of the exchange."""

    def tell(self, topic: SnapshotKey, message: Sayable, peer: NodeId | None) -> None:
        """Send this to one peer, or to all that want to hear of the topic."""
        ...

    async def bulk(self, peer: NodeId) -> BulkLink:
        """A bulk connection with this peer; SourceFailed when there is none to be had."""
        ...

    def bulks(self, peer: NodeId) -> Iterable[BulkLink]:
        """The bulk connections there are with this peer."""
        ...

    async def layout(self, topic: SnapshotKey) -> Layout | None:
        """How the topic is cut; None when the catalog does not know it."""
        ...


class PeerSource:
    """A peer as a source of the chunks of one topic (`swarm.sources.interface.ChunkSource`)."""

    def __init__(self, links: Links, topic: SnapshotKey, peer: NodeId, digest_of: DigestOf) -> None:
        self.source = Source("peer", to_text(peer))
        self._links = links
        self._topic = topic
        self._peer = peer
        self._digest_of = digest_of

    async def fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
        """Deliver each of these chunks once, in whatever order they come.

        SourceFailed once all that did come was delivered, when the peer refused some or the link ended.
        Cancelling it calls the rest off.
        """
        layout = await self._links.layout(self._topic)
        if layout is None:
            raise SourceFailed(self.source, "this node does not take part in the topic itself")
        bulk = await self._links.bulk(self._peer)
        await bulk.fetch(self._topic, layout, chunks, self._digest_of, deliver)

    def withdraw(self, chunks: Iterable[int]) -> None:
        """Call these chunks off in all running fetches from this peer, which then end without them."""
        chunks = list(chunks)
        for bulk in self._links.bulks(self._peer):
            bulk.withdraw(self._topic, chunks)


class Topic:
    """Made by `Exchange.join`. `audience`: which peers may take part. `events`: what peers say, and PeerGone
    when one is lost. `linked`: the peers there were links with at the start, each of which will answer or be
    gone. `searched`: whether others were looked for as well, as far as need be; `search` cancels that.
    `present`: who takes part.

    The first a peer says is a Join (or that it is Absent); should the link be lost, a PeerGone follows and
    the peer begins anew.
    """

    def __init__(
        self,
        key: SnapshotKey,
        links: Links,
        digest_of: DigestOf,
        linked: frozenset[NodeId] = frozenset(),
        audience: Audience = "everyone",
    ) -> None:
        self.key = key
        self.linked = linked
        self.audience = audience
        self.search = trio.CancelScope()
        self._links = links
        self._digest_of = digest_of
        self.present: set[NodeId] = set()
        self.searched = trio.Event()
        self._room_left = 0  # so many small events fit for certain
        self._events, self.events = trio.open_memory_channel[TopicEvent](float("inf"))

    @property
    def company(self) -> int:
        """How many peers take part."""
        return len(self.present)

    def say(self, message: Sayable, peer: NodeId | None = None) -> None:
        """Tell one peer, or every peer that takes part. Never blocks; a peer that does not read is cut."""
        self._links.tell(self.key, message, peer)

    def source(self, peer: NodeId) -> PeerSource:
        """This peer as a source of chunks of this topic."""
        return PeerSource(self._links, self.key, peer, self._digest_of)

    async def hear(self, event: PeerMessage) -> None:
        """Pass a message on to the transfer, once it has caught up a little."""
        if self._room_left and weight(event.message) < LARGE_EVENT:
            self._room_left -= 1
        else:
            await self._wait_for_room(event)
        match event.message:
            case Join():
                self.present.add(event.peer)
            case Absent() | Leave():
                self.present.discard(event.peer)
            case _ if event.peer not in self.present:
                return
        self._pass_on(event)

    async def _wait_for_room(self, event: PeerMessage) -> None:
        """Return once there is room for this event, and note how much more there is then.

        To look costs as much as to pass an event on.
        """
        room = EVENTS_ROOM if weight(event.message) < LARGE_EVENT else LARGE_EVENTS_ROOM
        waiting = self._events.statistics
        # The channel has no limit, as a lost link (`gone`) must never wait; so trio tells nobody when an
        # event is taken from it, and there is nothing to wait for but time.
        while (used := waiting().current_buffer_used) >= room:  # noqa: ASYNC110  # no event tells
            await trio.sleep(EVENTS_POLL_SECONDS)
        self._room_left = room - used - 1

    def gone(self, peer: NodeId) -> None:
        """The link with this peer is no more: never late, even if the transfer is behind."""
        if peer in self.present:
            self.present.discard(peer)
            self._pass_on(PeerGone(peer))

    def admits(self, standing: Standing) -> bool:
        """May a peer of this standing take part?"""
        return admits(self.audience, standing)

    def leave(self) -> None:
        """Nobody takes part any more, as far as the transfer hears and whatever it says."""
        self.audience = "nobody"
        self.search.cancel()
        self.searched.set()
        for peer in self.linked | self.present:
            self._pass_on(PeerGone(peer))
        self.present.clear()

    def _pass_on(self, event: TopicEvent) -> None:
        with suppress(trio.BrokenResourceError):  # the transfer is over; nobody listens
            self._events.send_nowait(event)

    def close(self) -> None:
        """No more events: whoever still reads them comes to their end."""
        self._events.close()
