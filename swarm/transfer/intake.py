"""Where bytes become trusted: what arrives is checked here, stored, and only then counts.

A chunk from a peer must have the digest under which it was ordered, or the one that is believed of it by
now. A chunk from an upstream is named by its own digest, which this node then attests; the publisher's
digest of the whole blob decides in the end. A blob of one chunk is checked against the publisher's digest
at once; such small blobs are gathered, so that thousands of them take few transactions.

A chunk may arrive twice, under two digests even. The first that is stored counts, and only what is on
disk is ever said to be believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from protocol.chunks import Bytes, Chunk, WrongBytes
from protocol.ids import ChunkDigest, NodeId
from protocol.manifest import Blob, Layout
from swarm.errors import WrongContent
from swarm.scheduler.events import UPSTREAM
from swarm.sources import Source
from swarm.store import Mismatch, Store, WholeBlob
from swarm.transfer.claims import ClaimBook
from swarm.workers import Workers

SMALL_BATCH: Final = 512
"""Small blobs in one transaction: as many as one request may name."""

SMALL_WAITING: Final = 2 * SMALL_BATCH
"""Small blobs checked and not yet stored: one batch under way, one gathering; at most 256 MiB."""


class Asked(Protocol):
    """The order that a chunk came for."""

    @property
    def giver(self) -> NodeId:
        """The peer that was asked, or UPSTREAM."""
        ...

    def wants(self, chunk: int) -> bool:
        """Whether the chunk is still expected: it was not called off."""
        ...

    def digest(self, chunk: int) -> ChunkDigest | None:
        """The digest that was believed of the chunk when it was ordered."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """A chunk that was verified and stored. `digest` is None for a blob of one chunk."""

    chunk: int
    giver: NodeId
    source: Source
    length: int
    digest: ChunkDigest | None


class Intake:
    """Checks and stores the chunks of one snapshot; `stored` is called with each that made it.

    held: whether a chunk is stored and counts. release: take a chunk out of quarantine; whether it was.
    """

    def __init__(
        self,
        layout: Layout,
        store: Store,
        book: ClaimBook,
        workers: Workers,
        *,
        held: Callable[[int], bool],
        release: Callable[[int], bool],
        stored: Callable[[Taken], None],
    ) -> None:
        self._layout = layout
        self._store = store
        self._book = book
        self._workers = workers
        self._held = held
        self._release = release
        self._stored = stored
        self._keeping: set[int] = set()
        self._kept = trio.lowlevel.ParkingLot()
        self._send, self._receive = trio.open_memory_channel[tuple[WholeBlob, Taken]](SMALL_WAITING)

    async def take(self, order: Asked, source: Source, chunk: int, data: Bytes) -> None:
        """Verify and store; WrongBytes when the giver sent something else, StoreError when it cannot be kept.

        Returns before `stored` is called for a blob of one chunk, which is gathered first.
        """
        blob, index = self._layout.locate(chunk)
        length = memoryview(data).nbytes
        if blob.chunk_count == 1:
            whole = await self._workers.run(WholeBlob, blob, data)
            await self._send.send((whole, Taken(chunk, order.giver, source, length, None)))
            return
        if length != blob.span(index)[1]:
            raise WrongBytes(f"{length} bytes instead of {blob.span(index)[1]}")
        verified = await self._verify(order, chunk, data)
        while chunk in self._keeping:
            await self._kept.park()
        if self._held(chunk) or not order.wants(chunk):
            return
        taken = Taken(chunk, order.giver, source, length, verified.digest)
        with trio.CancelScope(shield=True):  # what is on disk counts, whatever becomes of the order
            await self._keep(taken, verified)

    async def _verify(self, order: Asked, chunk: int, data: Bytes) -> Chunk:
        """The chunk; a peer that sends what was ordered is right, even if more is known by now."""
        if order.giver == UPSTREAM:
            return await self._workers.run(Chunk.named, data)
        ordered, believed = order.digest(chunk), self._book.digest(chunk)
        if ordered is not None and ordered != believed:
            try:
                return await self._workers.run(Chunk, data, ordered)
            except WrongBytes:
                pass  # the request itself may have gone out after the news
        if believed is None:
            raise WrongBytes("a chunk that nobody vouches for")
        return await self._workers.run(Chunk, data, believed)

    async def _keep(self, taken: Taken, verified: Chunk) -> None:
        chunk, (blob, index) = taken.chunk, self._layout.locate(taken.chunk)
        voucher = None if taken.giver == UPSTREAM else self._book.voucher(chunk, verified.digest)
        self._keeping.add(chunk)
        try:
            if self._release(chunk):
                await self._store.discard(blob, [index])
            await self._store.put(blob, index, verified, taken.source, voucher)
        finally:
            self._keeping.discard(chunk)
            self._kept.unpark_all()
        self._stored(taken)

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
        """Store the blobs that have no bytes and so no chunk to fetch; WrongContent if they should have."""
        try:
            await self._store.put_whole([(blob, b"", source) for blob in blobs if blob.size == 0])
        except Mismatch as error:
            raise WrongContent(
                f"a file of 0 bytes is to have the digest {error.blob}, which is not that of no bytes",
                "The repository's listing is wrong; leave the file out by --exclude.",
            ) from error
