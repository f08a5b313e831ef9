"""Blobs in the store: chunk by chunk or whole, checked when committed, by many tasks at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from protocol.chunks import Chunk, WrongBytes
from swarm.errors import StoreError
from swarm.store import Held, Incident, Mismatch, Store, WholeBlob, open_store
from swarm.workers import ThreadWorkers
from tests.store.samples import BIG, EMPTY, HUB, PEER, SMALL, VOUCHER, complete, fill


async def test_a_blob_arrives_chunk_by_chunk(store: Store) -> None:
    blob = BIG.blob
    assert (await store.held([blob]))[blob] == Held(False, 0, bytes(4 * 32))
    for index in (2, 0):
        await store.put(blob, index, BIG.chunk(index), PEER, VOUCHER)
    held = (await store.held([blob]))[blob]
    assert not held.complete
    assert held.bits == 0b101
    assert held.digests == (BIG.chunk(0).digest, None, BIG.chunk(2).digest, None)
    assert await store.read(blob, 2) == BIG.part(2)
    assert await store.read(blob, 1) is None
    assert await store.claims(blob) == [(i, BIG.chunk(i).digest, VOUCHER) for i in (0, 2)]
    assert await store.chunk_sources(blob) == {0: PEER, 2: PEER}


async def test_a_committed_blob_is_complete(store: Store) -> None:
    blob = BIG.blob
    await store.put(blob, 3, BIG.chunk(3), PEER, None)
    await fill(store, BIG)
    path = await store.commit(blob)
    assert path == store.path(blob)
    assert path.read_bytes() == BIG.data
    assert path.stat().st_mode & 0o777 == 0o444
    held = (await store.held([blob]))[blob]
    assert held.complete
    assert held.bits == 0b1111
    assert held.digests == tuple(BIG.chunk(i).digest for i in BIG.indexes)
    assert [await store.read(blob, i) for i in BIG.indexes] == [BIG.part(i) for i in BIG.indexes]
    assert await store.claims(blob) == [(i, BIG.chunk(i).digest, None) for i in BIG.indexes]
    last = blob.span(3)[1]
    assert await store.provenance(blob) == {PEER: last, HUB: blob.size - last}
    assert await store.chunk_sources(blob) == {}
    assert list((store.root / "partial").iterdir()) == []


async def test_what_comes_after_the_commit_changes_nothing(store: Store) -> None:
    path = await complete(store, BIG)
    await store.put(BIG.blob, 0, Chunk.named(bytes(BIG.blob.span(0)[1])), PEER, None)
    await store.discard(BIG.blob, [0])
    assert await store.commit(BIG.blob) == path
    assert path.read_bytes() == BIG.data


async def test_a_commit_needs_every_chunk(store: Store) -> None:
    await store.put(BIG.blob, 0, BIG.chunk(0), PEER, None)
    with pytest.raises(StoreError, match="not all there"):
        await store.commit(BIG.blob)


async def test_a_chunk_has_the_length_of_its_span(store: Store) -> None:
    with pytest.raises(ValueError, match="chunk 3"):
        await store.put(BIG.blob, 3, BIG.chunk(0), PEER, None)


async def test_a_wrong_chunk_is_found_at_the_commit_and_can_be_put_again(store: Store) -> None:
    blob = BIG.blob
    wrong = Chunk.named(bytes(blob.span(1)[1]))
    await store.put(blob, 1, wrong, PEER, VOUCHER)
    await fill(store, BIG)
    with pytest.raises(Mismatch) as raised:
        await store.commit(blob)
    assert raised.value.blob == blob
    assert (await store.held([blob]))[blob].bits == 0b1111
    assert (await store.chunk_sources(blob))[1] == PEER
    await store.discard(blob, [1])
    assert await store.read(blob, 1) is None
    await store.put(blob, 1, BIG.chunk(1), HUB, None)
    assert (await store.commit(blob)).read_bytes() == BIG.data


async def test_a_chunk_that_is_held_is_not_overwritten(store: Store) -> None:
    await store.put(BIG.blob, 0, BIG.chunk(0), HUB, None)
    await store.put(BIG.blob, 0, Chunk.named(bytes(BIG.blob.span(0)[1])), PEER, None)
    assert await store.read(BIG.blob, 0) == BIG.part(0)
    assert await store.chunk_sources(BIG.blob) == {0: HUB}


async def test_small_blobs_come_whole(store: Store) -> None:
    await store.put_whole([(WholeBlob(SMALL.blob, SMALL.data), PEER), (WholeBlob(EMPTY.blob, b""), HUB)])
    held = await store.held([SMALL.blob, EMPTY.blob])
    assert held[SMALL.blob] == Held(True, 1, SMALL.chunk(0).digest)
    assert held[EMPTY.blob] == Held(True, 0, b"")
    assert await store.read(SMALL.blob, 0) == SMALL.data
    assert store.path(EMPTY.blob).read_bytes() == b""
    assert await store.provenance(SMALL.blob) == {PEER: 1000}


async def test_a_blob_without_bytes_can_be_committed_at_once(store: Store) -> None:
    path = await store.commit(EMPTY.blob)
    assert path.read_bytes() == b""


def test_a_whole_blob_is_checked_in_its_constructor() -> None:
    assert WholeBlob(SMALL.blob, SMALL.data).data == SMALL.data
    with pytest.raises(WrongBytes):
        WholeBlob(SMALL.blob, SMALL.data[:-1])
    with pytest.raises(ValueError, match="more than one"):
        WholeBlob(BIG.blob, BIG.data)


async def test_a_blob_is_looked_up_by_its_size_too(store: Store) -> None:
    await complete(store, BIG)
    lie = type(BIG.blob)("sha256", BIG.blob.digest, BIG.blob.size - 1)
    assert not (await store.held([lie]))[lie].complete
    assert (await store.held([BIG.blob]))[BIG.blob].complete


async def test_incidents_are_told_in_order(store: Store) -> None:
    about = Incident(5.0, PEER, "sent other bytes", BIG.blob, 3)
    general = Incident(4.0, HUB, "answered 500")
    for incident in (about, general):
        await store.note(incident)
    assert await store.incidents() == [about, general]
    assert await store.incidents([BIG.blob]) == [about]
    assert await store.incidents([SMALL.blob]) == []


async def test_provenances_of_many_blobs(store: Store) -> None:
    await store.put_whole([(WholeBlob(SMALL.blob, SMALL.data), PEER)])
    await store.put(BIG.blob, 0, BIG.chunk(0), HUB, None)
    assert await store.provenances([SMALL.blob, BIG.blob, EMPTY.blob]) == {
        SMALL.blob: {PEER: 1000},
        BIG.blob: {HUB: BIG.blob.span(0)[1]},
    }


async def test_a_store_on_threads(tmp_path: Path) -> None:
    async with open_store(tmp_path, ThreadWorkers()) as store:
        assert (await complete(store, BIG)).read_bytes() == BIG.data
        assert await store.free() > 0


async def test_many_tasks_at_one_blob(tmp_path: Path) -> None:
    """The same chunks from several sources at once, some of them wrong, read and discarded meanwhile."""
    wrong = Chunk.named(bytes(BIG.blob.span(2)[1]))
    async with open_store(tmp_path, ThreadWorkers()) as store:

        async def right(first: int) -> None:
            for index in (*BIG.indexes[first:], *BIG.indexes[:first]):
                await store.put(BIG.blob, index, BIG.chunk(index), HUB, None)
                data = await store.read(BIG.blob, index)
                assert data is None or data in (BIG.part(index), bytes(wrong.data))

        async def lie() -> None:
            for _ in range(20):
                await store.put(BIG.blob, 2, wrong, PEER, VOUCHER)
                await store.discard(BIG.blob, [2])

        async with trio.open_nursery() as nursery:
            for first in BIG.indexes:
                nursery.start_soon(right, first)
                nursery.start_soon(lie)
        await fill(store, BIG)
        assert (await store.commit(BIG.blob)).read_bytes() == BIG.data
        assert await store.provenance(BIG.blob) == {HUB: BIG.blob.size}


async def test_a_commit_among_late_puts(tmp_path: Path) -> None:
    async with open_store(tmp_path, ThreadWorkers()) as store:
        await fill(store, BIG)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.commit, BIG.blob)
            nursery.start_soon(store.commit, BIG.blob)
            for _ in range(10):
                for index in BIG.indexes:
                    nursery.start_soon(store.put, BIG.blob, index, BIG.chunk(index), PEER, None)
                    nursery.start_soon(store.discard, BIG.blob, [])
        assert (await store.held([BIG.blob]))[BIG.blob].complete
        assert store.path(BIG.blob).read_bytes() == BIG.data
        assert os.listdir(tmp_path / "partial") == []
