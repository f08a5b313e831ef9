"""The control connections of this node: dialling candidates, keeping one for each pair, redialling.

Carries out what the table of peers decides (`peers`). Who is not wanted because there are links enough is
told so, and of others to try, before the link ends. Whoever makes a `Sessions` says what a session is
and hears of each that comes up or goes down, in that order and never two for the same peer at once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Set
from typing import Final, NamedTuple, Protocol

import trio

from protocol.ids import NodeId, short
from protocol.messages import Bye
from protocol.standing import Standing
from swarm.exchange.connector import CannotConnect, Connector
from swarm.exchange.control import ControlSession
from swarm.exchange.link import Link
from swarm.exchange.outbox import Message
from swarm.exchange.peers import PeerTable, second_connection
from swarm.sources.address import Address, is_loopback

MAX_LINKS_OF_A_HOST: Final = 16
"""Links with nodes of no site at one address, but for this machine's own: keys cost nothing, so that one
machine could otherwise be all the peers a node has. Containers of a machine that shares its address fit."""

MAX_MEMBERS_OF_A_HOST: Final = 24
"""The same for members of this site: somebody let each of them in, so that there may be as many containers
as a node wants links. No more: an issuer that was broken into makes up members, until it is revoked."""

LINKS_OF_A_HOST: Final[dict[Standing, int]] = {
    "open": MAX_LINKS_OF_A_HOST,
    "member": MAX_MEMBERS_OF_A_HOST,
    "refused": 0,
}
"""Each is counted for itself: strangers take no places of members."""

log = logging.getLogger(__name__)

BYE_SECONDS: Final = 1.0
"""For a peer that is told goodbye to close the link itself, having read all that was said before."""

ENOUGH: Final = "this node has as many links as it wants"

CROWD: Final = "there are enough links with nodes at its address"


class FromHost(NamedTuple):
    """What links are counted by: the address of the other machine, and how the peer stands."""

    host: str
    standing: Standing


class Owner(Protocol):
    """Who makes sessions and hears of them."""

    def refusal(self, link: Link) -> str | None:
        """Why there may be no session over this link; None when there may."""
        ...

    def session(self, link: Link, address: Address | None, *, mine: bool) -> ControlSession:
        """A session over this link, not yet running."""
        ...

    def session_up(self, session: ControlSession, others: list[ControlSession]) -> None:
        """It is about to run, beside these others."""
        ...

    def session_down(self, session: ControlSession) -> None:
        """It has ended, for the reason in its link."""
        ...

    def busy(self) -> Set[NodeId]:
        """The peers whose links are in use."""
        ...

    def standing(self, link: Link) -> Standing:
        """How the peer at the other end stands to this node."""
        ...

    def above(self, link: Link) -> Set[NodeId]:
        """The peers whose links are not to be given up for this one."""
        ...

    def introduce(self, link: Link, address: Address | None, others: Iterable[ControlSession]) -> None:
        """Tell whoever is at the other end, at this address, of the peers of these sessions."""
        ...


class Sessions:
    """See the module. `current`: the sessions there are, by peer."""

    def __init__(
        self, table: PeerTable, connector: Connector, owner: Owner, clock: Callable[[], float]
    ) -> None:
        self.current: dict[NodeId, ControlSession] = {}
        self.table = table
        self._connector = connector
        self._owner = owner
        self._clock = clock
        self._changed = trio.lowlevel.ParkingLot()
        self._in_line: set[NodeId] = set()
        self._of_hosts: Counter[FromHost] = Counter()

    async def dial_candidates(self) -> None:
        """Dial whatever the table says, until cancelled, and run the connections that come of it."""
        async with trio.open_nursery() as nursery:
            while True:
                now = self._clock()
                for address in self.table.dials(now):
                    nursery.start_soon(self._dial, address)
                with trio.move_on_after(max(0.0, self.table.next_dial(now) - now)):
                    await self._changed.park()

    def sighting(
        self,
        node_id: NodeId | None,
        addresses: Iterable[Address],
        via: str,
        told_by: NodeId | None = None,
    ) -> None:
        """A hint where a node may be, perhaps from a peer."""
        if self.table.sighting(node_id, addresses, via, self._clock(), told_by):
            self._changed.unpark_all()

    def standing_of(self, peer: NodeId) -> Standing:
        """How the peer stands to this node now; refused when there is no link."""
        session = self.current.get(peer)
        return session.standing if session else "refused"

    def reconsider(self) -> None:
        """Dial those again soon that there could be no link with: this node's own standing has changed."""
        self.table.reconsider(self._clock())
        self._changed.unpark_all()

    def distrust(self, peer: NodeId, seconds: float, reason: str) -> None:
        """Cut the connection with this peer, and have none for so long."""
        now = self._clock()
        self.table.distrust(peer, now + seconds, now)
        if session := self.current.get(peer):
            session.link.cut(reason)

    def call(self, node: NodeId, addresses: Iterable[Address], told_by: NodeId | None) -> None:
        """A node seeks what this one has, says a peer: have a link with it."""
        self.table.call(node, addresses, self._clock(), told_by)
        self._changed.unpark_all()

    def turned_away(self, peer: NodeId) -> None:
        """The peer says that it has links enough."""
        self.table.turned_away(peer, self._clock())

    async def run(self, link: Link, address: Address | None, *, mine: bool, host: str | None = None) -> None:
        """Run a control connection until it ends, if it is welcome. `address`: where the peer listens;
        `host`: where it called from."""
        peer = link.node_id
        unwelcome = self._owner.refusal(link)
        if unwelcome is None and not mine:
            self.table.called(address, peer)
        counted = None if unwelcome else self._counted_as(link, address.host if mine and address else host)
        refusal = unwelcome or await self._refusal(link, mine=mine, counted=counted)
        if refusal is not None:
            if mine and address is not None and refusal in (unwelcome, CROWD):
                self.table.refused(address, self._clock())
            log.debug("a link with %s is not wanted: %s", short(peer), refusal)
            if refusal == ENOUGH:
                await self._send_away(link, address)
            await link.close()
            return
        session = self._owner.session(link, address, mine=mine)
        taken = Counter([counted] if counted else [])
        self._of_hosts.update(taken)
        self._up(session)
        try:
            await session.run()
        finally:
            self._down(session)
            self._of_hosts -= taken

    def _counted_as(self, link: Link, host: str | None) -> FromHost | None:
        """As what this link counts among those with one machine; None where that is not limited: this machine
        itself, and what the operator named."""
        if host is None or is_loopback(host) or self.table.named(link.node_id):
            return None
        return FromHost(host, self._owner.standing(link))

    async def _dial(self, address: Address) -> None:
        try:
            link = await self._connector.dial(address, "control")
        except CannotConnect as error:
            log.debug("no link with %s: %s", address, error)
            self.table.failed(address, self._clock())
            self._changed.unpark_all()
            return
        self.table.reached(address, link.node_id, self._clock())
        self._changed.unpark_all()
        await self.run(link, address, mine=True)

    async def _refusal(self, link: Link, *, mine: bool, counted: FromHost | None) -> str | None:
        """Make way for this connection; or say why it is not to be."""
        peer = link.node_id
        if peer in self._in_line:
            return "another one stands in line already"
        self._in_line.add(peer)
        try:
            return await self._stand_in_line(link, mine=mine, counted=counted)
        finally:
            self._in_line.discard(peer)

    async def _stand_in_line(self, link: Link, *, mine: bool, counted: FromHost | None) -> str | None:
        peer = link.node_id
        while True:
            first = self.current.get(peer)
            if first is not None:
                if await self._keep(first, mine=mine):
                    return "there is one already"
            elif counted is not None and self._of_hosts[counted] >= LINKS_OF_A_HOST[counted.standing]:
                return CROWD
            elif (reason := self.table.admits(peer, self._clock())) is not None:
                return reason
            elif self.table.has_room(peer, mine=mine):
                return None
            elif not await self._make_room(link, mine=mine):
                return ENOUGH

    async def _keep(self, first: ControlSession, *, mine: bool) -> bool:
        """Whether the connection there is with a peer stays though there is another; if not, it has ended."""
        verdict = second_connection(self.table.me, first.peer, first_mine=first.mine, second_mine=mine)
        if verdict == "probe":
            verdict = "drop" if await first.probe() else "replace"
        if verdict == "drop":
            return True
        first.replaced = True
        first.link.cut("replaced by another connection")
        await first.finished.wait()
        return False

    async def _make_room(self, link: Link, *, mine: bool) -> bool:
        """End the link that can best be done without, politely; whether there was one."""
        spare = self.table.spare(link.node_id, self._owner.busy(), self._owner.above(link), mine=mine)
        session = self.current.get(spare) if spare is not None else None
        if session is None:
            return False
        self.table.turned_away(session.peer, self._clock())
        session.link.post(Bye(ENOUGH))
        with trio.move_on_after(BYE_SECONDS):
            await session.finished.wait()
        session.link.cut("made way for another peer")
        await session.finished.wait()
        return True

    async def _send_away(self, link: Link, address: Address | None) -> None:
        """Say goodbye on a link that will not be, and of whom else there is."""
        self._owner.introduce(link, address, self.current.values())
        link.post(Bye(ENOUGH))
        with trio.move_on_after(BYE_SECONDS):
            await link.run(_ignore)

    def _up(self, session: ControlSession) -> None:
        log.info("linked with %s at %s", short(session.peer), session.address or "no address of its own")
        others = list(self.current.values())
        self.current[session.peer] = session
        self.table.link_up(session.peer, session.address, self._clock(), mine=session.mine)
        self._owner.session_up(session, others)

    def _down(self, session: ControlSession) -> None:
        assert session.link.end is not None
        log.info("link with %s ended: %s", short(session.peer), session.link.end.reason)
        del self.current[session.peer]
        now = self._clock()
        self.table.link_down(session.peer, now, lasted=now - session.since)
        self._owner.session_down(session)
        session.finished.set()
        self._changed.unpark_all()


async def _ignore(message: Message) -> None:
    """What is said on a link that is about to end."""
