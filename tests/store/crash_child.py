"""A process that keeps a store busy, says what it has been told is done, and kills itself on the way.

Run as `python -m tests.store.crash_child ROOT SEED STEPS`. Every line on stdout is a promise: `commit i`,
`whole i` and `marked i` were acknowledged, `removing i` is about to begin. After STEPS calls that change
something on disk it is gone by SIGKILL: before the last of them, or in the middle if that writes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import trio

from swarm.store import Store, WholeBlob, open_store
from swarm.store.schema import Database
from swarm.workers import ThreadWorkers
from tests.store.samples import HUB, PEER, VOUCHER, Sample, sample, snapshot_of

LARGE = [sample(1_000_000 + 1000 * number, seed=number) for number in range(4)]
SMALL = [sample(500 + number, seed=100 + number, algorithm="git-sha1") for number in range(60)]
SNAPSHOTS = {
    f"org/{number}": snapshot_of(
        {"model": LARGE[number]}
        | {f"small/{i}": SMALL[i] for i in range(15 * number, 15 * number + 15)}
        | {"shared": SMALL[0]},
        repo=f"org/{number}",
    )
    for number in range(4)
}


class Fate:
    """Counts calls, and ends the process at the one that was foretold."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self._lock = threading.Lock()

    def step(self, last_words: Callable[[], object] = lambda: None) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                last_words()
                os.kill(os.getpid(), signal.SIGKILL)

    def rule(self, database: Database) -> None:
        """Have a say in everything from here on."""
        for name in ("open", "rename", "replace", "unlink", "fsync", "truncate", "ftruncate"):
            setattr(os, name, self._foretold(getattr(os, name)))
        pwritev = os.pwritev

        def half(fd: int, data: bytes, offset: int) -> None:
            with suppress(OSError):  # where the disk does not take this memory, nor any of it
                pwritev(fd, [data[: len(data) // 2]], offset)

        def torn_pwritev(fd: int, views: Any, offset: int, flags: int = 0, /) -> int:
            self.step(lambda: half(fd, b"".join(views), offset))
            return pwritev(fd, views, offset, flags)

        os.pwritev = torn_pwritev
        database._connection.set_trace_callback(lambda _: self.step())

    def _foretold(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: object, **named: object) -> object:
            self.step()
            return function(*arguments, **named)

        return wrapped


def say(*words: object) -> None:
    print(*words, flush=True)


async def fetch(store: Store, number: int, random: Random) -> None:
    """As a transfer does: resume, put, commit, marker."""
    snapshot = SNAPSHOTS[f"org/{number}"]
    large = LARGE[number]
    await store.remember(snapshot, public=True, revisions=["main"])
    held = await store.resume(large.blob)
    missing = [index for index in large.indexes if not held.bits >> index & 1]
    random.shuffle(missing)
    small = [content for content in SMALL if any(file.blob == content.blob for file in snapshot.files)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetch_small, store, small)
        for index in missing:
            await store.put(large.blob, index, large.chunk(index), PEER, VOUCHER)
    await store.commit(large.blob)
    say("commit", number)
    await store.mark_complete(snapshot.key, [file.path for file in snapshot.files])
    say("marked", number)


async def fetch_small(store: Store, small: list[Sample]) -> None:
    await store.put_whole([(WholeBlob(content.blob, content.data), HUB) for content in small])
    for content in small:
        say("whole", SMALL.index(content))


async def main(root: Path, seed: int, steps: int) -> None:
    random = Random(seed)
    async with open_store(root, ThreadWorkers()) as store:
        Fate(steps).rule(store._database)
        while True:
            number = random.randrange(4)
            await fetch(store, number, random)
            if random.random() < 0.6:
                gone = random.randrange(4)
                say("removing", gone)
                await store.remove("hf", "model", f"org/{gone}")


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
