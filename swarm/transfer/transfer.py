"""One snapshot on its way into the store: carries out what the scheduler decides.

Everything that happens (a peer's message, a stored chunk, a failed order, the clock) becomes an event
for the pure scheduler; the commands it returns are carried out here and nowhere else. Several `get`s of
the same snapshot share one transfer. All of it lives in the nursery of `run`.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from typing import Final

import trio

from protocol import bits as bitset
from protocol.ids import ChunkDigest, NodeId, SnapshotKey, short, to_text
from protocol.manifest import Blob, File, Snapshot
from protocol.messages import (
    Absent,
    Claims,
    Fetching,
    FetchingHeard,
    Join,
    Lease,
    LeaseHeard,
    Leave,
    Lost,
    NeedClaims,
)
from protocol.signing import Identity, attest
from swarm.errors import NoSource, SwarmError, WrongContent
from swarm.exchange.interfaces import PeerGone, PeerMessage, TopicEvent
from swarm.exchange.topics import Sayable, Topic
from swarm.scheduler import events as ev
from swarm.scheduler.scheduler import Scheduler
from swarm.sources import Source
from swarm.store import Incident, Mismatch, Store
from swarm.transfer.answers import Answers
from swarm.transfer.claims import ClaimBook
from swarm.transfer.examiner import Examiner
from swarm.transfer.gate import Gate, Suspect
from swarm.transfer.intake import Intake, Taken
from swarm.transfer.ledger import Ledger
from swarm.transfer.mirrors import Mirrors
from swarm.transfer.news import News, cut
from swarm.transfer.orders import Orders, Upstream
from swarm.transfer.plan import chunk_bits
from swarm.transfer.spotcheck import upstream_digest
from swarm.transfer.talk import to_events
from swarm.workers import Workers

log = logging.getLogger(__name__)

COMMITS_AT_ONCE: Final = 2
"""Whole-file hashes at a time: one keeps a disk busy, two hide its waits."""

MIRROR_DISTRUST_SECONDS: Final = 600.0
"""How long nothing is taken from a mirror that sent wrong bytes: past the end of most transfers."""

LIAR_SECONDS: Final = 600.0
"""How long there is no link with a peer that vouched for wrong bytes and stands by it."""

CLOSE_SECONDS: Final = 2.0
"""For upstreams to close what they keep open, once a transfer is over."""

Distrust = Callable[[NodeId, float], None]
"""Has nothing to do with a peer for so many seconds."""


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
        self.have = 0
        self.ledger = Ledger()
        self.book = ClaimBook(self.layout)
        self.notes: list[str] = []
        self._store = store
        self._identity = identity
        self._settle = settle
        self._gate = Gate(self.layout, self.book)
        self._examiner = Examiner(self.layout, self.book, self)
        self._workers = workers
        self._intake = Intake(
            self.layout,
            store,
            self.book,
            workers,
            held=lambda chunk: bool(self.have >> chunk & 1),
            quarantined=lambda chunk: self._gate.quarantined(chunk) is not None,
            release=self._gate.release,
            stored=self._stored,
        )
        self._orders = Orders(self._intake, self.book, upstream, self._order_ended)
        self._mirrors = Mirrors()
        self._upstreams = [upstream] if upstream is not None else []
        self._done: set[Blob] = set()
        self._committing: set[Blob] = set()
        self._lacking: dict[Blob, int] = {}
        self._commits = trio.CapacityLimiter(COMMITS_AT_ONCE)
        self._failure: SwarmError | None = None
        self._changed = trio.Event()
        self._inbox: deque[ev.Event] = deque()
        self._stepping = False
        self._alarm = trio.CancelScope()
        self._wake_at = math.inf
        self._topic: Topic | None = None
        self._wanted = 0
        self._counted = 0
        self._set_aside: dict[int, Source] = {}
        self._present: set[NodeId] = set()
        self._answers = Answers()
        self._upstream_said = ""
        self._news = News(self.key, self._attest, self._tell, self._left)

    # --- life -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Find out what of the snapshot the store holds already; before `run`."""
        held = await self._store.held(self.layout.blobs)
        for blob, state in held.items():
            if not state.complete and blob.chunk_count > 1:
                state = await self._store.resume(blob)
            if state.complete:
                self._done.add(blob)
            chunks = self.layout.chunks_of(blob)
            self.have |= state.bits << chunks.start
            self._lacking[blob] = blob.chunk_count - state.bits.bit_count()
            for chunk, digest in zip(chunks, state.digests, strict=False):
                if digest is not None and blob.chunk_count > 1:
                    self.book.settle(chunk, digest)
        self._scheduler = Scheduler(
            self._identity.node_id,
            self.key,
            self.layout,
            self.have,
            trio.current_time(),
            settle=self._settle,
        )

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
        self._topic, self._distrust = topic, distrust
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._orders.start(self._spawn, topic)
                self._spawn(self._intake.write_small)
                self._spawn(self._ring)
                self._spawn(self._news.run)
                singles = [blob for blob in self.layout.blobs if blob.chunk_count == 1]
                self._step(ev.Vouched(chunk_bits(self.layout, singles)))
                if topic is not None:
                    self._spawn(self._listen, topic)
                if topic is not None and topic.linked:
                    self._answers = Answers(topic.linked)
                    self._spawn(self._wait_for_answers, topic)
                self._say_upstream()
                task_status.started()
        finally:
            self._news.flush()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
                for upstream in self._upstreams:
                    await upstream.aclose()

    def _spawn(self, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
        self._nursery.start_soon(self._guarded, work, arguments)

    async def _guarded(self, work: Callable[..., Awaitable[None]], arguments: Iterable[object]) -> None:
        try:
            await work(*arguments)
        except SwarmError as error:
            self._fail(error)

    def _fail(self, error: SwarmError) -> None:
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
    def can_fetch(self) -> bool:
        return self._orders.upstream is not None and self._orders.upstream.usable

    def offer_upstream(self, upstream: Upstream) -> None:
        """Go upstream here if there was no way upstream so far."""
        if not self.can_fetch:
            self._orders.upstream = upstream
            self._upstreams.append(upstream)
            self._say_upstream()
            self._say_join()

    def close(self) -> None:
        """Want nothing more; what is held may still be read."""
        self._wanted = 0
        self._orders.upstream = None

    def is_done(self, blob: Blob) -> bool:
        """Whether the whole blob was checked against its publisher's digest and committed."""
        return blob in self._done

    async def want(self, files: Sequence[File]) -> None:
        """Return once all these files are committed; raises the SwarmError that stands in the way."""
        blobs = {file.blob for file in files}
        empty = [blob for blob in blobs if blob.size == 0 and blob not in self._done]
        await self._intake.make_empty(empty, Source("local", "empty"))
        self._done.update(empty)
        wanted_before = self.wants
        self._wanted |= chunk_bits(self.layout, blobs)
        if self.wants and not wanted_before:
            self._say_join()  # who heard of this node before counts it among those that want nothing
        self._step(ev.Wanted(self._wanted))
        for blob in blobs:
            self._commit_if_whole(blob)
        while not blobs <= self._done:
            if self._failure is not None:
                raise self._failure
            await self._changed.wait()

    # --- events in, commands out ------------------------------------------------------------------

    def _step(self, event: ev.Event) -> None:
        """Let the scheduler see an event and carry out what it decides; safe to call from anywhere."""
        self._inbox.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inbox:
                for command in self._scheduler.step(self._inbox.popleft(), trio.current_time()):
                    self._carry_out(command)
        finally:
            self._stepping = False

    def _carry_out(self, command: ev.Command) -> None:
        match command:
            case ev.Fetch():
                self._orders.place(command)
            case ev.Cancel(order, bits):
                self._orders.cancel(order, bits)
            case ev.WakeAt(time):
                self._wake_at = time
                self._alarm.deadline = min(time, self._alarm.deadline)
            case ev.Stuck(bits):
                self._fail(self._nobody_has(bits))
            case ev.Complete():
                self._say_join()
            case ev.PassLease() | ev.PassFetching():
                self._pass_on(command)
            case ev.SayFetching() | ev.SayLease() | ev.AskClaims():
                self._speak(command)

    def _pass_on(self, command: ev.PassLease | ev.PassFetching) -> None:
        key = self.key
        match command:
            case ev.PassLease(holder, held, fetched, age, to):
                messages: list[Sayable] = [LeaseHeard(key, holder, held, fetched, int(1000 * age))]
            case ev.PassFetching(holder, bits, to):
                messages = [FetchingHeard(key, holder, ranges) for ranges in cut(bits)]
        for peer in to:
            for message in messages:
                self._say(message, peer)

    def _speak(self, command: ev.SayFetching | ev.SayLease | ev.AskClaims) -> None:
        key = self.key
        match command:
            case ev.SayFetching(bits):
                for ranges in cut(bits):
                    self._say(Fetching(key, ranges))
            case ev.SayLease(held, fetched):
                self._say(Lease(key, held, fetched))
            case ev.AskClaims(peer, bits):
                for ranges in cut(bits):
                    self._say(NeedClaims(key, ranges), peer)

    def _say(self, message: Sayable, peer: NodeId | None = None) -> None:
        """Tell one peer, or all, after what is to be told of chunks that were stored before."""
        self._news.flush()
        self._tell(message, peer)

    def _tell(self, message: Sayable, peer: NodeId | None = None) -> None:
        if self._topic is not None:
            self._topic.say(message, peer)

    def _say_join(self) -> None:
        self._say(Join(self.key, self.wants, self.can_fetch, False))

    async def _listen(self, topic: Topic) -> None:
        async for event in topic.events:
            self._answers.heard(event.peer)
            self._note_presence(event)
            for translated in to_events(event, self.book, self.have, self.layout.total):
                if isinstance(translated, ev.Vouched):
                    self._believe(self._examiner.hold(translated.bits))
                else:
                    self._step(translated)

    def _note_presence(self, event: TopicEvent) -> None:
        match event:
            case PeerGone() | PeerMessage(_, Absent() | Leave()):
                self._present.discard(event.peer)
            case _:
                self._present.add(event.peer)

    async def _wait_for_answers(self, topic: Topic) -> None:
        await self._answers.wait(topic.searched)
        self._say_upstream()

    def _say_upstream(self) -> None:
        """Tell the scheduler whether this node may go upstream: not before the peers it knows were heard,
        which may have everything, nor while one may yet put a blob right that failed."""
        waits = self._answers.due or self._examiner.patient
        self._step(ev.Upstream(self.can_fetch and not waits))

    async def _ring(self) -> None:
        """Send a Tick at the time the scheduler last named.

        A time put off is not set anew: the alarm goes off in vain; setting it each time would cost more.
        """
        while True:
            with trio.CancelScope(deadline=self._wake_at) as self._alarm:
                await trio.sleep_forever()
            if trio.current_time() >= self._wake_at:
                self._wake_at = math.inf
                self._step(ev.Tick())

    # --- chunks -----------------------------------------------------------------------------------

    def _stored(self, taken: Taken) -> None:
        """A chunk was verified and stored: pass the word, with its digest if it is news to the LAN; go on."""
        if not self.have >> taken.chunk & 1:
            self.ledger.add(taken.source, taken.length, trio.current_time())
            self._counted |= 1 << taken.chunk
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
        if not self.have >> chunk & 1:
            self.have |= 1 << chunk
            self._lacking[blob] -= 1
        self._news.stored(chunk, digest, common=self._scheduler.common(chunk))
        self._step(ev.Stored(chunk, giver))
        if blob.chunk_count == 1:
            self._done.add(blob)
            self._wake()
        else:
            self._commit_if_whole(blob)

    def _believe(self, chunks: int) -> None:
        """These chunks may be ordered, or taken back if they are here."""
        self._take_back(chunks)  # first, lest they are ordered
        self._step(ev.Vouched(chunks))

    def _take_back(self, vouched: int) -> None:
        """Take chunks back from quarantine that are vouched for anew as they are."""
        for chunk in bitset.members(vouched & ~self.have):
            digest = self._gate.quarantined(chunk)
            if digest is not None and digest == self.book.digest(chunk):
                self._gate.release(chunk)
                if sender := self._set_aside.pop(chunk, None):
                    self._counted |= 1 << chunk
                    self.ledger.add(sender, self.layout.length(chunk), trio.current_time())
                self._hold(chunk, self._identity.node_id)

    def _order_ended(self, failed: ev.OrderFailed, reason: str, wrong: int | None, sender: Source) -> None:
        """The rest of an order will not come. `wrong`: the chunk that was not what it should be."""
        if wrong is not None:
            blob, _ = self.layout.locate(wrong)
            self._spawn(self._blame, sender, f"sent wrong bytes: {reason}", blob, (wrong,))
            self._refuse_chunk(wrong, sender)
            self._avoid_mirrors({sender}, {sender})
        elif failed.source != ev.UPSTREAM and not failed.lasting:
            for chunk in bitset.members(failed.bits & ~self.have):
                self.book.second_opinion(chunk)
        else:
            self.notes.append(f"{sender.name or 'upstream'}: {reason}")
            log.info("%s: %s", sender.name, reason)
        self._step(failed)
        if failed.source == ev.UPSTREAM:
            self._upstream_said = reason
            self._say_upstream()
            self._say_join()

    # --- whole blobs ------------------------------------------------------------------------------

    def _commit_if_whole(self, blob: Blob) -> None:
        whole = blob.chunk_count > 1 and not self._lacking[blob]
        if whole and blob not in self._done and blob not in self._committing:
            self._committing.add(blob)
            self._spawn(self._commit, blob)

    async def _commit(self, blob: Blob) -> None:
        try:
            async with self._commits:
                await self._store.commit(blob)
        except Mismatch:
            suspects = await self._suspects(blob)
            self._committing.discard(blob)
            self._refuse(blob, suspects)
        else:
            self._committing.discard(blob)
            await self._accept(blob)

    async def _accept(self, blob: Blob) -> None:
        """The blob is what its publisher calls it: name who sent or vouched for something else."""
        senders, wrongs = self._gate.cleared(blob)
        self._examiner.settle(blob)
        self._clear_mirrors(senders, {wrong.culprit for wrong in wrongs})
        for wrong in wrongs:
            await self._blame(wrong.culprit, "was the origin of wrong bytes", blob, wrong.chunks)
            if wrong.unrepentant is not None:
                self._distrust(wrong.unrepentant, LIAR_SECONDS)
        for liar in self.book.confirm(blob):
            await self._blame(Source("peer", to_text(liar)), "vouched for wrong bytes", blob, ())
            self._distrust(liar, LIAR_SECONDS)
        self._done.add(blob)
        self._wake()

    async def _suspects(self, blob: Blob) -> list[Suspect]:
        """What the store holds of a blob, under which digest, from whom and on whose word."""
        senders = await self._store.chunk_sources(blob)
        first = self.layout.chunks_of(blob).start
        return [
            Suspect(first + index, digest, senders[index], voucher)
            for index, digest, voucher in await self._store.claims(blob)
        ]

    def _refuse(self, blob: Blob, suspects: list[Suspect]) -> None:
        """The publisher's digest says no: every chunk of the blob must be vouched for anew."""
        log.warning("%s does not match its publisher's digest; looking for the wrong chunks", blob)
        self.notes.append(f"{blob} does not match; looking for the wrong chunks")
        bits = chunk_bits(self.layout, (blob,))
        self.have &= ~bits
        self._lacking[blob] = blob.chunk_count
        for ranges in cut(bits):
            self._say(Lost(self.key, ranges))
        self._avoid_mirrors({suspect.sender for suspect in suspects}, self.ledger.totals)
        self._set_bytes_aside(suspects)
        known_liars = set(self.book.liars)
        if self._gate.is_last_round(blob) and self.can_fetch and self._examiner.close(blob):
            self._gate.grant_another(blob)
        believed = self._gate.fail(blob, suspects)
        for liar in self.book.liars - known_liars:
            self._distrust(liar, LIAR_SECONDS)
            self._disown(liar)
        if self._topic is not None:
            self._examiner.open(blob, self._gate.failed(blob))
            self._spawn(self._examiner.examine, blob)
        self._step(ev.Doubted(bits))
        self._step(ev.Discarded(bits))
        self._believe(self._examiner.hold(believed))
        self._say_join()

    def _set_bytes_aside(self, suspects: list[Suspect]) -> None:
        """Count what was had in this run of a blob that failed only if it proves right."""
        for suspect in suspects:
            if self._counted >> suspect.chunk & 1:
                self._counted ^= 1 << suspect.chunk
                self._set_aside[suspect.chunk] = suspect.sender
                self.ledger.take_back(suspect.sender, self.layout.length(suspect.chunk))

    def _disown(self, liar: NodeId) -> None:
        """Take back what was believed on the word of one that lied, about the other blobs too."""
        changed = 0
        for blob in self.layout.blobs:
            if blob.chunk_count > 1 and blob not in self._done:
                changed |= self.book.refute({liar}, blob, self.have)
        self._step(ev.Doubted(changed))
        anew = (chunk for chunk in bitset.members(changed) if self.book.digest(chunk) is not None)
        self._believe(self._examiner.hold(bitset.from_members(anew)))

    # --- for the examiner (examiner.Owner) --------------------------------------------------------

    async def upstream_digest(self, chunk: int, failed: ChunkDigest | None) -> ChunkDigest | None:
        return await upstream_digest(self._orders.upstream, self._workers, chunk, failed)

    def ask(self, chunks: int) -> None:
        for ranges in cut(chunks):
            self._say(NeedClaims(self.key, ranges))

    def accept(self, signer: NodeId, chunks: int) -> None:
        if signer in self._present:
            self._step(ev.PeerHas(signer, chunks))  # also those it refused while a liar was believed
        self._believe(chunks)

    def doubt(self, chunks: int) -> None:
        self._step(ev.Doubted(chunks))

    def refuse(self, signer: NodeId, chunks: int) -> None:
        if signer in self._present:
            self._step(ev.PeerLost(signer, chunks))

    def patience_changed(self) -> None:
        self._say_upstream()

    # --- mirrors and blame ------------------------------------------------------------------------

    def _avoid_mirrors(self, senders: set[Source], used: Container[Source]) -> None:
        """Leave mirrors alone, of those who between them sent something wrong, as long as others are left.

        `used`: who sent anything in this run.
        """
        upstream = self._orders.upstream
        if upstream is None:
            return
        for mirror in self._mirrors.suspect(senders, used):
            upstream.avoid(mirror, MIRROR_DISTRUST_SECONDS)
        chance = self._mirrors.second_chance()
        if chance is not None and not upstream.usable:
            upstream.avoid(chance, 0.0)
        self._say_upstream()

    def _clear_mirrors(self, senders: set[Source], culprits: set[Source]) -> None:
        """Use those again that had sent nothing wrong."""
        for mirror in self._mirrors.clear(sorted(senders), culprits):
            if self._orders.upstream is not None:
                self._orders.upstream.avoid(mirror, 0.0)
        self._say_upstream()

    def _refuse_chunk(self, chunk: int, sender: Source) -> None:
        try:
            self._gate.fail_chunk(chunk, sender)
        except WrongContent as error:
            self._fail(error)

    async def _blame(self, culprit: Source, what: str, blob: Blob, chunks: Sequence[int]) -> None:
        """Remember, and tell, what went wrong; of many chunks the first stands for all."""
        log.warning("%s %s (%d chunks of %s)", culprit.name, what, len(chunks), blob)
        self.notes.append(f"{culprit.kind} {culprit.name[:60]} {what}; going on without it")
        index = self.layout.locate(chunks[0])[1] if chunks else None
        with trio.CancelScope(shield=True):  # it may be the last thing this transfer does
            await self._store.note(Incident(time.time(), culprit, what, blob, index))

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
