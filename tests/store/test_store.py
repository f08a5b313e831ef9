from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from protocol.chunks import Chunk, WrongBytes
from protocol.ids import SnapshotKey
from swarm.errors import StoreError
from swarm.sources.interface import Source
from swarm.store import Held, Incident, Mismatch, Store, WholeBlob, open_store
from swarm.workers import InlineWorkers, ThreadWorkers
from tests.store.conftest import Clock
from tests.store.samples import HUB, PEER, VOUCHER, Sample, named, sample, snapshot_of

BIG = sample(900_000)
"""Four chunks, the last one shorter."""
SMALL = sample(1000, seed=1, algorithm="git-sha1")
EMPTY = named(b"", "git-sha1")


async def fill(store: Store, content: Sample, source: Source = HUB) -> None:
    for index in content.indexes:
        await store.put(content.blob, index, content.chunk(index), source, None)


async def complete(store: Store, content: Sample) -> Path:
    await fill(store, content)
    return await store.commit(content.blob)


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


async def test_a_blob_is_looked_up_by_its_size_too(store: Store) -> None:
    await complete(store, BIG)
    lie = type(BIG.blob)("sha256", BIG.blob.digest, BIG.blob.size - 1)
    assert not (await store.held([lie]))[lie].complete
    assert (await store.held([BIG.blob]))[BIG.blob].complete


async def test_a_snapshot_is_found_by_key_commit_and_name(store: Store, clock: Clock) -> None:
    snapshot = snapshot_of({"a": SMALL, "b/c": BIG})
    assert await store.snapshot(snapshot.key) is None
    await store.remember(snapshot, public=True, revisions=["main", "v1"])
    for revision in ("main", "v1", snapshot.commit):
        stored = await store.find("hf", "model", "org/model", revision)
        assert stored is not None
        assert stored.snapshot == snapshot
        assert stored.revisions == ("main", "v1")
        assert stored.public
        assert stored.seen_at == clock.now
        assert not stored.complete
    assert await store.find("hf", "dataset", "org/model", "main") is None
    assert await store.find("hf", "model", "org/model", "v2") is None


async def test_what_the_hub_said_once_stays_published(store: Store) -> None:
    snapshot = snapshot_of({"f": SMALL})
    for published, expected in [(False, False), (True, True), (False, True)]:
        await store.remember(snapshot, public=True, published=published)
        stored = await store.snapshot(snapshot.key)
        assert stored is not None
        assert stored.published is expected


async def test_a_name_means_the_snapshot_it_was_last_told_for(store: Store, clock: Clock) -> None:
    old = snapshot_of({"a": SMALL}, commit="1" * 40)
    new = snapshot_of({"a": BIG}, commit="2" * 40)
    await store.remember(old, public=True, revisions=["main"])
    clock.now += 1
    await store.remember(new, public=True, revisions=["main"])
    found = await store.find("hf", "model", "org/model", "main")
    assert found is not None
    assert found.snapshot == new
    kept = await store.snapshot(old.key)
    assert kept is not None
    assert kept.revisions == ()
    clock.now += 1
    await store.remember(old, public=False)
    again = await store.snapshot(old.key)
    assert again is not None
    assert not again.public
    assert again.seen_at == clock.now


async def test_the_completion_marker(store: Store) -> None:
    snapshot = snapshot_of({"a": SMALL, "copy": SMALL, "b": BIG, "empty": EMPTY})
    await store.remember(snapshot, public=True)
    await store.put_whole([(WholeBlob(SMALL.blob, SMALL.data), PEER), (WholeBlob(EMPTY.blob, b""), PEER)])
    with pytest.raises(StoreError, match="no longer in the store"):
        await store.mark_complete(snapshot.key, ["a", "b"])
    await store.mark_complete(snapshot.key, ["a", "empty"])
    stored = await store.snapshot(snapshot.key)
    assert stored is not None
    assert stored.marked == {"a", "copy", "empty"}
    await complete(store, BIG)
    await store.mark_complete(snapshot.key, ["b"])
    stored = await store.snapshot(snapshot.key)
    assert stored is not None
    assert stored.complete
    with pytest.raises(StoreError, match="not told of"):
        await store.mark_complete(SnapshotKey(bytes(32)), ["a"])


