"""Showing how an order goes, on stderr: a live view on a terminal, a line now and then in a log, or nothing.

Each view is a context manager and is called with every report. A view that cannot write (the terminal
went away) falls silent; it never stops the transfer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, Self, TextIO

from swarm.cli.messages import tr
from swarm.cli.tally import Tally
from swarm.cli.why import show_source
from swarm.config.units import show_duration, show_rate, show_size

if TYPE_CHECKING:
    from swarm.transfer.requests import Progress, SourceProgress

LINE_SECONDS: Final = 5.0
"""A log gets a line this often."""

MAX_SOURCES: Final = 6
"""Sources that are named; the fastest ones."""

PHASES: Final = {
    "resolving": "asking what is in it",
    "waiting": "waiting for a source",
    "fetching": "fetching",
    "checking": "checking",
    "done": "done",
}


class View(Protocol):
    """Called with each report; entered before the first and left after the last."""

    def __call__(self, progress: Progress) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def view(*, quiet: bool, stream: TextIO | None = None) -> View:
    """The view that suits where stderr goes."""
    stream = stream or sys.stderr
    if quiet:
        return Silence()
    if stream.isatty():
        from swarm.cli.live import LiveView

        return LiveView(stream)
    return LineView(stream)


class Silence:
    """Shows nothing."""

    def __call__(self, progress: Progress) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing."""


class LineView:
    """A line when the phase changes, one every few seconds while bytes move, and every message."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream: TextIO | None = stream
        self._clock = clock
        self._tally = Tally()
        self._phase = ""
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        self._tally.take(progress, now)
        for line in progress.message.splitlines():
            self._write(line)
        if progress.phase != self._phase or now >= self._next:
            self._phase, self._next = progress.phase, now + LINE_SECONDS
            self._write(describe(self._tally, now))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Every line is out already."""

    def _write(self, line: str) -> None:
        try:
            if self._stream is not None:
                print(line, file=self._stream, flush=True)
        except (OSError, ValueError):
            self._stream = None


def describe(tally: Tally, now: float) -> str:
    """Where an order stands and who sends: `fetching 45 % of 5.20 GB, 112 MB/s, 0:26 left; peer …`."""
    line = standing(tally, now)
    return f"{line}; {name_sources(tally.sources)}" if tally.sources else line


def standing(tally: Tally, now: float) -> str:
    """Where an order stands."""
    parts = [tr(PHASES[tally.phase])]
    if tally.total:
        percent = 100 * tally.bytes // tally.total
        parts[0] += " " + tr("{percent} % of {total}", percent=percent, total=show_size(tally.total))
    if tally.phase == "fetching":
        parts.append(show_rate(tally.speed(now)))
        eta = tally.eta(now)
        if eta is not None:
            parts.append(tr("{time} left", time=show_duration(eta)))
    return ", ".join(parts)


def name_sources(sources: tuple[SourceProgress, ...]) -> str:
    """`peer abc 80 MB/s, upstream https://… 20 MB/s`, the fastest first."""
    fastest = sorted(sources, key=lambda item: (-item.rate, -item.bytes))[:MAX_SOURCES]
    named = [f"{show_source(item.source.kind, item.source.name)} {show_rate(item.rate)}" for item in fastest]
    if len(sources) > MAX_SOURCES:
        named.append(tr("{count} more", count=len(sources) - MAX_SOURCES))
    return ", ".join(named)
