"""Where bytes become trusted: what arrives is checked here, stored, and only then counts.

A chunk from a peer must have the digest under which it was ordered, or the one that is believed of it by
now. A chunk from an upstream is named by its own digest, which this node then attests; the publisher's
digest of the whole blob decides in the end. A blob of one chunk is checked against the publisher's digest
at once; such small blobs are gathered, so that thousands of them take few transactions.

A chunk may arrive twice, under two digests even. The first that is stored counts, and only what is on
disk is ever said to be believed. The first to arrive is checked and stored in one trip to a worker; what
comes after it is checked before it waits for the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, Protocol

import trio

from protocol.chunks import Bytes, Chunk, WrongBytes
from protocol.ids import ChunkDigest, NodeId
from protocol.manifest import Blob, Layout
from swarm.errors import WrongContent
from swarm.scheduler.events import UPSTREAM
from swarm.sources import Arrived, Source
from swarm.store import Store, Unverified, Vouched, WholeBlob
from swarm.transfer.claims import ClaimBook
from swarm.workers import Workers

SMALL_BATCH: Final = 512
"""Small blobs in one transaction: as many as one request may name."""

SMALL_WAITING: Final = 2 * SMALL_BATCH
"""Small blobs checked and not yet stored: one batch under way, one gathering; at most 256 MiB."""


class WrongChunk(WrongBytes):
    """A chunk is not what it was asked to be."""

    def __init__(self, chunk: int, reason: str) -> None:
        super().__init__(reason)
        self.chunk = chunk


Verify = Callable[[], Vouched]
"""Makes a chunk of bytes that came, or raises WrongBytes; for a worker to run."""


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

    def settle(self, chunk: int) -> None:
        """The chunk came and is owed no more."""
        ...


class _Part(NamedTuple):
    """A chunk of a blob that has several, and what checks the bytes that came."""

    chunk: int
    verify: Verify


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

    held: whether a chunk is stored and counts. quarantined: whether it is stored and does not count.
    release: take it out of quarantine; whether it was there.
    """

    def __init__(
        self,
        layout: Layout,
        store: Store,
        book: ClaimBook,
        workers: Workers,
        *,
        held: Callable[[int], bool],
        quarantined: Callable[[int], bool],
        release: Callable[[int], bool],
        stored: Callable[[Taken], None],
    ) -> None:
        self._layout = layout
        self._store = store
        self._book = book
        self._workers = workers
        self._held = held
        self._quarantined = quarantined
        self._release = release
        self._stored = stored
        self._keeping: set[int] = set()
        self._kept = trio.lowlevel.ParkingLot()
        self._send, self._receive = trio.open_memory_channel[tuple[WholeBlob, Taken]](SMALL_WAITING)

    async def take(self, order: Asked, source: Source, arrived: Arrived) -> None:
        """Verify and store what the order still wants of these.

        WrongChunk when the giver sent something else, StoreError when it cannot be kept; what comes after
        that is not taken. Returns before `stored` is called for blobs of one chunk, which are gathered first.
        """
        wholes: list[tuple[int, Blob, Bytes]] = []
        parts: list[_Part] = []
        for chunk, data in arrived:
            if not order.wants(chunk):
                continue
            blob, index = self._layout.locate(chunk)
            if blob.chunk_count == 1:
                wholes.append((chunk, blob, data))
            else:
                parts.append(_Part(chunk, self._check(order, chunk, data, blob.span(index)[1])))
        if parts:
            await trio.lowlevel.checkpoint_if_cancelled()
            await self._take_parts(order, source, parts)
        if wholes:
            await self._take_wholes(order, source, wholes)

    async def _take_wholes(
        self, order: Asked, source: Source, arrived: list[tuple[int, Blob, Bytes]]
    ) -> None:
        for chunk, whole in await self._workers.run(_right_wholes, arrived):
            if isinstance(whole, WrongBytes):
                raise WrongChunk(chunk, str(whole)) from whole
            await self._send.send((whole, Taken(chunk, order.giver, source, whole.blob.size, None)))
            order.settle(chunk)

    async def _take_parts(self, order: Asked, source: Source, parts: list[_Part]) -> None:
        first: list[_Part] = []
        again: list[_Part] = []
        for part in parts:
            (again if self._came_before(part.chunk) else first).append(part)
        if first:
            await self._keep(order, source, first)
        for part in again:
            await self._take_another(order, source, part)

    def _came_before(self, chunk: int) -> bool:
        return chunk in self._keeping or self._held(chunk) or self._quarantined(chunk)

    def _check(self, order: Asked, chunk: int, data: Bytes, length: int) -> Verify:
        """What makes a chunk of the bytes, for a worker to run.

        A peer that sends what was ordered is right, even if more is known by now: the request itself may
        have gone out after the news.
        """
        if memoryview(data).nbytes != length:
            return partial(_wrong, f"{memoryview(data).nbytes} bytes instead of {length}")
        if order.giver == UPSTREAM:
            return partial(_named, data)
        digests = (order.digest(chunk), self._book.digest(chunk))
        right = {digest: self._book.voucher(chunk, digest) for digest in digests if digest is not None}
        if not right:
            return partial(_wrong, "a chunk that nobody vouches for")
        return partial(_first_right, data, right)

    async def _take_another(self, order: Asked, source: Source, part: _Part) -> None:
        """A chunk that came before must be right as well, and takes the place of one that was not."""
        try:
            verified = await self._workers.run(part.verify)
        except WrongBytes as wrong:
            raise WrongChunk(part.chunk, str(wrong)) from wrong
        while part.chunk in self._keeping:
            await self._kept.park()
        if self._held(part.chunk) or not order.wants(part.chunk):
            order.settle(part.chunk)
        else:
            await self._keep(order, source, [_Part(part.chunk, lambda: verified)])

    async def _keep(self, order: Asked, source: Source, parts: list[_Part]) -> None:
        """Store these, up to the first that is wrong. What is on disk counts, whatever the order becomes:
        what a worker has begun is waited for, and nothing after it can be cancelled."""
        chunks = [part.chunk for part in parts]
        items = [Unverified(*self._layout.locate(part.chunk), part.verify) for part in parts]
        self._keeping.update(chunks)
        try:
            if quarantined := list(filter(self._release, chunks)):
                await self._discard(quarantined)
            found = await self._store.put_verified(items, source)
        finally:
            self._keeping.difference_update(chunks)
            self._kept.unpark_all()
        for chunk, digest in zip(chunks, found, strict=False):
            if isinstance(digest, WrongBytes):
                raise WrongChunk(chunk, str(digest)) from digest
            self._stored(Taken(chunk, order.giver, source, self._layout.length(chunk), digest))
            order.settle(chunk)

    async def _discard(self, chunks: list[int]) -> None:
        """Make room for others in the place of these, which are in quarantine no more; all, once begun."""
        with trio.CancelScope(shield=True):
            for chunk in chunks:
                blob, index = self._layout.locate(chunk)
                await self._store.discard(blob, [index])

    async def write_small(self) -> None:
        """Store what `take` gathers, many at a time, until cancelled."""
        async for first in self._receive:
            batch = [first]
            while len(batch) < SMALL_BATCH:
                try:
                    batch.append(self._receive.receive_nowait())
                except trio.WouldBlock:
                    break
            await self._store.put_whole([(whole, taken.source) for whole, taken in batch])
            for _, taken in batch:
                self._stored(taken)

    async def make_empty(self, blobs: list[Blob], source: Source) -> None:
        """Store the blobs that have no bytes and so no chunk to fetch; WrongContent if they should have."""
        try:
            await self._store.put_whole([(WholeBlob(blob, b""), source) for blob in blobs if blob.size == 0])
        except WrongBytes as error:
            raise WrongContent(
                "a file of 0 bytes is to have a digest that is not that of no bytes",
                "The repository's listing is wrong; leave the file out by --exclude.",
            ) from error


def _right_wholes(arrived: list[tuple[int, Blob, Bytes]]) -> list[tuple[int, WholeBlob | WrongBytes]]:
    """What becomes of each, up to the first that is wrong."""
    made: list[tuple[int, WholeBlob | WrongBytes]] = []
    for chunk, blob, data in arrived:
        try:
            made.append((chunk, WholeBlob(blob, data)))
        except WrongBytes as wrong:
            return [*made, (chunk, wrong)]
    return made


def _wrong(reason: str) -> Vouched:
    raise WrongBytes(reason)


def _named(data: Bytes) -> Vouched:
    return Vouched(Chunk.named(data), None)


def _first_right(data: Bytes, right: Mapping[ChunkDigest, NodeId | None]) -> Vouched:
    """The chunk under the first of these digests that it has, and who vouched for that."""
    *others, last = right
    for digest in others:
        try:
            return Vouched(Chunk(data, digest), right[digest])
        except WrongBytes:
            continue
    return Vouched(Chunk(data, last), right[last])
