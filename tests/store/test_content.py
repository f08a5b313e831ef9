"""What the store costs, counted in calls: the transfer depends on it."""

from __future__ import annotations

import errno
import mmap
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from protocol.chunks import Chunk
from swarm.errors import StoreError
from swarm.sources.interface import Source
from swarm.store import Store, WholeBlob
from swarm.store.descriptors import Opened
from swarm.store.direct import Direct
from tests.store.samples import BIG, HUB, PEER, VOUCHER, fill, sample


class Calls:
    """Counts calls of functions of `os`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self.count: Counter[str] = Counter()
        for name in names:
            monkeypatch.setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: object, **named: object) -> object:
            self.count[name] += 1
            return function(*arguments, **named)

        return counted


def statements(store: Store) -> list[str]:
    """Where every statement given to sqlite from now on is noted."""
    noted: list[str] = []
    store._database._connection.set_trace_callback(noted.append)
    return noted


async def test_a_put_is_two_writes_and_nothing_else(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """From memory that begins at a page, as large frames lie in."""
    await store.put(BIG.blob, 0, BIG.chunk(0), PEER, VOUCHER)
    second = BIG.chunk(1)
    memory = mmap.mmap(-1, len(second))
    memory[:] = second.data
    sql = statements(store)
    calls = Calls(monkeypatch, "pwrite", "pwritev", "fsync", "open", "statvfs", "stat")
    await store.put(BIG.blob, 1, Chunk(memoryview(memory), second.digest), PEER, VOUCHER)
    assert calls.count == {"pwritev": 2}
    assert sql == []


async def test_a_read_is_one_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the page cache does not have it there is a second, from disk."""
    for index in BIG.indexes:
        await store.put(BIG.blob, index, BIG.chunk(index), PEER, VOUCHER)
    await store.commit(BIG.blob)
    await store.read(BIG.blob, 0)
    sql = statements(store)
    calls = Calls(monkeypatch, "pread", "preadv", "open", "stat", "fstat")
    await store.read(BIG.blob, 1)
    assert calls.count["fstat"] == 1
    assert 1 <= calls.count.total() - 1 <= 2
    assert sql == []


@pytest.mark.parametrize(("source", "cached"), [(HUB, True), (PEER, False)])
async def test_what_came_from_upstream_is_read_through_the_page_cache(
    store: Store, monkeypatch: pytest.MonkeyPatch, source: Source, cached: bool
) -> None:
    asked: list[bool] = []
    real = Direct.open

    def opened(self: Direct, path: str, flags: int, *, cached: bool = False) -> Opened:
        asked.append(cached)
        return real(self, path, flags, cached=cached)

    monkeypatch.setattr(Direct, "open", opened)
    await fill(store, BIG, source)
    await store.commit(BIG.blob)
    asked.clear()
    assert await store.read(BIG.blob, 0) == bytes(BIG.chunk(0).data)
    assert asked == [cached]


async def test_many_whole_blobs_are_one_transaction_without_fsync(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [sample(100, seed=seed) for seed in range(500)]
    sql = statements(store)
    calls = Calls(monkeypatch, "fsync", "pwrite", "pwritev")
    await store.put_whole([(WholeBlob(content.blob, content.data), HUB) for content in many])
    assert calls.count == {"pwritev": 500}
    assert sum(statement == "COMMIT" for statement in sql) == 1
    sql.clear()
    held = await store.held([content.blob for content in many])
    assert all(one.complete for one in held.values())
    assert len(sql) == 1


async def test_without_a_boot_to_go_by_whole_blobs_are_on_disk_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store._content, "_boot", "")
    calls = Calls(monkeypatch, "fsync")
    small = sample(100)
    await store.put_whole([(WholeBlob(small.blob, small.data), HUB)])
    assert calls.count["fsync"] >= 1
    assert (await store.held([small.blob]))[small.blob].complete


async def test_an_index_that_fails_at_the_commit_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in BIG.indexes:
        await store.put(BIG.blob, index, BIG.chunk(index), PEER, VOUCHER)

    def fail(*arguments: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("swarm.store.complete._insert", fail)
        with pytest.raises(StoreError, match="Input/output"):
            await store.commit(BIG.blob)
    assert (await store.commit(BIG.blob)).read_bytes() == BIG.data
    assert await store.provenance(BIG.blob) == {PEER: BIG.blob.size}


async def test_partial_content_deleted_by_somebody_can_come_again(store: Store) -> None:
    for index in BIG.indexes:
        await store.put(BIG.blob, index, BIG.chunk(index), PEER, VOUCHER)
    for name in os.listdir(store.root / "partial"):
        os.unlink(store.root / "partial" / name)
    with pytest.raises(StoreError, match="deleted while it arrived"):
        await store.commit(BIG.blob)
    assert not (await store.resume(BIG.blob)).bits
    for index in BIG.indexes:
        await store.put(BIG.blob, index, BIG.chunk(index), HUB, None)
    assert (await store.commit(BIG.blob)).read_bytes() == BIG.data


async def test_a_batch_that_the_disk_cuts_short_leaves_nothing_behind(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [sample(100, seed=seed) for seed in range(5)]
    pwritev = os.pwritev
    left = [250]

    def short(fd: int, views: list[memoryview], offset: int) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = pwritev(fd, [b"".join(views)[: left[0]]], offset)
        left[0] -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", short)
        with pytest.raises(StoreError, match="is full"):
            await store.put_whole([(WholeBlob(content.blob, content.data), HUB) for content in many])
    assert os.listdir(store.root / "partial") == []
    held = await store.held([content.blob for content in many])
    assert not any(one.complete for one in held.values())
