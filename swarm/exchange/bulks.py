"""The bulk connections of every pair: one, opened by whoever needs it first and used both ways.

The side that dialled the control connection opens it as soon as the two share a topic, as it has shown
that it can reach the other; the other side gives it a head start before it dials itself. Should both
dial at once, both connections may stay; orders go over the one dialled by the smaller id. A bulk
connection needs a control connection beside it and ends with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

import trio

from protocol.ids import NodeId, SnapshotKey, short, to_text
from protocol.standing import Standing
from swarm.exchange.bulk import BulkLink
from swarm.exchange.connector import CannotConnect, Connector
from swarm.exchange.counters import Counters
from swarm.exchange.given import Given
from swarm.exchange.interfaces import Catalog, Limiter, PeerMessage
from swarm.exchange.link import Link
from swarm.exchange.offered import Offered
from swarm.exchange.turns import Turns
from swarm.sources.address import Address
from swarm.sources.interface import Source, SourceFailed

ORPHAN_SECONDS: Final = 5.0
"""How long a bulk connection waits for the control connection it belongs to, which was dialled first."""

MAX_ORPHANS: Final = 32
"""Bulk connections that wait so: one for each link a node may have."""

HEAD_START_SECONDS: Final = 1.0
"""How long the side that was dialled waits for the other's bulk connection before it dials one itself."""

OPEN_SECONDS: Final = 20.0
"""Longest wait of an order for a bulk connection: the head start, a dial and a handshake."""

REOPEN_SECONDS: Final = 1.0
"""Pause before a lost bulk connection is opened again without an order that asks for it."""

log = logging.getLogger(__name__)


class Pairs(Protocol):
    """What the bulk connections need to know of the control connections."""

    def dialled(self, peer: NodeId) -> bool | None:
        """Did this node dial the control connection? None when there is none."""
        ...

    def address(self, peer: NodeId) -> Address | None:
        """Where the peer listens, as far as that is known."""
        ...

    def standing_of(self, peer: NodeId) -> Standing:
        """How the peer stands to this node now; refused when there is no link."""
        ...

    async def heard(self, topic: SnapshotKey, event: PeerMessage) -> None:
        """Pass this on to the transfer that joined the topic, if there is one; may wait for it."""
        ...

    def misbehaved(self, peer: NodeId, reason: str) -> None:
        """The peer broke the protocol."""
        ...


class _Opening:
    """An attempt at a bulk connection that orders wait for."""

    def __init__(self) -> None:
        self.settled = trio.Event()
        self.failure = ""

    def settle(self, failure: str = "") -> None:
        self.failure = failure
        self.settled.set()


