"""The commit gate: a blob counts only once its publisher's digest matches, and what to do when not.

On a mismatch nobody knows yet which chunk is wrong. What vouched for the blob is believed no more
(`ClaimBook.fail`), the mirrors that sent chunks of it are kept out, and every chunk counts as missing;
its bytes stay on disk in quarantine. When a chunk is then vouched for anew under the digest it had, it
is taken back from disk; only chunks that were really wrong travel again. Once the blob matches, the
chunks whose digest changed are the wrong ones, and who sent or vouched for them is named.
"""

from __future__ import annotations

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
    """A chunk of a blob that failed: the digest it had, who sent it, who vouched for it."""

    digest: ChunkDigest
    sender: Source | None
    voucher: NodeId | None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A chunk that proved wrong, and who is to blame for it."""

    chunk: int
    culprit: Source


class Gate:
    """Which blobs of a snapshot failed, how often, and what was in them. Pure: no disk, no clock."""

    def __init__(self, layout: Layout, book: ClaimBook, me: NodeId) -> None:
        self._layout = layout
        self._book = book
        self._me = me
        self._rounds: dict[Blob, int] = {}
        self._suspects: dict[int, Suspect] = {}

    def quarantined(self, chunk: int) -> ChunkDigest | None:
        """The digest under which this chunk lies in quarantine on disk, if it does."""
        suspect = self._suspects.get(chunk)
        return suspect.digest if suspect else None

    def fail(self, blob: Blob, senders: dict[int, Source]) -> int:
        """A whole blob did not match. `senders`: who sent each chunk, by its index in the blob.

        Returns the chunks that somebody else's word is believed of now. WrongContent when this blob
        has failed too often.
        """
        self._count(blob, set(senders.values()))
        for index, chunk in enumerate(self._layout.chunks_of(blob)):
            digest = self._book.digest(chunk)
            if digest is not None and chunk not in self._suspects:
                self._suspects[chunk] = Suspect(digest, senders.get(index), self._book.voucher(chunk))
        return self._book.fail(blob)

    def fail_chunk(self, chunk: int, sender: Source) -> None:
        """A single chunk came wrong. WrongContent when mirrors keep sending its blob wrong."""
        if sender.kind == "upstream":
            self._count(self._layout.locate(chunk)[0], {sender})

    def _count(self, blob: Blob, senders: set[Source]) -> None:
        rounds = self._rounds[blob] = self._rounds.get(blob, 0) + 1
        if rounds > REPAIR_ROUNDS:
            names = ", ".join(sorted(source.name for source in senders)) or "nobody known"
            raise WrongContent(
                f"a file of {blob.size} bytes never matched its publisher's digest {blob}; "
                f"it came from {names}",
                "Try another --endpoint; `swarm why REPO` names who sent what.",
            )

    def cleared(self, blob: Blob) -> list[Wrong]:
        """The blob matches now: the chunks that had been wrong, and whose fault each was."""
        wrong = []
        for chunk in self._layout.chunks_of(blob):
            suspect = self._suspects.pop(chunk, None)
            if suspect is not None and suspect.digest != self._book.digest(chunk):
                wrong.append(Wrong(chunk, self._culprit(suspect)))
        return wrong

    def _culprit(self, suspect: Suspect) -> Source:
        """Who vouched for a wrong chunk is to blame; this node itself was told so by who sent it."""
        if suspect.voucher is not None and suspect.voucher != self._me:
            return Source("peer", to_text(suspect.voucher))
        return suspect.sender or Source("local", "store")
