"""A store on a small file system of its own, as `unshare --user --map-root-user --mount` allows anybody.

Run as `python -m tests.store.disk_child FOLDER CASE` inside such a namespace. Mounts a tmpfs on the folder,
plays the case, and ends with 0 if all was as it should be.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from protocol.limits import MIB
from swarm.errors import StoreError
from swarm.store import Store, WholeBlob, open_store
from swarm.store.room import RESERVE
from swarm.workers import InlineWorkers
from tests.store.samples import HUB, Sample, sample, snapshot_of

DISK = RESERVE + 12 * MIB
SMALL = sample(100_000, seed=1)
FIRST = sample(4 * MIB, seed=2)
SECOND = sample(20 * MIB, seed=3)


async def put_all(store: Store, content: Sample) -> None:
    for index in content.indexes:
        await store.put(content.blob, index, content.chunk(index), HUB, None)


def fill(path: Path) -> None:
    """Write to a file until the disk has room for nothing."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


async def with_first(root: Path) -> None:
    """A store that holds FIRST as a repository of its own."""
    async with open_store(root, InlineWorkers()) as store:
        await store.remember(snapshot_of({"f": FIRST}, repo="org/first"), public=True)
        await put_all(store, FIRST)
        await store.commit(FIRST.blob)


async def full(root: Path) -> None:
    """The disk is too small: what arrived stays, and once something is removed it goes on."""
    await with_first(root)
    async with open_store(root, InlineWorkers()) as store:
        with pytest.raises(StoreError, match="is full") as raised:
            await put_all(store, SECOND)
        assert "swarm rm" in raised.value.advice
        held = (await store.held([SECOND.blob]))[SECOND.blob].bits
    assert held
    async with open_store(root, InlineWorkers()) as store:
        assert (await store.resume(SECOND.blob)).bits == held
        before = await store.free()
        assert await store.remove("hf", "model", "org/first") == FIRST.blob.size
        assert await store.free() >= before + FIRST.blob.size
        await store.put_whole([(WholeBlob(SMALL.blob, SMALL.data), HUB)])


async def filled_by_others(root: Path) -> None:
    """Somebody else writes the disk full to the last byte while the store believes in some room."""
    await with_first(root)
    async with open_store(root, InlineWorkers()) as store:
        await store.put(SECOND.blob, 0, SECOND.chunk(0), HUB, None)
        filler = root.parent / "filler"
        fill(filler)
        with pytest.raises(StoreError, match="is full"):
            await put_all(store, SECOND)
        assert await store.read(SECOND.blob, 0) == SECOND.part(0)
        with pytest.raises(StoreError, match="is full"):
            await store.remember(snapshot_of({str(i): sample(i) for i in range(500)}), public=True)
        filler.unlink()
        await store.put(SECOND.blob, 1, SECOND.chunk(1), HUB, None)
        assert await store.read(FIRST.blob, 0) == FIRST.part(0)
    async with open_store(root, InlineWorkers()) as store:
        assert (await store.resume(SECOND.blob)).bits & 0b11 == 0b11


async def full_at_the_start(root: Path) -> None:
    """There is not even room for the index."""
    filler = root.parent / "filler"
    fill(filler)
    with pytest.raises(StoreError, match="is full"):
        await with_first(root)
    filler.unlink()
    await with_first(root)


async def read_only(root: Path) -> None:
    await with_first(root)
    subprocess.run(["mount", "-o", "remount,ro", root.parent], check=True)
    with pytest.raises(StoreError, match="cannot be written") as raised:
        await with_first(root)
    assert "SWARM_HOME" in raised.value.advice


CASES: dict[str, Callable[[Path], Awaitable[None]]] = {
    case.__name__: case for case in (full, filled_by_others, full_at_the_start, read_only)
}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], check=True)
    trio.run(CASES[sys.argv[2]], folder / "store")
