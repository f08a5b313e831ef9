"""What is known of an order under way, added up from its reports. Pure: the time is an argument."""

from __future__ import annotations

from collections import deque
from typing import Final

from swarm.transfer.requests import FileProgress, Phase, Progress, SourceProgress

SPEED_WINDOW: Final = 10.0
"""Seconds over which the speed is averaged: steady enough to read, short enough to notice a change."""


class Tally:
    """The latest of everything, and the speed it moves at."""

    def __init__(self) -> None:
        self.phase: Phase = "resolving"
        self.bytes = 0
        self.total = 0
        self.sources: tuple[SourceProgress, ...] = ()
        self.files: dict[str, FileProgress] = {}
        self._marks: deque[tuple[float, int]] = deque()

    def take(self, progress: Progress, now: float) -> None:
        """Add a report that came at `now`."""
        self.phase = progress.phase
        self.bytes, self.total = progress.bytes, progress.total
        self.sources = progress.sources
        for file in progress.files:
            self.files.pop(file.path, None)  # the latest to change stands last
            self.files[file.path] = file
        if progress.phase != "fetching":
            self._marks.clear()  # what is found on disk at the start did not move at any speed
        self._marks.append((now, progress.bytes))
        while len(self._marks) > 2 and self._marks[1][0] <= now - SPEED_WINDOW:
            self._marks.popleft()

    def speed(self, now: float) -> float:
        """Verified bytes a second of late; 0 before there is anything to measure."""
        if not self._marks:
            return 0.0
        began, at_first = self._marks[0]
        return max(0, self.bytes - at_first) / (now - began) if now > began else 0.0

    def eta(self, now: float) -> float | None:
        """Seconds until all is there at this speed; None when nothing moves or the size is unknown."""
        speed = self.speed(now)
        return (self.total - self.bytes) / speed if speed and self.total else None

    def under_way(self, most: int) -> list[FileProgress]:
        """The files that changed last and are not complete, the oldest first."""
        files = [file for file in self.files.values() if file.bytes < file.size]
        return files[-most:]

    @property
    def files_done(self) -> int:
        return sum(file.bytes >= file.size for file in self.files.values())
