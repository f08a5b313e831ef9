"""The commit gate: a blob counts only once its publisher's digest matches, and what to do when not.

On a mismatch nobody knows yet which chunk is wrong. What vouched for the blob is believed no more
(`ClaimBook.fail`), the mirrors that sent chunks of it are kept out, and every chunk counts as missing;
its bytes stay on disk in quarantine. When a chunk is then vouched for anew under the digest it had, it
is taken back from disk; only chunks that were really wrong travel again. Once the blob matches, the
chunks whose digest changed are the wrong ones, and who sent or vouched for them is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from protocol.ids import ChunkDigest, NodeId, to_text
from protocol.manifest import Blob, Layout
from swarm.errors import WrongContent
from swarm.sources import Source
from swarm.transfer.claims import ClaimBook

REPAIR_ROUNDS: Final = 3
"""Times a blob may fail before the `get` ends: one for each lie or broken mirror that may hide behind
another, few enough to end within minutes."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A chunk of a blob that failed: the digest it had, who sent it, who vouched for it.

    `voucher` is None when it came from upstream, under the digest that this node found it to have.
    """

    chunk: int
    digest: ChunkDigest
    sender: Source
    voucher: NodeId | None

    @property
    def culprit(self) -> Source:
        """Who is to blame if it was wrong: who vouched for it, or else who sent it."""
        return self.sender if self.voucher is None else Source("peer", to_text(self.voucher))


@dataclass(frozen=True, slots=True)
class Wrong:
    """Chunks of one blob that proved wrong, and who is to blame for them.

    `unrepentant`: the voucher, if it has not named the right digests since: it lies, or does not care.
    """

    chunks: tuple[int, ...]
    culprit: Source
    unrepentant: NodeId | None


class Gate:
    """Which blobs of a snapshot failed, how often, and what was in them. Pure: no disk, no clock."""

    def __init__(self, layout: Layout, book: ClaimBook) -> None:
        self._layout = layout
        self._book = book
        self._rounds: dict[Blob, int] = {}
        self._senders: dict[Blob, set[Source]] = {}
        self._suspects: dict[Blob, list[Suspect]] = {}
        self._quarantine: dict[int, ChunkDigest] = {}

    # --- quarantine -----------------------------------------------------------------------------

    def quarantined(self, chunk: int) -> ChunkDigest | None:
        """The digest under which this chunk lies in quarantine on disk, if it does."""
        return self._quarantine.get(chunk)

    def release(self, chunk: int) -> bool:
        """The chunk is in quarantine no more, taken back or about to be written anew; whether it was."""
        return self._quarantine.pop(chunk, None) is not None

    def failed(self, blob: Blob) -> dict[int, ChunkDigest]:
        """Chunk -> the digest it had when the blob failed last, for those in quarantine."""
        return {
            chunk: self._quarantine[chunk]
            for chunk in self._layout.chunks_of(blob)
            if chunk in self._quarantine
        }

    # --- blobs that fail ------------------------------------------------------------------------

    def is_last_round(self, blob: Blob) -> bool:
        """Whether one more failure of this blob ends the `get`."""
        return self._rounds.get(blob, 0) >= REPAIR_ROUNDS

    def grant_another(self, blob: Blob) -> None:
        """One more round: what comes next comes from somebody else."""
        self._rounds[blob] = REPAIR_ROUNDS - 1

    def fail(self, blob: Blob, suspects: Iterable[Suspect]) -> int:
        """A whole blob, of these chunks, did not match.

        Returns the chunks that somebody else's word is believed of now. WrongContent when this blob has
        failed too often.
        """
        suspects = list(suspects)
        self._suspects.setdefault(blob, []).extend(suspects)
        self._quarantine.update({suspect.chunk: suspect.digest for suspect in suspects})
        believed = self._book.fail(blob)
        self._count(blob, {suspect.sender for suspect in suspects})
        return believed

    def fail_chunk(self, chunk: int, sender: Source) -> None:
        """A single chunk came wrong. WrongContent when mirrors keep sending its blob wrong."""
        if sender.kind == "upstream":
            self._count(self._layout.locate(chunk)[0], {sender})

    def _count(self, blob: Blob, senders: set[Source]) -> None:
        self._rounds[blob] = self._rounds.get(blob, 0) + 1
        self._senders.setdefault(blob, set()).update(senders)
        if self._rounds[blob] > REPAIR_ROUNDS:
            raise self._hopeless(blob)

    def failure(self, chunks: Iterable[int]) -> WrongContent | None:
        """What to say when these chunks cannot be had: WrongContent if they were, but never right."""
        for chunk in chunks:
            blob, _ = self._layout.locate(chunk)
            if self._rounds.get(blob):
                return self._hopeless(blob)
        return None

    def _hopeless(self, blob: Blob) -> WrongContent:
        names = ", ".join(sorted(source.name for source in self._senders[blob])) or "nobody known"
        return WrongContent(
            f"a file of {blob.size} bytes never matched its publisher's digest {blob}; it came from {names}",
            "Try another --endpoint; `swarm why REPO` names who sent what.",
        )

    # --- blobs that match in the end ------------------------------------------------------------

    def cleared(self, blob: Blob) -> tuple[set[Source], list[Wrong]]:
        """The blob matches now: who had been suspected, and what had been wrong by whose fault."""
        self._rounds.pop(blob, None)
        for chunk in self._layout.chunks_of(blob):
            self.release(chunk)
        wrong: dict[Source, list[Suspect]] = {}
        for suspect in self._suspects.pop(blob, ()):
            if suspect.digest != self._book.digest(suspect.chunk):
                wrong.setdefault(suspect.culprit, []).append(suspect)
        senders = self._senders.pop(blob, set())
        return senders, [self._wrong(culprit, suspects) for culprit, suspects in wrong.items()]

    def _wrong(self, culprit: Source, suspects: list[Suspect]) -> Wrong:
        voucher = suspects[0].voucher
        stands = voucher is not None and any(self._book.stands_by(voucher, s.chunk) for s in suspects)
        chunks = tuple(sorted({suspect.chunk for suspect in suspects}))
        return Wrong(chunks, culprit, voucher if stands else None)
