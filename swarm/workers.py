"""Where blocking work runs: hashing, disk, sqlite.

Everything that blocks goes through a `Workers`, so that the event loop never waits for a disk and so
that a test under a virtual clock can run the same code inline, in a fixed order.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MAX_THREADS = 2 * (os.cpu_count() or 2) + 2
"""Twice the cores, as most of the work waits for a disk half the time."""


class Workers(Protocol):
    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """The result of `function(*arguments)`, computed without holding up other tasks."""
        ...


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
