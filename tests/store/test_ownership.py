"""One process owns a store: on this machine, on another, and after any end of it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import trio

from swarm.errors import StoreError
from swarm.store import open_store, ownership
from swarm.store.layout import StoreLayout
from swarm.store.ownership import Ownership, Record
from swarm.workers import InlineWorkers

HOLDER = """
import sys, trio
from pathlib import Path
from swarm.store import open_store
from swarm.workers import ThreadWorkers

async def main():
    async with open_store(Path(sys.argv[1]), ThreadWorkers()):
        print("open", flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


def no_flock(fd: int, operation: int) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def leave(root: Path, record: Record) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "owner").write_text(json.dumps(asdict(record)))


async def opens(root: Path) -> None:
    async with open_store(root, InlineWorkers()):
        pass


async def test_a_store_has_one_owner(tmp_path: Path) -> None:
    async with open_store(tmp_path, InlineWorkers()):
        with pytest.raises(StoreError, match=f"in use by process {os.getpid()} on") as raised:
            await opens(tmp_path)
        assert "swarm daemon" in raised.value.advice
    await opens(tmp_path)


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    await opens(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["blobs", "index.sqlite", "lock", "partial"]


@pytest.mark.parametrize("flock", [True, False])
async def test_another_process_owns_it_until_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: object, flock: bool
) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        if not flock:
            monkeypatch.setattr(fcntl, "flock", no_flock)
        with pytest.raises(StoreError, match=f"process {holder.pid} on"):
            await opens(tmp_path)
        holder.kill()
    await opens(tmp_path)


async def test_a_record_of_a_process_that_ended_is_nobodys(tmp_path: Path) -> None:
    leave(tmp_path, replace(Record.mine(), started="1", token="old"))
    await opens(tmp_path)


async def test_a_record_that_makes_no_sense_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "owner").write_text("{")
    await opens(tmp_path)


async def test_a_record_from_elsewhere_that_is_not_touched_is_nobodys(
    tmp_path: Path, autojump_clock: object
) -> None:
    leave(tmp_path, replace(Record.mine(), place="elsewhere"))
    start = trio.current_time()
    await opens(tmp_path)
    assert trio.current_time() - start == ownership.SILENT_SECONDS


async def test_a_record_from_elsewhere_that_is_touched_is_somebodys(
    tmp_path: Path, autojump_clock: object
) -> None:
    leave(tmp_path, replace(Record.mine(), place="elsewhere", pid=77, host="far"))

    async def touch() -> None:
        await trio.sleep(ownership.BEAT_SECONDS)
        os.utime(tmp_path / "owner", ns=(1, 1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(touch)
        with pytest.raises(StoreError, match="process 77 on far"):
            await opens(tmp_path)
    assert trio.current_time() <= ownership.BEAT_SECONDS + ownership.LOOK_SECONDS


async def test_without_flock_the_last_of_two_that_take_over_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    monkeypatch.setattr(fcntl, "flock", no_flock)
    other = replace(Record.mine(), place="elsewhere", pid=88, host="far")

    async def interfere() -> None:
        await trio.sleep(ownership.SETTLE_SECONDS / 2)
        leave(tmp_path, other)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(interfere)
        with pytest.raises(StoreError, match="process 88 on far"):
            await opens(tmp_path)


async def test_a_start_that_was_cancelled_leaves_the_store_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    monkeypatch.setattr(fcntl, "flock", no_flock)
    with trio.move_on_after(ownership.SETTLE_SECONDS / 2) as scope:
        await opens(tmp_path)
    assert scope.cancelled_caught
    await opens(tmp_path)


async def test_an_owner_that_was_replaced_writes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.001)
    layout = StoreLayout(tmp_path)
    layout.create()
    owner = Ownership(layout)
    await owner.acquire(InlineWorkers())
    owner.check()
    other = replace(Record.mine(), place="elsewhere", pid=99, host="far")
    leave(tmp_path, other)
    owner._beater.join()
    with pytest.raises(StoreError, match="process 99 on far"):
        owner.check()
    owner.release()
    assert Record.read(layout.owner) == other


async def test_the_owner_touches_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.001)
    async with open_store(tmp_path, InlineWorkers()):
        os.utime(tmp_path / "owner", ns=(1, 1))
        while (tmp_path / "owner").stat().st_mtime_ns == 1:
            await trio.lowlevel.checkpoint()
