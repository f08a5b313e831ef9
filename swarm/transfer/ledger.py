"""How many bytes came from whom, and how fast lately: what progress shows and `get` reports at the end."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from swarm.sources import Source

RATE_SECONDS: Final = 5.0
"""A speed is the mean of this long: short enough to see a source stall, long enough to read."""


class Ledger:
    """Verified bytes by source. Times are seconds of one clock, handed in."""

    def __init__(self) -> None:
        self.totals: Counter[Source] = Counter()
        self._recent: dict[Source, deque[tuple[float, int]]] = {}

    def add(self, source: Source, count: int, now: float) -> None:
        self.totals[source] += count
        recent = self._recent.setdefault(source, deque())
        recent.append((now, count))
        self._forget(recent, now)

    def take_back(self, source: Source, count: int) -> None:
        """So many of these bytes do not count after all: what they are part of was wrong."""
        self.totals[source] -= count

    def rate(self, source: Source, now: float) -> float:
        """Bytes per second over the last RATE_SECONDS."""
        recent = self._recent.get(source, deque())
        self._forget(recent, now)
        return sum(count for _, count in recent) / RATE_SECONDS

    @staticmethod
    def _forget(recent: deque[tuple[float, int]], now: float) -> None:
        while recent and recent[0][0] < now - RATE_SECONDS:
            recent.popleft()


class Counted:
    """The chunks of one snapshot that a ledger counts: each once, and not those of a blob that failed unless
    they prove right."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._counted = 0
        self._aside: dict[int, Source] = {}

    def add(self, chunk: int, source: Source, length: int, now: float) -> None:
        """The chunk was stored."""
        self._counted |= 1 << chunk
        self.ledger.add(source, length, now)

    def set_aside(self, chunk: int, source: Source, length: int) -> None:
        """The blob of this chunk failed: what was had of it in this run counts only if it proves right."""
        if self._counted >> chunk & 1:
            self._counted ^= 1 << chunk
            self._aside[chunk] = source
            self.ledger.take_back(source, length)

    def put_back(self, chunk: int, length: int, now: float) -> None:
        """The chunk proved right."""
        if source := self._aside.pop(chunk, None):
            self.add(chunk, source, length, now)
