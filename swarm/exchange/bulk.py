"""A bulk connection: our orders one way, the peer's the other, each with its own patience.

The reader puts arriving pieces together; a few tasks deliver whole chunks to whoever ordered them. While
all of these are busy the reader waits: a slow receiver thus slows the sender down, and nothing piles up
here. When the link ends, every fetch on it ends with SourceFailed. A fetch that is cancelled calls its
chunks off.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Final

import trio

from protocol.ids import ChunkDigest, SnapshotKey, to_text
from protocol.limits import MAX_PIECES
from protocol.manifest import Layout
from protocol.messages import Cancel, Data, Elsewhere, ManifestPart, NeedManifest, Refuse, Request
from swarm.exchange.counters import Counter
from swarm.exchange.given import Given
from swarm.exchange.handing import hand
from swarm.exchange.interfaces import Limiter, PeerMessage
from swarm.exchange.link import Link
from swarm.exchange.manifests import Manifests
from swarm.exchange.offered import Offered
from swarm.exchange.orders import Order, Orders, Unsolicited
from swarm.exchange.outbox import Message
from swarm.exchange.serving import Serving, TooGreedy
from swarm.exchange.spans import sendable_spans
from swarm.exchange.turns import Turn, Turns
from swarm.sources.interface import Arrived, Deliver, Source, SourceFailed

STALL_SECONDS: Final = 30.0
"""A link with orders on which nothing came for so long is cut; the scheduler goes elsewhere far sooner."""

WINDOW: Final = MAX_PIECES
"""Chunks of one fetch that are asked for at a time; more are asked for when half of them came."""

MAX_OUTSTANDING: Final = 16 * WINDOW
"""Chunks asked for on one link: half of what the other side queues before it calls us greedy."""

DELIVERIES: Final = 4
"""Frames' worth of whole chunks under way to those who ordered them: one is checked, two are written, and one
is fed to the hash of the whole."""

Heard = Callable[[SnapshotKey, PeerMessage], Awaitable[None]]
"""Passes on what a peer says to the transfer that joined the topic."""

DigestOf = Callable[[int], ChunkDigest | None]


class Fetching:
    """One running fetch: its order, and what becomes of its whole chunks.

    `to_ask`: not yet asked for. `handing`: frames whose chunks are not delivered yet. `error`: what the
    receiver raised. `over`: nothing more will come, or whoever asked has gone.
    """

    def __init__(self, order: Order, digest_of: DigestOf, deliver: Deliver) -> None:
        self.order = order
        self.digest_of = digest_of
        self.to_ask = dict.fromkeys(order.left)
        self.handing = 0
        self.failure: str | None = None
        self.error: Exception | None = None
        self.over = trio.Event()
        self._deliver = deliver
        self._deliveries: set[trio.CancelScope] = set()
        self._idle = trio.lowlevel.ParkingLot()

    @property
    def under_way(self) -> int:
        return len(self.order.left) - len(self.to_ask)

    def fail(self, reason: str) -> None:
        """What did not come so far will not come."""
        self.failure = self.failure or reason
        self.order.left.clear()
        self.end_if_done()

    def end_if_done(self) -> None:
        """Let the fetch return once nothing more will come."""
        if not self.order.left and not self.handing:
            self.over.set()

    async def deliver(self, source: Source, chunks: Arrived) -> None:
        """Deliver these, unless the fetch is over; what the receiver raises is for the fetch to raise."""
        scope = trio.CancelScope()
        self._deliveries.add(scope)
        try:
            if not self.over.is_set():
                with scope:
                    await self._deliver(source, chunks)
        except Exception as error:  # noqa: BLE001  # raised again by `fetch`, whose caller it concerns
            self.error = error
            self.over.set()
        finally:
            self._deliveries.discard(scope)
            self.handing -= 1
            self._idle.unpark_all()

    async def stop(self) -> None:
        """Have no delivery running any more, nor begin."""
        self.over.set()
        if not self._deliveries:
            return
        with trio.CancelScope(shield=True):
            while self._deliveries:
                for scope in self._deliveries:
                    scope.cancel()
                await self._idle.park()


class BulkLink:
    """One bulk connection of a pair. `mine`: this node dialled it. `given`, `turns`: of all its links."""

    def __init__(
        self,
        link: Link,
        offered: Offered,
        counter: Counter,
        *,
        mine: bool,
        given: Given,
        turns: Turns,
        heard: Heard,
        upload: Limiter | None = None,
        download: Limiter | None = None,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self.link = link
        self.mine = mine
        self._source = Source("peer", to_text(link.node_id))
        self._counter = counter
        self._download = download
        self._heard = heard
        self._clock = clock
        self._orders = Orders()
        self._fetches: dict[Order, Fetching] = {}
        self._arriving, self._arrived = trio.open_memory_channel[tuple[Fetching, Arrived]](0)
        self._manifests = Manifests()
        self._expecting_since = clock()
        turn = link.turn = Turn(turns, clock)
        self._serving = Serving(
            offered,
            post=link.post,
            put=link.put,
            aside=link.aside,
            lend=link.lend,
            cut=link.cut,
            upload=upload,
            count=counter.count_sent,
            given=given,
            turn=turn,
            clock=clock,
        )

    async def run(self) -> None:
        """Exchange messages until the link is cut; then every fetch on it fails."""
        try:
            deliverers = [self._deliver_arrived] * DELIVERIES
            await self.link.run(self._handle, self._serving.run, self._watch, *deliverers)
        finally:
            reason = self.link.end.reason if self.link.end else "the link ended"
            self._manifests.fail(reason)
            for fetching in self._fetches.values():
                fetching.fail(reason)

    # --- our orders ----------------------------------------------------------------------------------

    async def fetch(
        self, topic: SnapshotKey, layout: Layout, chunks: Sequence[int], digest_of: DigestOf, deliver: Deliver
    ) -> None:
        """Deliver these chunks, in whatever order they come; SourceFailed for those that do not."""
        if self.link.end is not None:
            raise SourceFailed(self._source, self.link.end.reason)
        fetching = Fetching(Order(topic, layout, chunks), digest_of, deliver)
        self._fetches[fetching.order] = fetching
        try:
            self._go_on(fetching)
            await fetching.over.wait()
        finally:
            del self._fetches[fetching.order]
            self._call_off(fetching, list(fetching.order.left))
            await fetching.stop()
        if fetching.error is not None:
            raise fetching.error
        if fetching.failure is not None:
            raise SourceFailed(self._source, fetching.failure)
        if fetching.order.refused:
            raise SourceFailed(self._source, f"refused {len(fetching.order.refused)} chunks", absent=True)

    def withdraw(self, topic: SnapshotKey, chunks: Iterable[int]) -> None:
        """Call these chunks off in whichever fetch they are: they come no more, or too late to matter."""
        chunks = list(chunks)
        for fetching in self._fetches.values():
            if fetching.order.topic == topic:
                self._call_off(fetching, chunks)
                self._go_on(fetching)

    def _call_off(self, fetching: Fetching, chunks: list[int]) -> None:
        for chunk in chunks:
            fetching.to_ask.pop(chunk, None)
        for ranges in sendable_spans(self._orders.call_off(fetching.order, chunks)):
            self.link.post(Cancel(fetching.order.topic, ranges))

    async def manifest(self, topic: SnapshotKey) -> bytes:
        """The manifest of a topic as the peer sends it; SourceFailed when it does not."""
        if self.link.end is not None:
            raise SourceFailed(self._source, self.link.end.reason)
        self._note_expecting()
        if self._manifests.expect(topic):
            self.link.post(NeedManifest(topic))
        manifest = await self._manifests.wait(topic)
        if isinstance(manifest, str):
            raise SourceFailed(self._source, manifest)
        return manifest

    def _go_on(self, fetching: Fetching) -> None:
        """Ask for more of what the fetch still lacks, or end it when that is nothing."""
        fetching.end_if_done()
        if not fetching.to_ask or fetching.under_way > WINDOW // 2 or fetching.failure is not None:
            return
        chunks = list(islice(fetching.to_ask, WINDOW - fetching.under_way))
        if len(self._orders) + len(chunks) > MAX_OUTSTANDING:
            fetching.fail("too many orders at once")
            return
        self._note_expecting()
        for chunk in chunks:
            del fetching.to_ask[chunk]
        if new := self._orders.ask(fetching.order, chunks):
            items = tuple((chunk, fetching.digest_of(chunk)) for chunk in new)
            self.link.post(Request(fetching.order.topic, items))

    # --- what the peer sends -------------------------------------------------------------------------

    async def _handle(self, message: Message) -> None:
        try:
            match message:
                case Data():
                    await self._take_in(message)
                case Refuse():
                    for order in self._orders.refused(message):
                        self._go_on(self._fetches[order])
                case Elsewhere():
                    await self._heard(message.topic, PeerMessage(self.link.node_id, message))
                case ManifestPart():
                    self._manifests.part(message)
                case Request() | NeedManifest():
                    self._serving.ask(message)
                case Cancel():
                    self._serving.call_off(message)
        except (Unsolicited, TooGreedy) as error:
            self.link.cut(str(error), fault=True)

    async def _take_in(self, message: Data) -> None:
        self._counter.received += len(message.payload)
        arrived = [(self._fetches[order], chunks) for order, chunks in self._orders.data(message).items()]
        for fetching, _ in arrived:
            fetching.handing += 1
        for arrival in arrived:
            await hand(self._arriving, arrival)
        if self._download is not None:
            await self._download.take(len(message.payload))

    async def _deliver_arrived(self) -> None:
        async for fetching, chunks in self._arrived:
            await fetching.deliver(self._source, chunks)
            self._go_on(fetching)

    async def _watch(self) -> None:
        """Cut the link when the peer owes something and sends nothing."""
        while True:
            await trio.sleep(STALL_SECONDS / 4)
            waiting_since = max(self.link.heard_at, self._expecting_since)
            if self._expecting() and self._clock() - waiting_since >= STALL_SECONDS:
                self.link.cut("the peer stopped sending")

    def _expecting(self) -> bool:
        return bool(len(self._orders) or self._manifests.waiting)

    def _note_expecting(self) -> None:
        if not self._expecting():
            self._expecting_since = self._clock()
