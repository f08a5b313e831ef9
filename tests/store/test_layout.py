"""Whose the folders of a store are: others may be able to read, and never to write."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.errors import StoreError
from swarm.store import Store, open_store
from swarm.workers import InlineWorkers
from tests.store.samples import HUB, Sample, sample

OTHERS_WRITE = 0o022


@pytest.fixture
def generous() -> Iterator[None]:
    """A umask that leaves everything to the group: what a service is often run with."""
    before = os.umask(0o007)
    yield
    os.umask(before)


async def put(store: Store, content: Sample) -> None:
    for index in content.indexes:
        await store.put(content.blob, index, content.chunk(index), HUB, None)


def open_to_others(root: Path) -> list[str]:
    everything = [root, *root.rglob("*")]
    return [path.name for path in everything if stat.S_IMODE(path.stat().st_mode) & OTHERS_WRITE]


async def test_nobody_else_writes_in_a_store(tmp_path: Path, generous: None) -> None:
    large, small, begun = sample(900_000), sample(1000, 1, "git-sha1"), sample(900_000, 2)
    async with open_store(tmp_path / "store", InlineWorkers()) as store:
        for content in (large, small):
            await put(store, content)
            await store.commit(content.blob)
        await store.put(begun.blob, 0, begun.chunk(0), HUB, None)
        assert len(list(store.root.rglob("*"))) >= 10
        assert open_to_others(store.root) == []


@pytest.mark.parametrize("name", [".", "partial", "blobs", "blobs/sha256/ab"])
async def test_what_cannot_be_closed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Somebody else's folder; one on a file system that keeps no modes."""
    place = (tmp_path / name).resolve()
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o770)
    chmod = Path.chmod

    for denied in (True, False):

        def unchanged(path: Path, mode: int, denied: bool = denied) -> None:
            if path.resolve() != place:
                chmod(path, mode)
            elif denied:
                raise PermissionError

        monkeypatch.setattr(Path, "chmod", unchanged)
        with pytest.raises(StoreError, match="Others can write in") as refused:
            async with open_store(tmp_path, InlineWorkers()):
                raise AssertionError
        assert "go-w" in refused.value.advice


async def test_what_was_open_is_closed(tmp_path: Path) -> None:
    root = tmp_path / "store"
    folder = root / "blobs" / "sha256" / "ab"
    folder.mkdir(parents=True)
    for path in (root, root / "blobs", folder.parent, folder):
        path.chmod(0o2770)
    async with open_store(root, InlineWorkers()):
        assert open_to_others(root) == []
        assert stat.S_IMODE(folder.stat().st_mode) == 0o2750
