"""The live view of an order on a terminal: the whole, the files under way, and who sends."""

from __future__ import annotations

import io
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from swarm.cli.progress import name_sources, standing
from swarm.cli.tally import Tally
from swarm.config.units import show_size

if TYPE_CHECKING:
    from swarm.transfer.requests import Progress

REFRESHES: Final = 8
"""Frames a second."""

MAX_FILES: Final = 6
"""Files shown at a time: those that moved last."""

BAR_WIDTH: Final = 20
"""Columns of a file's bar: the names need the room."""


class _Forgiving(io.TextIOBase):
    """A terminal that may go away: what can no longer be written there is nobody's loss."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override] # typeshed has an attribute where io has a property
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class LiveView:
    """Redraws itself in a thread of its own, so that a slow terminal does not hold up the transfer."""

    def __init__(self, stream: TextIO) -> None:
        self._tally = Tally()
        self._lock = threading.Lock()  # between reports and the thread that draws
        self._console = Console(file=cast(TextIO, _Forgiving(stream)), highlight=False)
        self._live = Live(
            console=self._console,
            refresh_per_second=REFRESHES,
            get_renderable=self._render,
            transient=True,
            redirect_stdout=False,
        )

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            self._tally.take(progress, time.monotonic())
        for line in progress.message.splitlines():
            self._console.print(Text(line))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        with self._lock:
            return render(self._tally, time.monotonic())


def render(tally: Tally, now: float) -> RenderableType:
    """What stands on the screen: the whole, the files that move, who sends."""
    parts: list[RenderableType] = [
        Text(standing(tally, now), style="bold", no_wrap=True, overflow="ellipsis")
    ]
    if tally.total:
        whole = Table.grid(expand=True)
        whole.add_row(ProgressBar(tally.total, tally.bytes))
        parts.append(whole)
    files = Table.grid(padding=(0, 1), expand=True)
    files.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    files.add_column(width=BAR_WIDTH)
    files.add_column(no_wrap=True, justify="right")
    for file in tally.under_way(MAX_FILES):
        size = f"{show_size(file.bytes)} / {show_size(file.size)}"
        files.add_row(Text(file.path), ProgressBar(file.size, file.bytes), size)
    parts.append(files)
    if tally.sources:
        parts.append(Text(name_sources(tally.sources), style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*parts)
