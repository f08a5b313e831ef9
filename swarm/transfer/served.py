"""A snapshot as other nodes may have it from this one: a live view of a transfer, running or not.

Who may have it can only become fewer (`close`): whoever turns out to be let in later gets a view of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol import bits as bitset
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.limits import MAX_CLAIMED_DIGESTS
from protocol.manifest import Layout, Snapshot
from protocol.messages import Claims, Ranges
from protocol.signing import Identity, attest
from protocol.standing import Audience, Standing, admits
from swarm.exchange.interfaces import Reader
from swarm.store import Store
from swarm.transfer.transfer import Transfer


class ServedTransfer:
    """What `swarm.exchange.Served` asks for, told from a transfer and read from the store.

    `audience`: who may have it."""

    def __init__(
        self, transfer: Transfer, store: Store, identity: Identity, audience: Audience = "everyone"
    ) -> None:
        self.audience = audience
        self._transfer = transfer
        self._store = store
        self._identity = identity

    @property
    def topic(self) -> SnapshotKey:
        """What it is served under."""
        return self._transfer.key

    @property
    def snapshot(self) -> Snapshot:
        return self._transfer.snapshot

    def close(self) -> None:
        """No peer may have it any more."""
        self.audience = "nobody"

    def admits(self, standing: Standing) -> bool:
        """May a peer of this standing have it, by now?"""
        return admits(self.audience, standing)

    @property
    def layout(self) -> Layout:
        return self._transfer.layout

    @property
    def wants(self) -> bool:
        return self._transfer.wants

    @property
    def can_fetch(self) -> bool:
        return self._transfer.can_fetch

    @property
    def have(self) -> int:
        return self._transfer.have

    @property
    def manifest(self) -> bytes:
        return self._transfer.snapshot.encoded

    def claims(self, ranges: Ranges) -> Iterator[Claims]:
        """Own attestations of what was checked as a whole, and those of others about the rest."""
        try:
            rest = bitset.from_ranges(ranges, self.layout.total)
        except ValueError:
            return
        while rest:
            first = bitset.lowest(rest)
            blob, _ = self.layout.locate(first)
            chunks = self.layout.chunks_of(blob)
            span = rest & bitset.everything(chunks.stop)
            rest ^= span
            if blob.chunk_count > 1:
                count = span.bit_length() - first
                yield from self._about(first, count, whole=self._transfer.is_done(blob))

    def _about(self, first: int, count: int, *, whole: bool) -> Iterator[Claims]:
        """What can be said of chunks of one blob."""
        known = {chunk: self._transfer.book.digest(chunk) for chunk in range(first, first + count)}
        attested = 0
        if not whole:
            for claims in self._transfer.book.attestations(first, count):
                said = enumerate(claims.digests, claims.first)
                attested |= bitset.from_members(chunk for chunk, digest in said if known.get(chunk) == digest)
                yield claims
        mine = self._transfer.have & bitset.span(first, count) & ~attested
        for start, length in bitset.to_ranges(mine):
            for at in range(start, start + length, MAX_CLAIMED_DIGESTS):
                span = range(at, min(at + MAX_CLAIMED_DIGESTS, start + length))
                digests = tuple(digest for chunk in span if (digest := known[chunk]) is not None)
                if len(digests) == len(span):
                    yield attest(self._identity, self.topic, at, digests, whole)

    def reader(self, chunk: int, digest: ChunkDigest | None) -> Reader | None:
        """What reads the chunk's bytes; None when it is not held, or under another digest."""
        if not self.have >> chunk & 1:
            return None
        blob, index = self.layout.locate(chunk)
        if blob.chunk_count == 1:
            return self._store.reader(blob, index)
        known = self._transfer.book.digest(chunk)
        return self._store.reader(blob, index, known) if digest in (None, known) else None
