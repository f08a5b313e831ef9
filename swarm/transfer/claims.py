"""What is said about the digests of chunks, by whom, and whom to believe. Pure.

While an origin fetches, nobody can check the publisher's digest of a blob yet; chunks are checked
against the digests that somebody signed (an attestation). The book keeps what each signer said. When
the publisher's digest then proves a blob wrong, `fail` takes back what was believed of it:

- a signer who vouched chunk by chunk may itself have been deceived by a mirror, so it is believed
  about this blob again only once it says that it checked the whole (`whole`);
- of those who say so, one at a time is believed, the blob's referee, and about every chunk of it. So
  words of an honest and of a lying one are not mixed, and should the blob fail again, the referee
  alone is to blame: a liar, believed in nothing more.

What is known for sure of a chunk of such a blob (`know`) refutes whoever says otherwise of it.

Keys cost nothing, so what strangers say is kept within bounds: every peer may speak for itself for as long
as it takes part, but of what is said by others, or was by peers that left, a few words a chunk are kept.

Chunks of blobs of one chunk need no attestation: the publisher's digest checks them on arrival.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from protocol.ids import ChunkDigest, NodeId
from protocol.manifest import Blob, Layout
from protocol.messages import Claims

MAX_ABSENT_WORDS: Final = 8
"""Signers that take no part themselves and whose word of a chunk is kept: an origin that left, and some."""

ATTESTED_TIMES: Final = 2
"""Digests kept of one signer to be passed on, for each chunk there is: as it came, and of the whole."""


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
        self._attested: Counter[NodeId] = Counter()
        self._present: set[NodeId] = set()
        self._known: dict[int, ChunkDigest] = {}
        self._refuted: set[tuple[NodeId, Blob]] = set()
        self._doubted: set[tuple[NodeId, Blob]] = set()
        self._referees: dict[Blob, NodeId | None] = {}
        self.liars: set[NodeId] = set()

    def digest(self, chunk: int) -> ChunkDigest | None:
        """The digest believed of a chunk, or None."""
        entry = self._chunks.get(chunk)
        return entry.believed if entry else None

    def voucher(self, chunk: int, digest: ChunkDigest) -> NodeId | None:
        """Who vouched for this digest of a chunk: the referee of its blob, or else somebody."""
        entry = self._chunks.get(chunk)
        said = entry.said if entry else {}
        referee = self._referees.get(self._layout.locate(chunk)[0])
        if referee is not None and said.get(referee) == digest:
            return referee
        return next((who for who, named in said.items() if named == digest), None)

    def stands_by(self, signer: NodeId, chunk: int) -> bool:
        """Whether this signer has not named the digest that is believed of the chunk by now."""
        entry = self._chunks.get(chunk)
        return entry is None or entry.said.get(signer) != entry.believed

    # --- what is said ---------------------------------------------------------------------------

    def add(self, claims: Claims, signer: NodeId, settled: int, *, passed_on: bool = False) -> int:
        """Enter an attestation whose signature was checked; the chunks that are believed anew.

        `settled` are chunks held already: what is believed of them is left alone. `passed_on`: it did not
        come from the signer itself.
        """
        last = claims.first + len(claims.digests)
        if signer in self.liars or last > self._layout.total:
            return 0
        if not passed_on:
            self._present.add(signer)
        self._refute_by_known(claims, signer, settled)
        fresh = used = 0
        for chunk, digest in enumerate(claims.digests, claims.first):
            blob, _ = self._layout.locate(chunk)
            if blob.chunk_count == 1 or not self._may_speak(signer, blob, whole=claims.whole):
                continue
            if not self._has_room(chunk, signer):
                continue
            heard = self._is_heard(signer, blob, whole=claims.whole)
            if not (heard or claims.whole):
                continue
            used += 1
            if self._enter(
                chunk, digest, signer, whole=claims.whole, settled=bool(settled >> chunk & 1) or not heard
            ):
                fresh |= 1 << chunk
        if used:
            self._keep(claims, signer)
        return fresh

    def _has_room(self, chunk: int, signer: NodeId) -> bool:
        """May a word of this signer about a chunk be kept?"""
        entry = self._chunks.get(chunk)
        if entry is None or signer in self._present or signer in entry.said:
            return True
        return sum(who not in self._present for who in entry.said) < MAX_ABSENT_WORDS

    def _keep(self, claims: Claims, signer: NodeId) -> None:
        """Note the attestation to be passed on; of too many of one signer the oldest go, and of signers that
        take no part no more are taken than make up the words there may be of them."""
        absent = sum(count for who, count in self._attested.items() if who not in self._present)
        if signer not in self._present and absent > MAX_ABSENT_WORDS * self._layout.total:
            return
        self._drop(signer, claims.first)
        self._attestations[signer, claims.first] = claims
        self._attested[signer] += len(claims.digests)
        if self._attested[signer] > ATTESTED_TIMES * self._layout.total:
            for key in [key for key in self._attestations if key[0] == signer]:
                if self._attested[signer] <= ATTESTED_TIMES * self._layout.total:
                    break
                self._drop(*key)

    def _drop(self, signer: NodeId, first: int) -> None:
        dropped = self._attestations.pop((signer, first), None)
        if dropped is not None:
            self._attested[signer] -= len(dropped.digests)
            if not self._attested[signer]:
                del self._attested[signer]

    def _may_speak(self, signer: NodeId, blob: Blob, *, whole: bool) -> bool:
        """Whether what this signer says about a blob is of any use."""
        return (signer, blob) not in self._refuted and (whole or (signer, blob) not in self._doubted)

    def _is_heard(self, signer: NodeId, blob: Blob, *, whole: bool) -> bool:
        """Whether it may be believed now; makes the signer the referee if one is looked for.

        What others say that checked the whole is noted meanwhile, should the referee prove wrong.
        """
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
        """This peer is gone: blobs that it was the referee of may have another, and of its words only those
        are kept that are believed on no other's."""
        if peer in self._present:
            self._present.discard(peer)
            for entry in self._chunks.values():
                if peer in entry.said and (entry.said[peer] != entry.believed or len(entry.vouchers()) > 1):
                    entry.forget(peer)
            self._drop_unsaid(peer)
        for blob, referee in self._referees.items():
            if referee == peer:
                self._referees[blob] = None

    def _drop_unsaid(self, signer: NodeId) -> None:
        """Pass on no more what nothing is kept of."""
        for key, claims in list(self._attestations.items()):
            if key[0] == signer:
                span = range(claims.first, claims.first + len(claims.digests))
                entries = (self._chunks.get(chunk) for chunk in span)
                if not any(entry and signer in entry.said for entry in entries):
                    self._drop(*key)

    def settle(self, chunk: int, digest: ChunkDigest) -> None:
        """Believe this of a chunk, as its bytes are held under this digest."""
        self._chunks.setdefault(chunk, _Chunk()).believed = digest

    def second_opinion(self, chunk: int) -> bool:
        """Believe another digest that somebody claims of this chunk; False when there is none."""
        entry = self._chunks.get(chunk)
        referee = self._referees.get(self._layout.locate(chunk)[0])
        said = entry.said if entry else {}
        others = [digest for who, digest in said.items() if referee in (None, who)]
        others = [digest for digest in others if entry and digest != entry.believed]
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

    # --- what is known for sure -----------------------------------------------------------------

    def know(self, chunk: int, digest: ChunkDigest, settled: int) -> int:
        """A chunk of a blob that failed has this digest: who says otherwise is heard no more about the blob.

        Returns the chunks of which something else, or nothing, is believed now. `settled` as in `add`.
        """
        self._known[chunk] = digest
        entry = self._chunks.get(chunk)
        wrong = {who for who, named in entry.said.items() if named != digest} if entry else set()
        blob, _ = self._layout.locate(chunk)
        return self.refute(wrong, blob, settled)

    def refuted(self, signer: NodeId, blob: Blob) -> bool:
        """Whether this signer is not heard about the blob any more."""
        return signer in self.liars or (signer, blob) in self._refuted

    def named(self, signer: NodeId, blob: Blob) -> dict[int, ChunkDigest]:
        """What this signer says of the chunks of a blob."""
        entries = ((chunk, self._chunks.get(chunk)) for chunk in self._layout.chunks_of(blob))
        return {chunk: entry.said[signer] for chunk, entry in entries if entry and signer in entry.said}

    def refute(self, signers: set[NodeId], blob: Blob, settled: int) -> int:
        """Forget what these say of a blob, and hear them no more about it; the chunks that this changes."""
        chunks = self._layout.chunks_of(blob)
        self._refuted |= {(signer, blob) for signer in signers}
        self._forget(signers, chunks)
        entries = {chunk: entry for chunk in chunks if (entry := self._chunks.get(chunk))}
        for entry in entries.values():
            for signer in signers:
                entry.forget(signer)
        if self._referees.get(blob) in signers:
            self._referees[blob] = _best_referee(entries.values())
        changed = 0
        for chunk, entry in entries.items():
            stands = entry.vouchers() and blob not in self._referees
            if settled >> chunk & 1 or entry.believed is None or stands:
                continue
            word = self._word(blob, entry)
            if word != entry.believed:
                entry.believed = word
                changed |= 1 << chunk
        return changed

    def _refute_by_known(self, claims: Claims, signer: NodeId, settled: int) -> None:
        for chunk, digest in enumerate(claims.digests, claims.first) if self._known else ():
            if self._known.get(chunk, digest) != digest:
                self.refute({signer}, self._layout.locate(chunk)[0], settled)

    def _word(self, blob: Blob, entry: _Chunk) -> ChunkDigest | None:
        """What to believe of a chunk of a blob that failed: its referee's word, if it has one."""
        referee = self._referees.get(blob)
        return entry.said.get(referee) if referee is not None else next(iter(entry.said.values()), None)

    # --- what the publisher's digest says -------------------------------------------------------

    def confirm(self, blob: Blob) -> set[NodeId]:
        """The blob matches as it is believed: new liars, who said otherwise of what they had checked."""
        entries = [entry for chunk in self._layout.chunks_of(blob) if (entry := self._chunks.get(chunk))]
        false = {who for entry in entries for who in entry.whole if entry.said[who] != entry.believed}
        self._referees.pop(blob, None)
        self._refuted = {pair for pair in self._refuted if pair[1] != blob}
        for chunk in self._layout.chunks_of(blob):
            self._known.pop(chunk, None)
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
        self._referees[blob] = _best_referee(entries.values())
        believed = 0
        for chunk, entry in entries.items():
            entry.believed = self._word(blob, entry)
            if entry.believed is not None:
                believed |= 1 << chunk
        return believed

    def _forget(self, signers: set[NodeId], chunks: range) -> None:
        """Pass on no more what these signers said about these chunks."""
        for key, claims in list(self._attestations.items()):
            touches = claims.first < chunks.stop and claims.first + len(claims.digests) > chunks.start
            if key[0] in signers and touches:
                self._drop(*key)


def _vouched_for_all(entries: Iterable[_Chunk], count: int) -> set[NodeId]:
    """Who vouched, as one that had checked the whole, for everything believed of `count` chunks."""
    times = Counter(who for entry in entries for who in entry.vouchers() if who in entry.whole)
    return {who for who, vouched in times.items() if vouched == count}


def _best_referee(entries: Iterable[_Chunk]) -> NodeId | None:
    """Of those who checked the whole, who has said most about these chunks."""
    times = Counter(who for entry in entries for who in entry.whole)
    return times.most_common(1)[0][0] if times else None
