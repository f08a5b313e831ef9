"""Where blocking work runs: hashing, disk, sqlite.

Everything that blocks goes through a `Workers`, so that the event loop never waits for a disk and so
that a test under a virtual clock can run the same code inline, in a fixed order.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MAX_THREADS = 2 * (os.cpu_count() or 2) + 2
"""Twice the cores, as most of the work waits for a disk half the time."""

M_ARENA_MAX: Final = -8
"""The parameter of mallopt(3), as glibc's malloc.h has it."""

ARENAS: Final = 1
"""Heaps that threads allocate from. Of its own accord glibc makes one for each, and keeps in all of them the
room for chunks that were once there: tens of megabytes. Threads wait for it far less than for the GIL."""


class Workers(Protocol):
    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """The result of `function(*arguments)`, computed without holding up other tasks."""
        ...


def share_memory() -> None:
    """Have threads that are started from now on allocate from ARENAS heaps, if the C library is glibc."""
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


class ThreadWorkers:
    """Worker threads, at most `limit` at a time. A call once started runs to its end."""

    def __init__(self, limit: int = MAX_THREADS) -> None:
        self._limiter = trio.CapacityLimiter(limit)

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return await trio.to_thread.run_sync(function, *arguments, limiter=self._limiter)


class InlineWorkers:
    """Runs the work at once, in the caller: for tests that need a fixed order."""

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        await trio.lowlevel.checkpoint()
        return function(*arguments)
