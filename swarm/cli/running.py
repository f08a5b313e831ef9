"""Running a command's asynchronous part: signals stop it in order, and logs go to stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TextIO, TypeVar

import trio

from swarm.cli.stopping import STOPPING
from swarm.node import wire

T = TypeVar("T")


class Stopped(Exception):
    """The user, or the system, asked for an end."""


def run(log_level: str, main: Callable[[], Awaitable[T]]) -> T:
    """The result of `main()`; Stopped when a signal ended it first."""
    logging.basicConfig(
        level=log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        handlers=[StderrHandler()],
    )
    try:
        return trio.run(_until_stopped, main)
    except BaseExceptionGroup as group:
        raise _first(group) from group


def run_interrupted(log_level: str, main: Callable[[], Awaitable[T]]) -> T:
    """The same for a command that has nothing to say once it is stopped: KeyboardInterrupt."""
    try:
        return run(log_level, main)
    except Stopped:
        raise KeyboardInterrupt from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Of what several tasks raised the one to tell: the user's interruption, an error of ours, any other."""
    if group.subgroup(KeyboardInterrupt):
        return KeyboardInterrupt()
    error: BaseException | None = wire.find_cause(group)
    if error is None:
        error = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
    return error


async def _until_stopped(main: Callable[[], Awaitable[T]]) -> T:
    results: list[T] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(_watch, nursery.cancel_scope))
        results.append(await main())
        nursery.cancel_scope.cancel()
    if not results:
        raise Stopped
    return results[0]


async def _watch(scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(*STOPPING) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()
            return


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at that moment: a live view puts itself in its place for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)
