"""kill -9 at many points of a store's life: what was promised is there, and what is there is right."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from swarm.store import Store, open_store
from swarm.workers import InlineWorkers
from tests.store.crash_child import LARGE, SMALL, SNAPSHOTS
from tests.store.samples import Sample

LIVES = 20
"""How often the process is started and killed in one test."""

MOST_STEPS = 600
"""A little more than one fetch and one removal take."""


class Promises:
    """What the child said it was told is done, as far as later removals leave it."""

    def __init__(self) -> None:
        self.blobs: set[Sample] = set()
        self.marked: set[str] = set()

    def hear(self, line: str) -> None:
        word, number = (*line.split(), "0")[:2]
        repo = f"org/{number}"
        match word:
            case "commit":
                self.blobs.add(LARGE[int(number)])
            case "whole":
                self.blobs.add(SMALL[int(number)])
            case "marked":
                self.marked.add(repo)
            case "removing":
                self.marked.discard(repo)
                gone = {file.blob for file in SNAPSHOTS[repo].files}
                self.blobs = {content for content in self.blobs if content.blob not in gone}


def live(root: Path, seed: int, promises: Promises) -> None:
    """One life: the child kills itself after so many steps as the seed decides."""
    steps = Random(seed).randrange(1, MOST_STEPS)
    command = [sys.executable, "-m", "tests.store.crash_child", str(root), str(seed), str(steps)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            promises.hear(line)
    assert child.returncode == -signal.SIGKILL


async def check(store: Store, promises: Promises) -> None:
    for content in (*LARGE, *SMALL):
        held = (await store.held([content.blob]))[content.blob]
        assert held.complete or content not in promises.blobs
        if held.complete:
            assert store.path(content.blob).read_bytes() == content.data
        elif content.blob.chunk_count > 1:
            await check_resumed(store, content)
    for repo, snapshot in SNAPSHOTS.items():
        stored = await store.snapshot(snapshot.key)
        assert repo not in promises.marked or (stored is not None and stored.complete)


async def check_resumed(store: Store, content: Sample) -> None:
    held = await store.resume(content.blob)
    for index in content.indexes:
        if held.bits >> index & 1:
            assert await store.read(content.blob, index) == content.part(index)
        else:
            assert await store.read(content.blob, index) is None


@pytest.mark.parametrize("seed", range(3))
async def test_a_store_survives_kill_9(tmp_path: Path, seed: int) -> None:
    promises = Promises()
    for number in range(LIVES):
        live(tmp_path, 1000 * seed + number, promises)
        async with open_store(tmp_path, InlineWorkers()) as store:
            await check(store, promises)
    leftovers = [path.name for path in (tmp_path / "partial").iterdir() if path.suffix == ".new"]
    assert leftovers == []
