"""Threads that do what blocks: how much memory they keep."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
