"""Links and messages of one node: finds peers, keeps links, and is where transfers meet them.

`run` holds the listener, the dialler and one task for each connection; nothing outlives it. Whom to dial
and which connection stays is decided in `peers` and done in `sessions`; what a message means is the
control session's business (`control`), chunk bytes are the bulk connections' (`bulks`, `bulk`), who may hear
of a topic is known in `joined`, and what is asked outside of transfers stands in `asking`. Here they are put
together, and told of one another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Final, Protocol

import trio

from protocol.ids import NodeId, SnapshotKey, short
from protocol.manifest import Layout
from protocol.messages import Belongs, Found, Granted, Peers, Renew, Revoked, Seek
from protocol.signing import Identity
from protocol.standing import Audience, Standing
from swarm.errors import UsageError
from swarm.exchange.asking import Asking
from swarm.exchange.bulk import BulkLink
from swarm.exchange.bulks import Bulks
from swarm.exchange.circle import Circle, Everyone
from swarm.exchange.company import Companies
from swarm.exchange.connector import Connector
from swarm.exchange.control import ControlSession
from swarm.exchange.gossip import hints, introductions
from swarm.exchange.guests import Guests
from swarm.exchange.interfaces import Catalog, Gate, Limiter, Network, PeerInfo, PeerMessage
from swarm.exchange.joined import Joined
from swarm.exchange.link import Link
from swarm.exchange.listener import Listener
from swarm.exchange.offered import Offered
from swarm.exchange.peers import LASTING_SECONDS, PeerTable
from swarm.exchange.sessions import Sessions
from swarm.exchange.topics import DigestOf, Sayable, Topic
from swarm.exchange.usage import Usage
from swarm.scheduler.neighbours import MAX_LINKS
from swarm.sources.address import Address
from swarm.workers import Workers

FAULT_SECONDS: Final = 60.0
"""How long a peer that broke the protocol is left alone: a bug of another version will not go away soon,
a damaged byte is not worth more."""

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
        self._catalog = catalog
        self._clock = clock
        gate = gate or Everyone()
        self._connector = Connector(
            identity, network, agent=agent, entropy=entropy, clock=clock, workers=workers, badge=gate.badge
        )
        self._listener = Listener(network, self._connector, self._met, clock, hosts=hosts, any_port=any_port)
        self._bulks = Bulks(
            self.me, self, self._connector, catalog, upload=upload, download=download, clock=clock
        )
        table = PeerTable(self.me, max_links=max_links)
        self._sessions = Sessions(table, self._connector, self, clock)
        self._guests = Guests(gate)
        self._joined = Joined(self.me, self._sessions, self, gate, clock)
        self.circle = Circle(gate, self._sessions, self._expel, self._joined.welcome)
        self.asking = Asking(self._sessions, self._bulks, self._connector, self.circle, self.misbehaved)
        self._own = Offered(catalog, lambda: "member")
        self._companies = Companies(self._sessions.current)
        self._usage = Usage()

    # --- running -------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen, dial and exchange messages until cancelled; reports the port it listens on.

        UsageError when it cannot listen there.
        """
        refused: OSError | None = None
        async with trio.open_nursery() as nursery:
            self._bulks.nursery = self._nursery = nursery
            try:
                self.port = self._connector.listen_port = await self._listener.start(nursery, self.port)
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

    async def _met(self, link: Link, host: str | None) -> None:
        """Run a connection of a peer that called, for what it says it is for."""
        kind = link.peer.hello.kind
        if kind == "control":
            await self._sessions.run(link, _listens_at(link, host), mine=False, host=host)
        elif kind == "admission":
            await self._guests.receive(link)
        elif self._sessions.table.trusts(link.node_id, self._clock()):
            await self._bulks.accepted(link)
        else:
            await link.close()

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
        with self._joined.join(topic, digest_of, audience) as joined:
            self._nursery.start_soon(self._joined.seek, joined)
            yield joined

    def leave(self, topic: SnapshotKey) -> None:
        """The catalog offers this no more: peers are told that this node has left, and a transfer that joined
        it goes on without them."""
        self._joined.leave(topic)

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
        now = self._clock()
        young = {peer for peer, s in self._sessions.current.items() if now < s.since + LASTING_SECONDS}
        return sharing | self._joined.present() | young | self._usage.busy(carried, now)

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
        self._joined.up(session)

    def session_down(self, session: ControlSession) -> None:
        end = session.link.end
        assert end is not None
        self.asking.gone(session.peer)
        for wanted in session.wanting:
            self._companies.changed(wanted)
        self._joined.gone(session.peer)
        if not session.replaced:
            self._bulks.cut(session.peer, end.reason)
        if end.fault:
            self.misbehaved(session.peer, end.reason)

    # --- for control sessions (control.Hub) ------------------------------------------------------------

    def active(self, topic: SnapshotKey, peer: NodeId) -> bool:
        return self._joined.active(topic, peer)

    async def heard(self, topic: SnapshotKey, event: PeerMessage) -> None:
        await self._joined.heard(topic, event)

    def shared(self, peer: NodeId) -> None:
        self._bulks.keep(peer)

    def told_of(self, session: ControlSession, message: Peers) -> None:
        for node, addresses in hints(message, session.address):
            self._sessions.sighting(node, addresses, "exchange", session.peer)

    def found(self, peer: NodeId, message: Found) -> None:
        self.asking.found(peer, message)

    def turned_away(self, peer: NodeId) -> None:
        self._sessions.turned_away(peer)

    async def sought(self, session: ControlSession, message: Seek) -> None:
        await self._joined.sought(session, message)

    def company_changed(self, topic: SnapshotKey) -> None:
        self._companies.changed(topic)

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
        return self._sessions.standing_of(peer)

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
