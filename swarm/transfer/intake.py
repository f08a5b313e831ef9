"""Where bytes become trusted: what arrives is checked here, stored, and only then counts.

A chunk from a peer must have the digest that is believed of it. A chunk from an upstream is named by
its own digest, which this node then attests; the publisher's digest of the whole blob decides in the
end. A blob of one chunk is checked against the publisher's digest at once; such small blobs are
gathered, so that thousands of them take few transactions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from protocol.chunks import Bytes, Chunk, WrongBytes
from protocol.ids import ChunkDigest, NodeId
from protocol.manifest import Blob, Layout
from swarm.scheduler.events import UPSTREAM
from swarm.sources import Source
from swarm.store import Store, WholeBlob
from swarm.transfer.claims import ClaimBook
from swarm.workers import Workers

SMALL_BATCH: Final = 512
"""Small blobs in one transaction: as many as one request may name."""

SMALL_WAITING: Final = 2 * SMALL_BATCH
"""Small blobs checked and not yet stored: one batch under way, one gathering; at most 256 MiB."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A chunk that was verified and stored. `digest` is None for a blob of one chunk."""

    chunk: int
    giver: NodeId
    source: Source
    length: int
    digest: ChunkDigest | None


class Intake:
    """Checks and stores the chunks of one snapshot; `stored` is called with each that made it."""

    def __init__(
        self,
        layout: Layout,
        store: Store,
        book: ClaimBook,
        workers: Workers,
        *,
        in_quarantine: Callable[[int], bool],
        stored: Callable[[Taken], None],
    ) -> None:
        self._layout = layout
        self._store = store
        self._book = book
        self._workers = workers
        self._in_quarantine = in_quarantine
        self._stored = stored
        self._send, self._receive = trio.open_memory_channel[tuple[WholeBlob, Taken]](SMALL_WAITING)

    async def take(self, giver: NodeId, source: Source, chunk: int, data: Bytes) -> None:
        """Verify and store; WrongBytes when the giver sent something else, StoreError when it cannot be kept.

        Returns before `stored` is called for a blob of one chunk, which is gathered first.
        """
        blob, index = self._layout.locate(chunk)
        length = memoryview(data).nbytes
        if blob.chunk_count == 1:
            whole = await self._workers.run(WholeBlob, blob, data)
            await self._send.send((whole, Taken(chunk, giver, source, length, None)))
            return
        if length != blob.span(index)[1]:
            raise WrongBytes(f"{length} bytes instead of {blob.span(index)[1]}")
        verified = await self._verify(giver, chunk, data)
        if self._in_quarantine(chunk):
            await self._store.discard(blob, [index])
        voucher = None if giver == UPSTREAM else self._book.voucher(chunk)
        await self._store.put(blob, index, verified, source, voucher)
        self._stored(Taken(chunk, giver, source, length, verified.digest))

    async def _verify(self, giver: NodeId, chunk: int, data: Bytes) -> Chunk:
        if giver == UPSTREAM:
            return await self._workers.run(Chunk.named, data)
        digest = self._book.digest(chunk)
        if digest is None:
            raise WrongBytes("a chunk that nobody vouches for any more")
        return await self._workers.run(Chunk, data, digest)

    async def write_small(self) -> None:
        """Store what `take` gathers, many at a time, until cancelled."""
        async for first in self._receive:
            batch = [first]
            while len(batch) < SMALL_BATCH:
                try:
                    batch.append(self._receive.receive_nowait())
                except trio.WouldBlock:
                    break
            await self._store.put_whole([(whole.blob, whole.data, taken.source) for whole, taken in batch])
            for _, taken in batch:
                self._stored(taken)

    async def make_empty(self, blobs: list[Blob], source: Source) -> None:
        """Store the blobs that have no bytes and so no chunk to fetch."""
        await self._store.put_whole([(blob, b"", source) for blob in blobs if blob.size == 0])
