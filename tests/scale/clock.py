"""Virtual time: things that will happen, in the order in which they do.

Events at the same time happen in the order in which they were set. Nothing here is random, so a run
is told by its seed alone. Ten thousand nodes have millions of events set: in one heap of all, each step to
the next is dozens of looks at memory far apart. So only those of the present moment lie in a heap; what comes
later waits unsorted, moment by moment.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Any, Final

MOMENT: Final = 0.001
"""Seconds: of ten thousand busy nodes, some thousand events."""

_Event = tuple[float, int, Callable[..., object], tuple[Any, ...]]


class Clock:
    """`now` in seconds; `at` and `after` set what is to be called then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.happened = 0
        self._number = 0
        self._present: list[_Event] = []
        self._moment = 0
        self._later: dict[int, list[_Event]] = {}
        self._moments: list[int] = []

    def at(self, time: float, action: Callable[..., object], *arguments: Any) -> None:
        self._number += 1
        event, moment = (time, self._number, action, arguments), int(time / MOMENT)
        if moment <= self._moment:
            heapq.heappush(self._present, event)
            return
        waiting = self._later.get(moment)
        if waiting is None:
            self._later[moment] = [event]
            heapq.heappush(self._moments, moment)
        else:
            waiting.append(event)

    def after(self, seconds: float, action: Callable[..., object], *arguments: Any) -> None:
        self.at(self.now + seconds, action, *arguments)

    def run(self, until: float, done: Callable[[], bool]) -> bool:
        """Let things happen until `done` or that time; whether it was `done`."""
        while not done():
            if self._next() > until:
                self.now = until
                break
            self.now, _, action, arguments = heapq.heappop(self._present)
            self.happened += 1
            action(*arguments)
        return done()

    def _next(self) -> float:
        """When the next thing happens; it is in the present then."""
        if not self._present and self._moments:
            self._moment = heapq.heappop(self._moments)
            self._present = self._later.pop(self._moment)
            heapq.heapify(self._present)
        return self._present[0][0] if self._present else math.inf