async def test_the_list_of_snapshots(store: Store, clock: Clock) -> None:
    first = snapshot_of({"a": SMALL, "b": SMALL}, repo="org/small")
    second = snapshot_of({"a": BIG, "b": SMALL}, repo="org/big")
    none = snapshot_of({}, repo="org/none")
    for snapshot in (first, second, none):
        await store.remember(snapshot, public=True, revisions=["main"])
        clock.now += 1
    await store.put_whole([(WholeBlob(SMALL.blob, SMALL.data), PEER)])
    await store.put(BIG.blob, 0, BIG.chunk(0), PEER, None)
    await store.mark_complete(first.key, ["a", "b"])
    lines = {line.repo: line for line in await store.snapshots()}
    assert list(lines) == ["org/none", "org/big", "org/small"]
    assert (lines["org/small"].bytes, lines["org/small"].held) == (1000, 1000)
    assert lines["org/small"].complete
    assert lines["org/small"].revisions == ("main",)
    assert lines["org/big"].bytes == BIG.blob.size + 1000
    assert lines["org/big"].held == BIG.blob.span(0)[1] + 1000
    assert not lines["org/big"].complete
    assert lines["org/none"].complete
    assert await store.size() == BIG.blob.span(0)[1] + 1000


async def test_removal_leaves_what_others_share(store: Store) -> None:
    shared, alone, arriving = SMALL, sample(2000, seed=3), BIG
    await store.remember(snapshot_of({"s": shared, "a": alone, "b": arriving}, repo="org/one"), public=True)
    await store.remember(snapshot_of({"s": shared}, repo="org/two"), public=True)
    await store.put_whole([(WholeBlob(s.blob, s.data), PEER) for s in (shared, alone)])
    await store.put(BIG.blob, 0, BIG.chunk(0), PEER, None)
    freed = await store.remove("hf", "model", "org/one")
    assert freed == 2000 + BIG.blob.span(0)[1]
    assert not store.path(alone.blob).exists()
    assert store.path(shared.blob).exists()
    assert list((store.root / "partial").iterdir()) == []
    assert await store.find("hf", "model", "org/one", "c" * 40) is None
    assert await store.read(alone.blob, 0) is None
    assert await store.size() == 1000
    assert await store.remove("hf", "model", "org/one") == 0
    assert await store.remove("hf", "model", "org/two") == 1000
    assert await store.size() == 0


async def test_removal_takes_partial_content_of_an_earlier_process(tmp_path: Path) -> None:
    async with open_store(tmp_path, InlineWorkers()) as store:
        await store.remember(snapshot_of({"b": BIG}), public=True)
        await store.put(BIG.blob, 0, BIG.chunk(0), PEER, None)
    async with open_store(tmp_path, InlineWorkers()) as store:
        assert await store.remove("hf", "model", "org/model") == BIG.blob.span(0)[1]
    assert list((tmp_path / "partial").iterdir()) == []


async def test_removed_content_can_come_again(store: Store) -> None:
    snapshot = snapshot_of({"a": SMALL})
    for _ in range(2):
        await store.remember(snapshot, public=True)
        await store.put_whole([(WholeBlob(SMALL.blob, SMALL.data), PEER)])
        assert await store.read(SMALL.blob, 0) == SMALL.data
        assert await store.remove("hf", "model", "org/model") == 1000


async def test_removal_keeps_what_a_symlink_leads_to(store: Store, tmp_path: Path) -> None:
    await store.remember(snapshot_of({"a": SMALL}), public=True)
    await store.put_whole([(WholeBlob(SMALL.blob, SMALL.data), PEER)])
    link = tmp_path / "link"
    link.symlink_to(store.path(SMALL.blob))
    await store.add_root(SMALL.blob, link)
    await store.add_root(SMALL.blob, tmp_path / "never made")
    assert await store.roots() == {link: SMALL.blob.digest}
    assert await store.remove("hf", "model", "org/model") == 0
    assert link.read_bytes() == SMALL.data
    link.unlink()
    assert await store.roots() == {}


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
