"""Virtual time: things that will happen, in the order in which they do.

Events at the same time happen in the order in which they were set. Nothing here is random, so a run
is told by its seed alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any


class Clock:
    """`now` in seconds; `at` and `after` set what is to be called then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.happened = 0
        self._queue: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._number = 0

    def at(self, time: float, action: Callable[..., object], *arguments: Any) -> None:
        self._number += 1
        heapq.heappush(self._queue, (time, self._number, action, arguments))

    def after(self, seconds: float, action: Callable[..., object], *arguments: Any) -> None:
        self._number += 1
        heapq.heappush(self._queue, (self.now + seconds, self._number, action, arguments))

    def run(self, until: float, done: Callable[[], bool]) -> bool:
        """Let things happen until `done` or that time; whether it was `done`."""
        queue = self._queue
        while not done():
            if not queue or queue[0][0] > until:
                self.now = until
                break
            self.now, _, action, arguments = heapq.heappop(queue)
            self.happened += 1
            action(*arguments)
        return done()
