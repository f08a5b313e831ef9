"""One snapshot on its way into the store: carries out what the scheduler decides.

Everything that happens (a peer's message, a stored chunk, a failed order, the clock) becomes an event
for the pure scheduler; the commands it returns are carried out here and nowhere else. Several `get`s of
the same snapshot share one transfer. All of it lives in the nursery of `run`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import trio

from protocol import bits as bitset
from protocol.ids import ChunkDigest, NodeId, SnapshotKey, short
from protocol.manifest import Blob, File, Snapshot
from protocol.messages import Claims, Join, Lost, NeedClaims
from protocol.signing import Identity, attest
from swarm.errors import NoSource, SwarmError
from swarm.exchange.topics import Sayable, Topic
from swarm.scheduler import events as ev
from swarm.scheduler.scheduler import Scheduler
from swarm.sources import Source
from swarm.store import Mismatch, Store
from swarm.transfer.answers import Answers
from swarm.transfer.blame import Distrust
from swarm.transfer.claims import ClaimBook
from swarm.transfer.gate import Gate
from swarm.transfer.held import Held
from swarm.transfer.intake import Intake, Taken
from swarm.transfer.ledger import Counted, Ledger
from swarm.transfer.news import News, cut
from swarm.transfer.orders import Orders, Upstream
from swarm.transfer.plan import chunk_bits
from swarm.transfer.repair import Repair
from swarm.transfer.stepper import Stepper
from swarm.transfer.talk import Say, to_events, to_messages
from swarm.workers import Workers

log = logging.getLogger(__name__)

COMMITS_AT_ONCE: Final = 2
"""Whole-file hashes at a time: one keeps a disk busy, two hide its waits."""

CLOSE_SECONDS: Final = 2.0
"""For upstreams to close what they keep open, once a transfer is over."""


class Transfer:
    """The fetching of one snapshot. `key`: the topic under which peers may know of it, if not its own."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        store: Store,
        identity: Identity,
        workers: Workers,
        upstream: Upstream | None,
        settle: float,
        key: SnapshotKey | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.key = key or snapshot.key
        self.layout = snapshot.layout
        self.held = Held(self.layout)
        self.ledger = Ledger()
        self.book = ClaimBook(self.layout)
        self.notes: list[str] = []
        self._store = store
        self._identity = identity
        self._settle = settle
        self._counted = Counted(self.ledger)
        self._gate = Gate(self.layout, self.book)
        self._intake = Intake(
            self.layout,
            store,
            self.book,
            workers,
            held=self.held.__contains__,
            quarantined=lambda chunk: self._gate.quarantined(chunk) is not None,
            release=self._gate.release,
            stored=self._stored,
        )
        self._orders = Orders(self._intake, self.book, upstream, self._order_ended)
        self._repair = Repair(
            self.layout, store, workers, self.book, self._gate, self._orders, self._counted, self.notes, self
        )
        self._upstreams = [upstream] if upstream is not None else []
        self._committing: set[Blob] = set()
        self._commits = trio.CapacityLimiter(COMMITS_AT_ONCE)
        self._failure: SwarmError | None = None
        self._changed = trio.Event()
        self._topic: Topic | None = None
        self._wanted = 0
        self._answers = Answers()
        self._upstream_said = ""
        self._news = News(self.key, self._attest, self._tell, self._left)

    # --- life -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Find out what of the snapshot the store holds already; before `run`."""
        await self.held.read(self._store, self.book)
        scheduler = Scheduler(
            self._identity.node_id,
            self.key,
            self.layout,
            self.have,
            trio.current_time(),
            settle=self._settle,
        )
        self._stepper = Stepper(scheduler, self._carry_out)

    async def run(
        self,
        topic: Topic | None,
        distrust: Distrust,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Work until cancelled; `want` may be called once it is started.

        `topic` None: no peer may know (a private model that is not shared).
        """
        self._topic = topic
        self._repair.start(distrust, has_peers=topic is not None)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._orders.start(self.spawn, topic)
                self.spawn(self._intake.write_small)
                self.spawn(self._stepper.ring)
                self.spawn(self._news.run)
                singles = [blob for blob in self.layout.blobs if blob.chunk_count == 1]
                self.step(ev.Vouched(chunk_bits(self.layout, singles)))
                if topic is not None:
                    self.spawn(self._listen, topic)
                if topic is not None and topic.linked:
                    self._answers = Answers(topic.linked)
                    self.spawn(self._wait_for_answers, topic)
                self.upstream_changed()
                task_status.started()
        finally:
            self._news.flush()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
                for upstream in self._upstreams:
                    await upstream.aclose()

    def spawn(self, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Start a task of the transfer; a SwarmError that it raises ends the transfer."""
        self._nursery.start_soon(self._guarded, work, arguments)

    async def _guarded(self, work: Callable[..., Awaitable[None]], arguments: Iterable[object]) -> None:
        try:
            await work(*arguments)
        except SwarmError as error:
            self.fail(error)

    def fail(self, error: SwarmError) -> None:
        """The transfer cannot go on, and whoever waits for files is told why: the first reason counts."""
        self._failure = self._failure or error
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # --- what others see of it --------------------------------------------------------------------

    @property
    def wants(self) -> bool:
        """Whether chunks are missing that somebody here asked for."""
        return bool(self._wanted & ~self.have)

    @property
    def have(self) -> int:
        """The chunks held."""
        return self.held.bits

    @property
    def can_fetch(self) -> bool:
        """Whether this node has a way upstream that may still answer."""
        return self._orders.can_fetch

    def offer_upstream(self, upstream: Upstream) -> None:
        """Go upstream here if there was no way upstream so far."""
        if not self.can_fetch:
            self._orders.upstream = upstream
            self._upstreams.append(upstream)
            self.upstream_changed()
            self._say_join()

    def close(self) -> None:
        """Want nothing more; what is held may still be read."""
        self._wanted = 0
        self._orders.upstream = None

    def is_done(self, blob: Blob) -> bool:
        """Whether the whole blob was checked against its publisher's digest and committed."""
        return blob in self.held.done

    async def want(self, files: Sequence[File]) -> None:
        """Return once all these files are committed; raises the SwarmError that stands in the way."""
        blobs = {file.blob for file in files}
        empty = [blob for blob in blobs if blob.size == 0 and blob not in self.held.done]
        await self._intake.make_empty(empty, Source("local", "empty"))
        self.held.done.update(empty)
        wanted_before = self.wants
        self._wanted |= chunk_bits(self.layout, blobs)
        if self.wants and not wanted_before:
            self._say_join()  # who heard of this node before counts it among those that want nothing
        self.step(ev.Wanted(self._wanted))
        for blob in blobs:
            self._commit_if_whole(blob)
        while not blobs <= self.held.done:
            if self._failure is not None:
                raise self._failure
            await self._changed.wait()

    # --- events in, commands out ------------------------------------------------------------------

    def step(self, event: ev.Event) -> None:
        """Let the scheduler see an event and carry out what it decides; safe to call from anywhere."""
        self._stepper.step(event)

    def _carry_out(self, command: ev.Command) -> None:
        match command:
            case ev.Fetch():
                self._orders.place(command)
            case ev.Cancel(order, bits):
                self._orders.cancel(order, bits)
            case ev.Stuck(bits):
                self.fail(self._nobody_has(bits))
            case ev.Complete():
                self._say_join()
            case _ if isinstance(command, Say):
                for message, peer in to_messages(command, self.key):
                    self._say(message, peer)

    def _say(self, message: Sayable, peer: NodeId | None = None) -> None:
        """Tell one peer, or all, after what is to be told of chunks that were stored before."""
        self._news.flush()
        self._tell(message, peer)

    def _tell(self, message: Sayable, peer: NodeId | None = None) -> None:
        if self._topic is not None:
            self._topic.say(message, peer)

    def _say_join(self) -> None:
        self._say(Join(self.key, self.wants, self.can_fetch, False))

    def ask(self, chunks: int) -> None:
        """Ask all peers at once who vouches for these."""
        for ranges in cut(chunks):
            self._say(NeedClaims(self.key, ranges))

    async def _listen(self, topic: Topic) -> None:
        async for event in topic.events:
            self._answers.heard(event.peer)
            self._repair.heard(event)
            for translated in to_events(event, self.book, self.have, self.layout.total):
                if isinstance(translated, ev.Vouched):
                    self._repair.vouched(translated.bits)
                else:
                    self.step(translated)

    async def _wait_for_answers(self, topic: Topic) -> None:
        await self._answers.wait(topic.searched)
        self.upstream_changed()

    def upstream_changed(self) -> None:
        """Tell the scheduler whether this node may go upstream: not before the peers it knows were heard,
        which may have everything, nor while one may yet put a blob right that failed."""
        waits = self._answers.due or self._repair.patient
        self.step(ev.Upstream(self.can_fetch and not waits))

    # --- chunks -----------------------------------------------------------------------------------

    def _stored(self, taken: Taken) -> None:
        """A chunk was verified and stored: pass the word, with its digest if it is news to the LAN; go on."""
        if taken.chunk not in self.held:
            self._counted.add(taken.chunk, taken.source, taken.length, trio.current_time())
        if taken.digest is not None:
            self.book.settle(taken.chunk, taken.digest)
        self._hold(taken.chunk, taken.giver, taken.digest if taken.giver == ev.UPSTREAM else None)

    def _attest(self, first: int, digests: tuple[ChunkDigest, ...]) -> Claims:
        """This node's word for what came from upstream."""
        claims = attest(self._identity, self.key, first, digests, False)
        self.book.add(claims, self._identity.node_id, self.have)
        return claims

    def _left(self) -> int:
        return (self._wanted & ~self.have).bit_count()

    def _hold(self, chunk: int, giver: NodeId, digest: ChunkDigest | None = None) -> None:
        blob, _ = self.layout.locate(chunk)
        self.held.add(chunk)
        self._news.stored(chunk, digest, common=self._stepper.common(chunk))
        self.step(ev.Stored(chunk, giver))
        if blob.chunk_count == 1:
            self.held.done.add(blob)
            self._wake()
        else:
            self._commit_if_whole(blob)

    def take_back(self, chunk: int) -> None:
        """The chunk lies on disk and counts again."""
        self._hold(chunk, self._identity.node_id)

    def _order_ended(self, failed: ev.OrderFailed, reason: str, wrong: int | None, sender: Source) -> None:
        """The rest of an order will not come. `wrong`: the chunk that was not what it should be."""
        if wrong is not None:
            self._repair.wrong_chunk(wrong, sender, reason)
        elif failed.source != ev.UPSTREAM and not failed.lasting:
            for chunk in bitset.members(failed.bits & ~self.have):
                self.book.second_opinion(chunk)
        else:
            self.notes.append(f"{sender.name or 'upstream'}: {reason}")
            log.info("%s: %s", sender.name, reason)
        self.step(failed)
        if failed.source == ev.UPSTREAM:
            self._upstream_said = reason
            self.upstream_changed()
            self._say_join()

    # --- whole blobs ------------------------------------------------------------------------------

    def _commit_if_whole(self, blob: Blob) -> None:
        if self.held.is_to_commit(blob) and blob not in self._committing:
            self._committing.add(blob)
            self.spawn(self._commit, blob)

    async def _commit(self, blob: Blob) -> None:
        try:
            async with self._commits:
                await self._store.commit(blob)
        except Mismatch:
            suspects = await self._repair.suspects(blob)
            self._committing.discard(blob)
            for ranges in cut(self.held.lose(blob)):
                self._say(Lost(self.key, ranges))
            self._repair.failed(blob, suspects)
            self._say_join()
        else:
            self._committing.discard(blob)
            await self._repair.matches(blob)
            self.held.done.add(blob)
            self._wake()

    def _nobody_has(self, bits: int) -> SwarmError:
        failed = self._gate.failure(bitset.members(bits))
        if failed is not None:
            return failed
        missing = sum(self.layout.length(chunk) for chunk in bitset.members(bits))
        said = f": {self._upstream_said}" if self._upstream_said else ""
        advice = "Check the network and --endpoint" if self._upstreams else "Run it without --offline"
        return NoSource(
            f"nobody in reach has the missing {missing} bytes of {self.snapshot.repo}"
            f" (node {short(self._identity.node_id)}){said}",
            f"{advice}; what has arrived is kept for the next `swarm get`.",
        )
