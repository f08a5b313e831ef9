"""What happens when bytes prove wrong: whom to believe next, what to fetch again, whom to name.

A chunk that came wrong costs its sender the order, and a mirror its place for a while. A blob that does not
match its publisher's digest is doubted as a whole: its chunks go into quarantine (`Gate`), what was said of
them is taken back (`ClaimBook`), and whoever vouches for them anew is examined first (`Examiner`). Chunks
that are vouched for as they lie on disk are taken back; the others are fetched again. When the blob matches
in the end, the chunks that changed tell who was at fault (`Blame`).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Container
from typing import Protocol

import trio

from protocol import bits as bitset
from protocol.ids import ChunkDigest, NodeId, to_text
from protocol.manifest import Blob, Layout
from protocol.messages import Absent, Leave
from swarm.errors import SwarmError, WrongContent
from swarm.exchange.interfaces import PeerGone, PeerMessage, TopicEvent
from swarm.scheduler import events as ev
from swarm.sources import Source
from swarm.store import Store
from swarm.transfer.blame import Blame, Distrust
from swarm.transfer.claims import ClaimBook
from swarm.transfer.examiner import Examiner
from swarm.transfer.gate import Gate, Suspect
from swarm.transfer.ledger import Counted
from swarm.transfer.orders import Orders
from swarm.transfer.plan import chunk_bits
from swarm.transfer.spotcheck import upstream_digest
from swarm.workers import Workers

log = logging.getLogger(__name__)


class Owner(Protocol):
    """What repair needs of the transfer."""

    @property
    def have(self) -> int:
        """The chunks held that count."""
        ...

    def is_done(self, blob: Blob) -> bool:
        """Whether the blob matched."""
        ...

    def step(self, event: ev.Event) -> None:
        """Let the scheduler see an event."""
        ...

    def take_back(self, chunk: int) -> None:
        """The chunk lies on disk and counts again."""
        ...

    def ask(self, chunks: int) -> None:
        """Ask all peers at once who vouches for these."""
        ...

    def upstream_changed(self) -> None:
        """Whether to go upstream may be another matter now."""
        ...

    def spawn(self, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Start a task of the transfer; a SwarmError that it raises ends the transfer."""
        ...

    def fail(self, error: SwarmError) -> None:
        """The transfer cannot go on."""
        ...


