"""Snapshots in the store: found by name, marked complete, listed, removed with what they alone need."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.ids import SnapshotKey
from swarm.errors import StoreError
from swarm.store import Store, WholeBlob, open_store
from swarm.workers import InlineWorkers
from tests.store.conftest import Clock
from tests.store.samples import BIG, EMPTY, PEER, SMALL, complete, sample, snapshot_of


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
