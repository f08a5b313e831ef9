"""What is said about the digests of chunks, by whom, and whom to believe. Pure.

While an origin fetches, nobody can check the publisher's digest of a blob yet; chunks are checked
against the digests that somebody signed (an attestation). The book keeps what each signer said. When
the publisher's digest then proves a blob wrong, `fail` takes back what was believed of it:

- a signer who vouched chunk by chunk may itself have been deceived by a mirror, so it is believed
  about this blob again only once it says that it checked the whole (`whole`);
- a signer who had said so is a liar, and believed in nothing more.

Chunks of blobs of one chunk need no attestation: the publisher's digest checks them on arrival.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.ids import ChunkDigest, NodeId
from protocol.manifest import Blob, Layout
from protocol.messages import Claims


@dataclass(slots=True)
class _Chunk:
    """What is said of one chunk: digest by signer, and the digest believed now."""

    said: dict[NodeId, ChunkDigest] = field(default_factory=dict)
    whole: set[NodeId] = field(default_factory=set)
    believed: ChunkDigest | None = None


class ClaimBook:
    """The attestations of one snapshot that this node has heard of."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._chunks: dict[int, _Chunk] = {}
        self._attestations: dict[tuple[NodeId, int], Claims] = {}
        self._doubted: set[tuple[NodeId, Blob]] = set()
        self.liars: set[NodeId] = set()

    def digest(self, chunk: int) -> ChunkDigest | None:
        """The digest believed of a chunk, or None."""
        entry = self._chunks.get(chunk)
        return entry.believed if entry else None

    def voucher(self, chunk: int) -> NodeId | None:
        """Somebody who vouched for the digest believed of a chunk."""
        entry = self._chunks.get(chunk)
        if entry is None:
            return None
        return next((who for who, digest in entry.said.items() if digest == entry.believed), None)

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
            if blob.chunk_count == 1 or ((signer, blob) in self._doubted and not claims.whole):
                continue
            used += 1
            if self._enter(chunk, digest, signer, whole=claims.whole, settled=bool(settled >> chunk & 1)):
                fresh |= 1 << chunk
        if used:
            self._attestations[signer, claims.first] = claims
        return fresh

    def _enter(self, chunk: int, digest: ChunkDigest, signer: NodeId, *, whole: bool, settled: bool) -> bool:
        """Note what one signer says of one chunk; whether the chunk's believed digest changed."""
        entry = self._chunks.setdefault(chunk, _Chunk())
        entry.said[signer] = digest
        if whole:
            entry.whole.add(signer)
        stronger = whole and not any(entry.said[who] == entry.believed for who in entry.whole - {signer})
        if settled or digest == entry.believed or (entry.believed is not None and not stronger):
            return False
        entry.believed = digest
        return True

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

    def fail(self, blob: Blob) -> int:
        """The publisher's digest proved this blob wrong: take back who vouched for it.

        Returns the chunks of the blob of which another signer's word is believed now. A signer that had
        checked the whole, it said, joins `liars`.
        """
        chunks = self._layout.chunks_of(blob)
        believed = 0
        blamed: set[NodeId] = set()
        for chunk in chunks:
            entry = self._chunks.get(chunk)
            if entry is None:
                continue
            for signer in [who for who, digest in entry.said.items() if digest == entry.believed]:
                blamed.add(signer)
                del entry.said[signer]
                if signer in entry.whole:
                    self.liars.add(signer)
            entry.believed = next(iter(entry.said.values()), None)
            if entry.believed is not None:
                believed |= 1 << chunk
        self._doubted |= {(signer, blob) for signer in blamed}
        self._forget(blamed, chunks)
        return believed

    def _forget(self, signers: set[NodeId], chunks: range) -> None:
        """Pass on no more what these signers said about these chunks."""
        for key, claims in list(self._attestations.items()):
            touches = claims.first < chunks.stop and claims.first + len(claims.digests) > chunks.start
            if key[0] in signers and touches:
                del self._attestations[key]