class Repair:
    """The wrong bytes of one snapshot (`swarm.transfer.examiner.Owner`).

    `counted` and `notes`: what the transfer counts, and what it tells whoever waits for the files.
    """

    def __init__(
        self,
        layout: Layout,
        store: Store,
        workers: Workers,
        book: ClaimBook,
        gate: Gate,
        orders: Orders,
        counted: Counted,
        notes: list[str],
        owner: Owner,
    ) -> None:
        self._layout = layout
        self._store = store
        self._workers = workers
        self._book = book
        self._gate = gate
        self._orders = orders
        self._counted = counted
        self._notes = notes
        self._owner = owner
        self._blame = Blame(layout, store, notes)
        self._examiner = Examiner(layout, book, self)
        self._present: set[NodeId] = set()
        self._has_peers = False

    def start(self, distrust: Distrust, *, has_peers: bool) -> None:
        """Liars are kept away from by `distrust`. `has_peers`: others may vouch for what failed."""
        self._blame.start(distrust)
        self._has_peers = has_peers

    @property
    def patient(self) -> bool:
        """Whether peers may yet put a blob right that failed, so that upstream is not asked."""
        return self._examiner.patient

    def heard(self, event: TopicEvent) -> None:
        """A peer said something, or is gone."""
        match event:
            case PeerGone() | PeerMessage(_, Absent() | Leave()):
                self._present.discard(event.peer)
            case _:
                self._present.add(event.peer)

    def vouched(self, chunks: int) -> None:
        """Somebody vouched for these: believe it where nothing failed, else have it examined."""
        self._believe(self._examiner.hold(chunks))

    def wrong_chunk(self, chunk: int, sender: Source, reason: str) -> None:
        """A single chunk was not what it should be."""
        blob, _ = self._layout.locate(chunk)
        self._owner.spawn(self._blame.name, sender, f"sent wrong bytes: {reason}", blob, (chunk,))
        try:
            self._gate.fail_chunk(chunk, sender)
        except WrongContent as error:
            self._owner.fail(error)
        self._avoid_mirrors({sender}, {sender})

    # --- a blob that does not match ---------------------------------------------------------------

    async def suspects(self, blob: Blob) -> list[Suspect]:
        """What the store holds of a blob, under which digest, from whom and on whose word."""
        senders = await self._store.chunk_sources(blob)
        first = self._layout.chunks_of(blob).start
        return [
            Suspect(first + index, digest, senders[index], voucher)
            for index, digest, voucher in await self._store.claims(blob)
        ]

    def failed(self, blob: Blob, suspects: list[Suspect]) -> None:
        """The publisher's digest says no, and the blob's chunks count as held no more: each must be vouched
        for anew. WrongContent when the blob has failed too often."""
        log.warning("%s does not match its publisher's digest; looking for the wrong chunks", blob)
        self._notes.append(f"{blob} does not match; looking for the wrong chunks")
        bits = chunk_bits(self._layout, (blob,))
        self._avoid_mirrors({suspect.sender for suspect in suspects}, self._counted.ledger.totals)
        for suspect in suspects:
            self._counted.set_aside(suspect.chunk, suspect.sender, self._layout.length(suspect.chunk))
        known_liars = set(self._book.liars)
        if self._gate.is_last_round(blob) and self._orders.can_fetch and self._examiner.close(blob):
            self._gate.grant_another(blob)
        believed = self._gate.fail(blob, suspects)
        for liar in self._book.liars - known_liars:
            self._blame.avoid_liar(liar)
            self._disown(liar)
        if self._has_peers:
            self._examiner.open(blob, self._gate.failed(blob))
            self._owner.spawn(self._examiner.examine, blob)
        self._owner.step(ev.Doubted(bits))
        self._owner.step(ev.Discarded(bits))
        self.vouched(believed)

    def _avoid_mirrors(self, senders: set[Source], used: Container[Source]) -> None:
        if self._orders.upstream is not None:
            self._blame.avoid_mirrors(self._orders.upstream, senders, used)
            self._owner.upstream_changed()

    def _disown(self, liar: NodeId) -> None:
        """Take back what was believed on the word of one that lied, about the other blobs too."""
        changed = 0
        for blob in self._layout.blobs:
            if blob.chunk_count > 1 and not self._owner.is_done(blob):
                changed |= self._book.refute({liar}, blob, self._owner.have)
        self._owner.step(ev.Doubted(changed))
        anew = (chunk for chunk in bitset.members(changed) if self._book.digest(chunk) is not None)
        self.vouched(bitset.from_members(anew))

    # --- a blob that matches ----------------------------------------------------------------------

    async def matches(self, blob: Blob) -> None:
        """The blob is what its publisher calls it: name who sent or vouched for something else."""
        senders, wrongs = self._gate.cleared(blob)
        self._examiner.settle(blob)
        self._blame.clear_mirrors(self._orders.upstream, senders, {wrong.culprit for wrong in wrongs})
        self._owner.upstream_changed()
        for wrong in wrongs:
            await self._blame.name(wrong.culprit, "was the origin of wrong bytes", blob, wrong.chunks)
            if wrong.unrepentant is not None:
                self._blame.avoid_liar(wrong.unrepentant)
        for liar in self._book.confirm(blob):
            await self._blame.name(Source("peer", to_text(liar)), "vouched for wrong bytes", blob, ())
            self._blame.avoid_liar(liar)

    # --- what is believed -------------------------------------------------------------------------

    def _believe(self, chunks: int) -> None:
        """These chunks may be ordered, or taken back if they are here."""
        self._take_back(chunks)  # first, lest they are ordered
        self._owner.step(ev.Vouched(chunks))

    def _take_back(self, vouched: int) -> None:
        """Take chunks back from quarantine that are vouched for anew as they are."""
        for chunk in bitset.members(vouched & ~self._owner.have):
            digest = self._gate.quarantined(chunk)
            if digest is not None and digest == self._book.digest(chunk):
                self._gate.release(chunk)
                self._counted.put_back(chunk, self._layout.length(chunk), trio.current_time())
                self._owner.take_back(chunk)

    # --- for the examiner -------------------------------------------------------------------------

    @property
    def have(self) -> int:
        return self._owner.have

    @property
    def can_fetch(self) -> bool:
        return self._orders.can_fetch

    async def upstream_digest(self, chunk: int, failed: ChunkDigest | None) -> ChunkDigest | None:
        return await upstream_digest(self._orders.upstream, self._workers, chunk, failed)

    def ask(self, chunks: int) -> None:
        self._owner.ask(chunks)

    def accept(self, signer: NodeId, chunks: int) -> None:
        if signer in self._present:
            self._owner.step(ev.PeerHas(signer, chunks))  # also those it refused while a liar was believed
        self._believe(chunks)

    def doubt(self, chunks: int) -> None:
        self._owner.step(ev.Doubted(chunks))

    def refuse(self, signer: NodeId, chunks: int) -> None:
        if signer in self._present:
            self._owner.step(ev.PeerLost(signer, chunks))

    def patience_changed(self) -> None:
        self._owner.upstream_changed()
