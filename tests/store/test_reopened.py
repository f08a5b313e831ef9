"""What an earlier process left behind, and content that was damaged meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarm.errors import StoreError
from swarm.sources.interface import Source
from swarm.store import Store, WholeBlob, open_store
from swarm.workers import InlineWorkers
from tests.store.samples import BIG, HUB, PEER, SMALL, VOUCHER, complete, fill, sample, snapshot_of


async def test_a_partial_blob_is_resumed_by_what_verifies(store: Store, tmp_path: Path) -> None:
    async with open_store(tmp_path / "other", InlineWorkers()) as first:
        for index in (0, 1, 3):
            await first.put(BIG.blob, index, BIG.chunk(index), PEER, VOUCHER)
    (data,) = (tmp_path / "other" / "partial").glob("*.data")
    with data.open("r+b") as file:
        file.seek(BIG.blob.span(1)[0] + 5)
        file.write(b"damage")
    async with open_store(tmp_path / "other", InlineWorkers()) as second:
        assert (await second.held([BIG.blob]))[BIG.blob].bits == 0
        assert (await second.resume(BIG.blob)).bits == 0b1001
        assert await second.claims(BIG.blob) == [(i, BIG.chunk(i).digest, VOUCHER) for i in (0, 3)]
        await fill(second, BIG)
        assert (await second.commit(BIG.blob)).read_bytes() == BIG.data
        assert await second.provenance(BIG.blob) == {
            PEER: BIG.blob.span(0)[1] + BIG.blob.span(3)[1],
            HUB: BIG.blob.span(1)[1] + BIG.blob.span(2)[1],
        }


async def test_a_put_resumes_what_an_earlier_process_left(tmp_path: Path) -> None:
    for index in BIG.indexes:
        async with open_store(tmp_path, InlineWorkers()) as store:
            await store.put(BIG.blob, index, BIG.chunk(index), PEER, None)
    async with open_store(tmp_path, InlineWorkers()) as store:
        assert (await store.commit(BIG.blob)).read_bytes() == BIG.data


async def test_content_in_its_place_that_the_index_does_not_know_is_hashed_and_taken(tmp_path: Path) -> None:
    async with open_store(tmp_path, InlineWorkers()) as store:
        await complete(store, BIG)
        await store.put_whole([(WholeBlob(SMALL.blob, SMALL.data), PEER)])
        place = store.path(SMALL.blob)
    (tmp_path / "index.sqlite").unlink()
    place.chmod(0o644)
    place.write_bytes(b"something else")
    async with open_store(tmp_path, InlineWorkers()) as store:
        assert not (await store.held([BIG.blob]))[BIG.blob].complete
        assert (await store.resume(BIG.blob)).complete
        assert await store.provenance(BIG.blob) == {Source("local", str(store.path(BIG.blob))): BIG.blob.size}
        assert not (await store.resume(SMALL.blob)).complete
        assert not place.exists()


@pytest.mark.parametrize("damage", ["changed", "truncated", "deleted"])
async def test_content_that_was_damaged_is_missing_again(store: Store, damage: str) -> None:
    path = await complete(store, BIG)
    snapshot = snapshot_of({"model.bin": BIG})
    await store.remember(snapshot, public=True)
    await store.mark_complete(snapshot.key, ["model.bin"])
    path.chmod(0o644)
    match damage:
        case "changed":
            path.write_bytes(bytes(BIG.blob.size))
            os.utime(path, ns=(1, 1))
        case "truncated":
            os.truncate(path, 10)
        case _:
            path.unlink()
    assert await store.read(BIG.blob, 0) is None
    assert not (await store.held([BIG.blob]))[BIG.blob].complete
    assert not path.exists()
    stored = await store.snapshot(snapshot.key)
    assert stored is not None
    assert not stored.complete
    (incident,) = await store.incidents([BIG.blob])
    assert incident.source == Source("local", str(path))
    assert (await complete(store, BIG)).read_bytes() == BIG.data


async def test_damage_is_noticed_while_the_file_is_open(store: Store) -> None:
    path = await complete(store, BIG)
    assert await store.read(BIG.blob, 0) == BIG.part(0)
    path.chmod(0o644)
    path.write_bytes(bytes(BIG.blob.size))
    os.utime(path, ns=(1, 1))
    assert await store.read(BIG.blob, 0) is None


async def test_content_that_was_only_touched_stays(store: Store) -> None:
    path = await complete(store, BIG)
    assert await store.read(BIG.blob, 0) is not None
    os.utime(path, ns=(1, 1))
    assert await store.read(BIG.blob, 0) == BIG.part(0)
    assert (await store.held([BIG.blob]))[BIG.blob].complete
    assert await store.incidents() == []


async def test_small_blobs_are_hashed_again_after_another_boot(tmp_path: Path) -> None:
    lost = sample(1000, seed=2)
    async with open_store(tmp_path, InlineWorkers(), boot="one") as store:
        await store.put_whole(
            [(WholeBlob(SMALL.blob, SMALL.data), PEER), (WholeBlob(lost.blob, lost.data), PEER)]
        )
        path = store.path(lost.blob)
    stat = path.stat()
    path.chmod(0o644)
    path.write_bytes(bytes(1000))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    async with open_store(tmp_path, InlineWorkers(), boot="two") as store:
        held = await store.held([SMALL.blob, lost.blob])
        assert held[SMALL.blob].complete
        assert not held[lost.blob].complete
        assert not path.exists()


async def test_a_store_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    async with open_store(tmp_path, InlineWorkers()) as store:
        with store._database.transaction() as cursor:
            cursor.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="later lanswarm"):
        async with open_store(tmp_path, InlineWorkers()):
            pass


async def test_a_damaged_index_says_what_to_do(tmp_path: Path) -> None:
    async with open_store(tmp_path, InlineWorkers()) as store:
        await complete(store, BIG)
    (tmp_path / "index.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match=r"index\.sqlite away"):
        async with open_store(tmp_path, InlineWorkers()):
            pass
    (tmp_path / "index.sqlite").unlink()
    async with open_store(tmp_path, InlineWorkers()) as store:
        assert (await store.resume(BIG.blob)).complete
