"""Links and messages of one node: finds peers, keeps links, and is where transfers meet them.

`run` holds the listener, the dialler and one task for each connection; nothing outlives it. Whom to dial
and which connection stays is decided in `peers` and done in `sessions`; what a message means is the
control session's business (`control`), chunk bytes are the bulk connections' (`bulks`, `bulk`).
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, Protocol

import trio
from blake3 import blake3

from protocol.ids import NodeId, SnapshotKey, private_topic, short, to_text
from protocol.manifest import Layout
from protocol.messages import Belongs, Found, Granted, Peers, Renew, Revoked, Seek
from protocol.signing import Identity
from protocol.standing import Audience, Standing, admits
from swarm.errors import UsageError
from swarm.exchange.bulk import BulkLink
from swarm.exchange.bulks import Bulks
from swarm.exchange.circle import Circle, Everyone
from swarm.exchange.company import Companies
from swarm.exchange.connector import CannotConnect, Connector
from swarm.exchange.control import ControlSession
from swarm.exchange.door import Door
from swarm.exchange.gossip import hints, introductions
from swarm.exchange.guests import Guests, ask
from swarm.exchange.interfaces import Catalog, Gate, Limiter, Network, PeerInfo, PeerMessage
from swarm.exchange.link import HandshakeFailed, Link
from swarm.exchange.lookups import Answer, Lookups
from swarm.exchange.offered import Offered
from swarm.exchange.peers import LASTING_SECONDS, PeerTable
from swarm.exchange.seeking import Seeking
from swarm.exchange.sessions import Sessions
from swarm.exchange.topics import DigestOf, Sayable, Topic
from swarm.exchange.usage import Usage
from swarm.scheduler.neighbours import MAX_LINKS
from swarm.sources.address import Address
from swarm.sources.interface import Source, SourceFailed
from swarm.workers import Workers

FAULT_SECONDS: Final = 60.0
"""How long a peer that broke the protocol is left alone: a bug of another version will not go away soon,
a damaged byte is not worth more."""

LOOKUP_SECONDS: Final = 2.0
"""How long peers have for an answer to a Lookup: it is one look into a database."""

MANIFEST_SECONDS: Final = 120.0
"""For a manifest to arrive: the largest there can be, at 2 MB/s."""

log = logging.getLogger(__name__)


class Sighting(Protocol):
    """What discovery says: a node, if it is known which, may be at these addresses."""

    @property
    def node_id(self) -> NodeId | None: ...

    @property
    def addresses(self) -> tuple[Address, ...]: ...

    @property
    def via(self) -> str: ...


class Exchange:
    """See the module. `port`: where to listen; if it is taken and `any_port`, wherever the system likes.
    `hosts`: local addresses to listen on, None for those that only a LAN reaches. `entropy(n)` gives n
    unpredictable bytes. `gate`: who may link with this node, None for everyone."""

    def __init__(
        self,
        identity: Identity,
        network: Network,
        catalog: Catalog,
        *,
        port: int,
        agent: str,
        entropy: Callable[[int], bytes],
        workers: Workers,
        clock: Callable[[], float] = trio.current_time,
        hosts: Sequence[str] | None = None,
        any_port: bool = True,
        upload: Limiter | None = None,
        download: Limiter | None = None,
        max_links: int = MAX_LINKS,
        gate: Gate | None = None,
    ) -> None:
        self.me = identity.node_id
        self.port = port
        self._network = network
        self._catalog = catalog
        self._clock = clock
        self._hosts = hosts
        self._any_port = any_port
        gate = gate or Everyone()
        self._connector = Connector(
            identity, network, agent=agent, entropy=entropy, clock=clock, workers=workers, badge=gate.badge
        )
        self._bulks = Bulks(
            self.me, self, self._connector, catalog, upload=upload, download=download, clock=clock
        )
        table = PeerTable(self.me, max_links=max_links)
        self._sessions = Sessions(table, self._connector, self, clock)
        self._guests = Guests(gate)
        self.circle = Circle(gate, self._sessions, self._expel, self._welcome)
        self._own = Offered(catalog, lambda: "member")
        self._topics: dict[SnapshotKey, Topic] = {}
        self._companies = Companies(self._sessions.current)
        self._lookups = Lookups()
        self._usage = Usage()
        self._seeking = Seeking(self.me, self._sessions.current, self, clock)
        self._door = Door()

    # --- running -------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen, dial and exchange messages until cancelled; reports the port it listens on.

        UsageError when it cannot listen there.
        """
        refused: OSError | None = None
        async with trio.open_nursery() as nursery:
            self._bulks.nursery = self._nursery = nursery
            try:
                self.port = self._connector.listen_port = await self._listen(nursery)
            except OSError as error:
                refused = error
            else:
                nursery.start_soon(self._sessions.dial_candidates)
                nursery.start_soon(self._companies.run)
                nursery.start_soon(self.circle.keep)
                task_status.started(self.port)
        if refused is not None:
            raise UsageError(
                f"cannot listen for peers on port {self.port}: {refused.strerror or refused}",
                "Name another address or port by SWARM_LISTEN, or stop what uses this one.",
            ) from refused

    async def _listen(self, nursery: trio.Nursery) -> int:
        listen = partial(self._network.listen, hosts=self._hosts, handler=self._accepted)
        try:
            port: int = await nursery.start(listen, self.port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not self._any_port:
                raise
            port = await nursery.start(listen, 0)
            log.warning("port %d is taken, listening for peers on %d", self.port, port)
        return port

    async def _accepted(self, stream: trio.abc.Stream, host: str | None) -> None:
        link = await self._shake_hands(stream, host)
        if link is None:
            return
        kind = link.peer.hello.kind
        if kind == "control":
            await self._sessions.run(link, _listens_at(link, host), mine=False, host=host)
        elif kind == "admission":
            await self._guests.receive(link)
        elif self._sessions.table.trusts(link.node_id, self._clock()):
            await self._bulks.accepted(link)
        else:
            await link.close()

    async def _shake_hands(self, stream: trio.abc.Stream, host: str | None) -> Link | None:
        """The link that comes of an accepted connection, if there is a place for it at the door."""
        scope = trio.CancelScope()
        guest = self._door.enter(host, scope.cancel, self._clock())
        if guest is None:
            await trio.aclose_forcefully(stream)
            return None
        try:
            with scope:
                return await self._connector.welcome(stream)
        except HandshakeFailed as error:
            log.debug("a connection from %s came to nothing: %s", host, error)
        finally:
            self._door.leave(guest, self._clock())
        return None

    # --- what discovery, users and transfers do --------------------------------------------------------

    def sighting(self, sighting: Sighting) -> None:
        """A hint where a peer may be; it is dialled if that is worth while."""
        self._sessions.sighting(sighting.node_id, sighting.addresses, sighting.via)

    def vanished(self, node_id: NodeId) -> None:
        """A hint that a peer is no longer where it was seen; a link that works proves the contrary."""
        self._sessions.table.vanished(node_id)

    def peers(self) -> list[PeerInfo]:
        """The peers there are links with."""
        infos = []
        for peer, session in self._sessions.current.items():
            count = self._bulks.counters.of(peer)
            infos.append(
                PeerInfo(
                    peer,
                    session.address,
                    self._sessions.table.via(peer),
                    count.sent,
                    count.received,
                    session.since,
                    session.link.peer.hello.agent,
                    session.standing,
                )
            )
        return infos

    @contextmanager
    def join(
        self, topic: SnapshotKey, digest_of: DigestOf, audience: Audience = "everyone"
    ) -> Iterator[Topic]:
        """Take part in a topic, as the catalog says it can be served. `digest_of`: what to demand of a
        peer's chunk, None where that is not known. `audience`: with whom. One transfer a topic."""
        if topic in self._topics:
            raise RuntimeError("this topic has been joined already")
        sessions = [one for one in self._sessions.current.values() if admits(audience, one.standing)]
        linked = frozenset(session.peer for session in sessions)
        joined = self._topics[topic] = Topic(topic, self, digest_of, linked, audience)
        for session in sessions:
            session.announce(topic)
        if not self.crowded():
            joined.searched.set()
        self._nursery.start_soon(self._seek, joined)
        try:
            yield joined
        finally:
            joined.search.cancel()
            self._topics.pop(topic, None)
            joined.close()
            for session in self._sessions.current.values():
                session.part(topic)

    def leave(self, topic: SnapshotKey) -> None:
        """The catalog offers this no more: peers are told that this node has left, and a transfer that joined
        it goes on without them."""
        if joined := self._topics.pop(topic, None):
            joined.leave()
        for session in self._sessions.current.values():
            session.leave(topic)

    async def _seek(self, topic: Topic) -> None:
        with topic.search:
            self._sessions.table.seeking += 1
            try:
                await self._seeking.seek(topic.key, lambda: topic.company, topic.searched)
            finally:
                self._sessions.table.seeking -= 1

    async def manifest(self, peer: NodeId, topic: SnapshotKey) -> bytes:
        """The encoded snapshot with this key, or this topic within the site, from a peer; SourceFailed."""
        source = Source("peer", to_text(peer))
        encoded = None
        with trio.move_on_after(MANIFEST_SECONDS):
            encoded = await (await self._bulks.get(peer)).manifest(topic)
        if encoded is None:
            raise SourceFailed(source, "no manifest in time", lasting=True)
        key = SnapshotKey(blake3(encoded).digest())
        private = self.standing_of(peer) == "member" and private_topic(key) == topic
        if topic != key and not private:
            self.misbehaved(peer, "sent a manifest that is not the one it was asked for")
            raise SourceFailed(source, "sent another manifest", lasting=True)
        return encoded

    async def lookup(
        self, hub: str, repo_type: str, repo: str, revision: str, timeout: float = LOOKUP_SECONDS
    ) -> list[Answer]:
        """What peers know of this name: (who, topic, commit) each; waits for all of them or `timeout` s.

        In a site its members are asked and nobody else.
        """
        sessions = self._sessions.current
        if self.circle.gate.in_site:
            sessions = {session.peer: session for session in self.circle.members()}
        return await self._lookups.ask(sessions, (hub, repo_type, repo, revision), timeout)

    async def renew(self, peer: NodeId) -> Granted | None:
        """Have a member renew this node's membership: over the link there is, else by a call.

        None when it cannot be reached.
        """
        if (granted := await self.circle.renew(peer)) is not None:
            return granted
        for candidate in self._sessions.table.addresses(peer):
            with suppress(CannotConnect):
                return await self.renew_at(candidate.address)
        return None

    async def renew_at(self, address: Address) -> Granted:
        """The same of whoever is at this address; CannotConnect."""
        return await ask(self._connector, address, lambda _: Renew())

    def distrust(self, peer: NodeId, seconds: float) -> None:
        """Cut all connections with this peer and have none for so long."""
        self._cut(peer, seconds, "distrusted")

    def misbehaved(self, peer: NodeId, reason: str) -> None:
        """The peer broke the protocol: distrust it for FAULT_SECONDS."""
        log.warning("%s broke the protocol and is left alone for a while: %s", short(peer), reason)
        self._cut(peer, FAULT_SECONDS, reason)

    def _cut(self, peer: NodeId, seconds: float, reason: str) -> None:
        self._bulks.cut(peer, reason)
        self._sessions.distrust(peer, seconds, reason)

    def _expel(self, peer: NodeId, reason: str) -> None:
        """Cut all connections with a peer that is no longer one of ours; it may come back when it is."""
        self._bulks.cut(peer, reason)
        if session := self._sessions.current.get(peer):
            session.link.cut(reason)

    def _welcome(self, session: ControlSession) -> None:
        """The peer has become a member: it hears of what is for members only."""
        for topic in self._topics.values():
            if topic.audience == "members":
                session.announce(topic.key)

    # --- for the control connections (sessions.Owner) --------------------------------------------------

    def refusal(self, link: Link) -> str | None:
        return self.circle.refusal(link)

    def session(self, link: Link, address: Address | None, *, mine: bool) -> ControlSession:
        session = ControlSession(link, address, self._catalog, self, mine=mine, clock=self._clock)
        self.circle.begin(session)
        return session

    def busy(self) -> Set[NodeId]:
        counts = {peer: self._bulks.counters.of(peer) for peer in self._sessions.current}
        carried = {peer: count.sent + count.received for peer, count in counts.items()}
        sharing = {peer for peer, s in self._sessions.current.items() if s.wanting & s.audience}
        for topic in self._topics.values():
            sharing |= topic.present
        now = self._clock()
        young = {peer for peer, s in self._sessions.current.items() if now < s.since + LASTING_SECONDS}
        return sharing | young | self._usage.busy(carried, now)

    def standing(self, link: Link) -> Standing:
        return self.circle.standing(link)

    def above(self, link: Link) -> Set[NodeId]:
        return self.circle.above(link)

    def introduce(self, link: Link, address: Address | None, others: Iterable[ControlSession]) -> None:
        standing = self.standing(link)
        alike = ((other.peer, other.address) for other in others if other.standing == standing)
        for message in introductions(alike, address):
            link.post(message)

    def session_up(self, session: ControlSession, others: list[ControlSession]) -> None:
        self._bulks.control_up()
        self.circle.up(session)
        others = [other for other in others if other.standing == session.standing]
        self.introduce(session.link, session.address, others)
        for other in others:
            for message in introductions([(session.peer, session.address)], other.address):
                other.link.post(message)
        for topic in self._topics:
            session.announce(topic)

    def session_down(self, session: ControlSession) -> None:
        end = session.link.end
        assert end is not None
        self._lookups.gone(session.peer)
        for wanted in session.wanting:
            self._companies.changed(wanted)
        for topic in self._topics.values():
            topic.gone(session.peer)
        if not session.replaced:
            self._bulks.cut(session.peer, end.reason)
        if end.fault:
            self.misbehaved(session.peer, end.reason)

    # --- for control sessions (control.Hub) ------------------------------------------------------------

    def active(self, topic: SnapshotKey, peer: NodeId) -> bool:
        joined = self._topics.get(topic)
        return joined is not None and joined.admits(self.standing_of(peer))

    async def heard(self, topic: SnapshotKey, event: PeerMessage) -> None:
        if self.active(topic, event.peer):
            await self._topics[topic].hear(event)

    def shared(self, peer: NodeId) -> None:
        self._bulks.keep(peer)

    def told_of(self, session: ControlSession, message: Peers) -> None:
        for node, addresses in hints(message, session.address):
            self._sessions.sighting(node, addresses, "exchange", session.peer)

    def found(self, peer: NodeId, message: Found) -> None:
        self._lookups.found(peer, message)

    def turned_away(self, peer: NodeId) -> None:
        self._sessions.turned_away(peer)

    async def sought(self, session: ControlSession, message: Seek) -> None:
        await self._seeking.heard(session, message)

    def company_changed(self, topic: SnapshotKey) -> None:
        self._companies.changed(topic)

    # --- for seeking (seeking.Owner) ------------------------------------------------------------------

    def crowded(self) -> bool:
        return self._sessions.table.crowded

    async def takes_part(self, topic: SnapshotKey, session: ControlSession) -> bool:
        return self.active(topic, session.peer) or await session.offered.open(topic) is not None

    def call(self, node: NodeId, addresses: Iterable[Address], told_by: NodeId) -> None:
        self._sessions.call(node, addresses, told_by)

    def among(self, topic: SnapshotKey) -> Standing:
        for_all = topic in self._topics and self._topics[topic].audience == "everyone"
        return "open" if for_all and not self.circle.gate.in_site else "member"

    def told_of_site(self, session: ControlSession, message: Belongs | Revoked | Granted) -> None:
        self.circle.told(session, message)

    async def renewal(self, session: ControlSession) -> Granted:
        return await self.circle.gate.grant(session.link.peer, session.badge, Renew())

    # --- for topics and bulk connections (topics.Links, bulks.Pairs) -----------------------------------

    def tell(self, topic: SnapshotKey, message: Sayable, peer: NodeId | None) -> None:
        if peer is None:
            for session in self._sessions.current.values():
                session.tell(topic, message)
        elif peer in self._sessions.current:
            self._sessions.current[peer].tell(topic, message)

    async def bulk(self, peer: NodeId) -> BulkLink:
        return await self._bulks.get(peer)

    def bulks(self, peer: NodeId) -> Iterable[BulkLink]:
        return self._bulks.all(peer)

    async def layout(self, topic: SnapshotKey) -> Layout | None:
        served = await self._own.open(topic)
        return served.layout if served else None

    def standing_of(self, peer: NodeId) -> Standing:
        session = self._sessions.current.get(peer)
        return session.standing if session else "refused"

    def dialled(self, peer: NodeId) -> bool | None:
        session = self._sessions.current.get(peer)
        return session.mine if session else None

    def address(self, peer: NodeId) -> Address | None:
        session = self._sessions.current.get(peer)
        return session.address if session else None


def _listens_at(link: Link, host: str | None) -> Address | None:
    """Where a peer that dialled from `host` says it listens."""
    port = link.peer.hello.listen_port
    if host is None or not port:
        return None
    try:
        return Address(host, port)
    except ValueError:
        return None