class Bulks:
    """All bulk connections of this node, and `counters` of their bytes. Tasks run in `nursery`."""

    def __init__(
        self,
        me: NodeId,
        pairs: Pairs,
        connector: Connector,
        catalog: Catalog,
        *,
        upload: Limiter | None,
        download: Limiter | None,
        clock: Callable[[], float],
    ) -> None:
        self.nursery: trio.Nursery | None = None
        self.counters = Counters(lambda peer: pairs.dialled(peer) is not None)
        self._me = me
        self._pairs = pairs
        self._connector = connector
        self._catalog = catalog
        self._upload = upload
        self._download = download
        self._clock = clock
        self._given = Given()
        self._turns = Turns()
        self._links: dict[NodeId, list[BulkLink]] = {}
        self._opening: dict[NodeId, _Opening] = {}
        self._keep: set[NodeId] = set()
        self._control_up = trio.lowlevel.ParkingLot()

    def all(self, peer: NodeId) -> list[BulkLink]:
        return [bulk for bulk in self._links.get(peer, ()) if bulk.link.end is None]

    def best(self, peer: NodeId) -> BulkLink | None:
        """The connection to send orders over."""
        links = self.all(peer)
        return next((bulk for bulk in links if bulk.mine == (self._me < peer)), links[0] if links else None)

    async def get(self, peer: NodeId) -> BulkLink:
        """The connection to send orders over, opened if need be.

        SourceFailed, never lasting: who cannot be reached now, or was just lost, has done nothing wrong and
        is welcome the moment it is back.
        """
        if (bulk := self.best(peer)) is not None:
            return bulk
        source = Source("peer", to_text(peer))
        with trio.move_on_after(OPEN_SECONDS):
            while (bulk := self.best(peer)) is None:
                if self._pairs.dialled(peer) is None:
                    raise SourceFailed(source, "no link")
                opening = self._open(peer)
                await opening.settled.wait()
                if opening.failure:
                    raise SourceFailed(source, opening.failure)
            return bulk
        raise SourceFailed(source, "no bulk connection in time")

    def keep(self, peer: NodeId) -> None:
        """The two share a topic: have a connection, without waiting for an order, if that is our part."""
        if self._pairs.dialled(peer):
            self._keep.add(peer)
            if self.best(peer) is None:
                self._open(peer)

    def control_up(self) -> None:
        """There is a new control connection: bulk connections may have waited for it."""
        self._control_up.unpark_all()

    def cut(self, peer: NodeId, reason: str) -> None:
        """The control connection is gone, and with it all of these."""
        self.counters.gone(peer)
        self._keep.discard(peer)
        if opening := self._opening.pop(peer, None):
            opening.settle(reason)
        for bulk in self.all(peer):
            bulk.link.cut(reason)

    async def accepted(self, link: Link) -> None:
        """Run a connection that the peer dialled, until it ends."""
        if self._control_up.statistics().tasks_waiting < MAX_ORPHANS:
            with trio.move_on_after(ORPHAN_SECONDS):
                while self._pairs.dialled(link.node_id) is None:
                    await self._control_up.park()
        if self._pairs.dialled(link.node_id) is None:
            await link.close()
        else:
            await self._run(link, mine=False)

    def _open(self, peer: NodeId) -> _Opening:
        """The attempt under way, or a new one."""
        opening = self._opening.get(peer)
        if opening is None:
            assert self.nursery is not None
            opening = self._opening[peer] = _Opening()
            self.nursery.start_soon(self._dial, peer, opening)
        return opening

    async def _dial(self, peer: NodeId, opening: _Opening) -> None:
        if not self._pairs.dialled(peer):
            with trio.move_on_after(HEAD_START_SECONDS):
                await opening.settled.wait()
                return
        address = self._pairs.address(peer)
        try:
            if address is None:
                raise CannotConnect("it does not say where it listens")
            link = await self._connector.dial(address, "bulk")
        except CannotConnect as error:
            self._settle(peer, opening, f"no bulk connection: {error}")
            return
        if link.node_id == peer and self._pairs.dialled(peer) is not None and not self._surplus(peer):
            await self._run(link, mine=True)
        else:
            await link.close()
            self._settle(peer, opening, "no bulk connection: the peer is no longer at its address")

    def _surplus(self, peer: NodeId) -> bool:
        """Would a connection dialled by this node be one that orders do not go over?"""
        return self._me > peer and self.best(peer) is not None

    def _settle(self, peer: NodeId, opening: _Opening, failure: str = "") -> None:
        opening.settle("" if self.best(peer) else failure)
        if self._opening.get(peer) is opening:
            del self._opening[peer]

    async def _run(self, link: Link, *, mine: bool) -> None:
        peer = link.node_id
        for old in self.all(peer):
            if old.mine == mine:
                old.link.cut("replaced by a newer connection")
        bulk = BulkLink(
            link,
            Offered(self._catalog, partial(self._pairs.standing_of, peer)),
            self.counters.of(peer),
            mine=mine,
            given=self._given,
            turns=self._turns,
            heard=self._pairs.heard,
            upload=self._upload,
            download=self._download,
            clock=self._clock,
        )
        links = self._links.setdefault(peer, [])
        links.append(bulk)
        if opening := self._opening.get(peer):
            self._settle(peer, opening)
        try:
            await bulk.run()
        finally:
            links.remove(bulk)
            if not links:
                self._links.pop(peer, None)
            self._ended(bulk)

    def _ended(self, bulk: BulkLink) -> None:
        peer, end = bulk.link.node_id, bulk.link.end
        assert end is not None
        log.debug("bulk connection with %s ended: %s", short(peer), end.reason)
        if end.fault:
            self._pairs.misbehaved(peer, end.reason)
        elif peer in self._keep and self.nursery is not None:
            self.nursery.start_soon(self._reopen, peer)

    async def _reopen(self, peer: NodeId) -> None:
        await trio.sleep(REOPEN_SECONDS)
        if peer in self._keep:
            self.keep(peer)
