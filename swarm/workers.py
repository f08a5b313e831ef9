"""Where blocking work runs: hashing, disk, sqlite.

Everything that blocks goes through a `Workers`, so that the event loop never waits for a disk and so
that a test under a virtual clock can run the same code inline, in a fixed order.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, TypeVarTuple

import trio

if TYPE_CHECKING:
    from outcome import Outcome

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
    """Worker threads, at most `limit` at a time. A call once started runs to its end.

    trio.to_thread.run_sync names the thread before and after each call, which are two system calls, copies
    the context, and yields once more than need be: too much for what is done for every chunk.
    """

    def __init__(self, limit: int = MAX_THREADS) -> None:
        self._limiter = trio.CapacityLimiter(limit)

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        call = object()
        try:
            self._limiter.acquire_on_behalf_of_nowait(call)
        except trio.WouldBlock:
            await self._limiter.acquire_on_behalf_of(call)
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()

        def done(result: Outcome[T]) -> None:
            self._limiter.release_on_behalf_of(call)
            trio.lowlevel.reschedule(task, result)

        try:
            trio.lowlevel.start_thread_soon(
                partial(function, *arguments), lambda result: token.run_sync_soon(done, result)
            )
        except BaseException:  # no thread is to be had
            self._limiter.release_on_behalf_of(call)
            raise
        value: T = await trio.lowlevel.wait_task_rescheduled(_not_to_be_aborted)
        return value


def _not_to_be_aborted(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


class InlineWorkers:
    """Runs the work at once, in the caller: for tests that need a fixed order."""

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        await trio.lowlevel.checkpoint()
        return function(*arguments)
