"""What is said about the digests of chunks, by whom, and whom to believe. Pure.

While an origin fetches, nobody can check the publisher's digest of a blob yet; chunks are checked
against the digests that somebody signed (an attestation). The book keeps what each signer said. When
the publisher's digest then proves a blob wrong, `fail` takes back what was believed of it:

- a signer who vouched chunk by chunk may itself have been deceived by a mirror, so it is believed
  about this blob again only once it says that it checked the whole (`whole`);
- of those who say so, one at a time is believed, the blob's referee, and about every chunk of it. So
  words of an honest and of a lying one are not mixed, and should the blob fail again, the referee
  alone is to blame: a liar, believed in nothing more.

Chunks of blobs of one chunk need no attestation: the publisher's digest checks them on arrival.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from protocol.ids import ChunkDigest, NodeId
from protocol.manifest import Blob, Layout
from protocol.messages import Claims


@dataclass(slots=True)
class _Chunk:
    """What is said of one chunk: digest by signer, who of them checked the whole, the digest believed now."""

    said: dict[NodeId, ChunkDigest] = field(default_factory=dict)
    whole: set[NodeId] = field(default_factory=set)
    believed: ChunkDigest | None = None

    def vouchers(self) -> list[NodeId]:
        """Who says what is believed."""
        return [who for who, digest in self.said.items() if digest == self.believed]

    def forget(self, signer: NodeId) -> None:
        self.said.pop(signer, None)
        self.whole.discard(signer)


class ClaimBook:
    """The attestations of one snapshot that this node has heard of."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._chunks: dict[int, _Chunk] = {}
        self._attestations: dict[tuple[NodeId, int], Claims] = {}
        self._doubted: set[tuple[NodeId, Blob]] = set()
        self._referees: dict[Blob, NodeId | None] = {}
        self.liars: set[NodeId] = set()

    def digest(self, chunk: int) -> ChunkDigest | None:
        """The digest believed of a chunk, or None."""
        entry = self._chunks.get(chunk)
        return entry.believed if entry else None

    def voucher(self, chunk: int, digest: ChunkDigest) -> NodeId | None:
        """Somebody who vouched for this digest of a chunk."""
        entry = self._chunks.get(chunk)
        said = entry.said if entry else {}
        return next((who for who, named in said.items() if named == digest), None)

    def stands_by(self, signer: NodeId, chunk: int) -> bool:
        """Whether this signer has not named the digest that is believed of the chunk by now."""
        entry = self._chunks.get(chunk)
        return entry is None or entry.said.get(signer) != entry.believed

    # --- what is said ---------------------------------------------------------------------------

    def add(self, claims: Claims, signer: NodeId, settled: int) -> int:
        """Enter an attestation whose signature was checked; the chunks that are believed anew.

        `settled` are chunks held already: what is believed of them is left alone.
        """
        last = claims.first + len(claims.digests)
        if signer in self.liars or last > self._layout.total:
            return 0
        fresh = used = 0
        for chunk, digest in enumerate(claims.digests, claims.first):
            blob, _ = self._layout.locate(chunk)
            if blob.chunk_count == 1 or not self._may_speak(signer, blob, whole=claims.whole):
                continue
            used += 1
            if self._enter(chunk, digest, signer, whole=claims.whole, settled=bool(settled >> chunk & 1)):
                fresh |= 1 << chunk
        if used:
            self._attestations[signer, claims.first] = claims
        return fresh

    def _may_speak(self, signer: NodeId, blob: Blob, *, whole: bool) -> bool:
        """Whether this signer is to be heard about a blob; makes it the referee if one is looked for."""
        if (signer, blob) in self._doubted and not whole:
            return False
        if blob not in self._referees:
            return True
        if whole and self._referees[blob] is None:
            self._referees[blob] = signer
        return self._referees[blob] in (None, signer)

    def _enter(self, chunk: int, digest: ChunkDigest, signer: NodeId, *, whole: bool, settled: bool) -> bool:
        """Note what one signer says of one chunk; whether the chunk's believed digest changed."""
        entry = self._chunks.setdefault(chunk, _Chunk())
        entry.forget(signer)
        entry.said[signer] = digest
        stronger = whole and not any(entry.said[who] == entry.believed for who in entry.whole)
        if whole:
            entry.whole.add(signer)
        if settled or digest == entry.believed or (entry.believed is not None and not stronger):
            return False
        entry.believed = digest
        return True

    def left(self, peer: NodeId) -> None:
        """This peer is gone: blobs that it was the referee of may have another."""
        for blob, referee in self._referees.items():
            if referee == peer:
                self._referees[blob] = None

    def settle(self, chunk: int, digest: ChunkDigest) -> None:
        """Believe this of a chunk, as its bytes are held under this digest."""
        self._chunks.setdefault(chunk, _Chunk()).believed = digest

    def second_opinion(self, chunk: int) -> bool:
        """Believe another digest that somebody claims of this chunk; False when there is none."""
        entry = self._chunks.get(chunk)
        others = [digest for digest in entry.said.values() if digest != entry.believed] if entry else []
        if entry is None or not others:
            return False
        entry.believed = others[0]
        return True

    def attestations(self, first: int, count: int) -> list[Claims]:
        """What can be passed on about these chunks: the attestations that touch them."""
        return [
            claims
            for claims in self._attestations.values()
            if claims.first < first + count and claims.first + len(claims.digests) > first
        ]

    # --- what the publisher's digest says -------------------------------------------------------

    def confirm(self, blob: Blob) -> set[NodeId]:
        """The blob matches as it is believed: new liars, who said otherwise of what they had checked."""
        entries = [entry for chunk in self._layout.chunks_of(blob) if (entry := self._chunks.get(chunk))]
        false = {who for entry in entries for who in entry.whole if entry.said[who] != entry.believed}
        self._referees.pop(blob, None)
        self.liars |= false
        return false

    def fail(self, blob: Blob) -> int:
        """The publisher's digest proved this blob wrong: take back who vouched for it.

        Returns the chunks of the blob of which another signer's word is believed now. A signer that had
        checked the whole, it said, and vouched for all that was wrong, joins `liars`.
        """
        chunks = self._layout.chunks_of(blob)
        entries = {chunk: entry for chunk in chunks if (entry := self._chunks.get(chunk))}
        self.liars |= _vouched_for_all(entries.values(), len(chunks))
        blamed = {who for entry in entries.values() for who in entry.vouchers() if who not in entry.whole}
        for entry in entries.values():
            for signer in self.liars | (blamed & set(entry.vouchers())):
                entry.forget(signer)
        self._doubted |= {(signer, blob) for signer in blamed}
        self._forget(blamed | self.liars, chunks)
        referee = self._referees[blob] = _best_referee(entries.values())
        believed = 0
        for chunk, entry in entries.items():
            words = entry.said if referee is None else {w: d for w, d in entry.said.items() if w == referee}
            entry.believed = next(iter(words.values()), None)
            if entry.believed is not None:
                believed |= 1 << chunk
        return believed

    def _forget(self, signers: set[NodeId], chunks: range) -> None:
        """Pass on no more what these signers said about these chunks."""
        for key, claims in list(self._attestations.items()):
            touches = claims.first < chunks.stop and claims.first + len(claims.digests) > chunks.start
            if key[0] in signers and touches:
                del self._attestations[key]


def _vouched_for_all(entries: Iterable[_Chunk], count: int) -> set[NodeId]:
    """Who vouched, as one that had checked the whole, for everything believed of `count` chunks."""
    times = Counter(who for entry in entries for who in entry.vouchers() if who in entry.whole)
    return {who for who, vouched in times.items() if vouched == count}


def _best_referee(entries: Iterable[_Chunk]) -> NodeId | None:
    """Of those who checked the whole, who has said most about these chunks."""
    times = Counter(who for entry in entries for who in entry.whole)
    return times.most_common(1)[0][0] if times else None
