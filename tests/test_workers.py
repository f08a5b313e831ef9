"""Threads that do what blocks: what becomes of a call, how many there are, how much memory they keep."""

from __future__ import annotations

import subprocess
import sys
import threading
from unittest.mock import patch

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from swarm.workers import ThreadWorkers

THREADS = """
import ctypes, sys, threading
from swarm.workers import share_memory

if sys.argv[1] == "shared":
    share_memory()
together = threading.Barrier(4)

def allocate():
    together.wait()
    kept = [bytes(10_000) for _ in range(100)]
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
ctypes.CDLL(None).malloc_stats()
"""
"""malloc_stats(3) of glibc has a line for each arena, on stderr."""


@pytest.mark.parametrize(("how", "several"), [("shared", False), ("as it is", True)])
def test_threads_share_one_heap(how: str, several: bool) -> None:
    done = subprocess.run([sys.executable, "-c", THREADS, how], capture_output=True, text=True, check=True)
    arenas = [line for line in done.stderr.splitlines() if line.startswith("Arena ")]
    assert (len(arenas) > 1) == several, done.stderr


async def test_a_call_gives_what_the_function_gives_or_raises() -> None:
    workers = ThreadWorkers()
    assert await workers.run(divmod, 7, 2) == (3, 1)
    assert await workers.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await workers.run(divmod, 7, 0)
    assert await workers.run(divmod, 7, 2) == (3, 1)


async def test_a_call_for_which_there_is_no_thread_takes_no_place() -> None:
    workers = ThreadWorkers(limit=1)
    no_thread = RuntimeError("can't start new thread")
    with patch("trio.lowlevel.start_thread_soon", side_effect=no_thread), pytest.raises(RuntimeError):
        await workers.run(divmod, 7, 2)
    with trio.fail_after(5):
        assert await workers.run(divmod, 7, 2) == (3, 1)


async def test_no_more_calls_than_the_limit_run_at_a_time() -> None:
    workers = ThreadWorkers(limit=2)
    running: list[int] = []
    begun, go = threading.Semaphore(0), threading.Event()

    def work(number: int) -> None:
        running.append(number)
        begun.release()
        go.wait(5)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(workers.run, work, number)
        for _ in range(2):
            assert await trio.to_thread.run_sync(begun.acquire, True, 5)
        await wait_all_tasks_blocked(0.01)
        assert len(running) == 2
        go.set()
    assert sorted(running) == [0, 1, 2]


async def test_a_call_that_was_started_is_waited_for_and_one_that_waits_its_turn_is_not() -> None:
    workers = ThreadWorkers(limit=1)
    started, go = threading.Event(), threading.Event()
    ended: list[str] = []

    def work() -> str:
        started.set()
        go.wait(5)
        return "done"

    async def call() -> None:
        ended.append(await workers.run(work))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await trio.lowlevel.checkpoint()
        nursery.start_soon(call)
        assert await trio.to_thread.run_sync(started.wait, 5)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await wait_all_tasks_blocked(0.01)
        assert ended == []
        go.set()
    assert ended == ["done"]
    assert await workers.run(work) == "done"
