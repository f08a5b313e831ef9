"""How fast each source is, and what follows: how much to have outstanding, when it is late, when it stopped.

A `Pace` measures bytes per second over the time in which something was outstanding, old time counting
for less. From the rate come the three clocks and sizes that pull needs: the window (rate × delay, so
that the source never runs dry and never has a long queue), the time after which a request is slower than
the source's own history says (hedge it), and the time after which the source has stopped (leave it).
"""

from __future__ import annotations

from typing import Final

from protocol.limits import KIB, MIB

RATE_HALF_LIFE: Final = 1.0
"""Seconds of work after which a measurement counts half: follows a link that changes, not one late chunk."""

PIPELINE_SECONDS: Final = 0.25
"""Work to have outstanding beside the source's own delay: more than a busy event loop ever pauses."""

ALL_SECONDS: Final = 0.5
"""The same of all sources together: PIPELINE_SECONDS from each of many would queue where others' orders wait,
and whoever got less of a source would go on getting less."""

MIN_WINDOW: Final = 512 * KIB
"""Outstanding bytes for a source not measured yet, or slow: enough to measure, little to lose."""

MAX_WINDOW: Final = 128 * MIB
"""A tenth of a second of 10 Gbit/s; more only fills the receiver's memory."""

HEDGE_FACTOR: Final = 4.0
"""A chunk that takes this many times what its source's rate says is asked for elsewhere too."""

HEDGE_MIN_SECONDS: Final = 0.5
"""Never hedge sooner: pauses of this length are normal on a busy machine."""

HEDGE_FIRST_RATE: Final = 1 * MIB
"""Bytes per second assumed of this node's link before the first chunk, for hedging: a poor LAN."""

ORDER_STALL_SECONDS: Final = 5.0
"""A source that sent no chunk for so long, and for STALL_FACTOR times what its rate says, is given up."""

STALL_FACTOR: Final = 10.0
"""How far below its history a source may fall before it counts as stopped: ten nodes may share a link."""

SLOWEST_RATE: Final = 128 * KIB
"""Bytes per second assumed of this node's link before the first chunk, for giving up: bad wireless."""


class Pace:
    """The measured speed of one source and the clocks derived from it. Bytes and seconds.

    `rate` is in bytes per second while something was outstanding, None before the first chunk.
    """

    def __init__(self, stall: float = ORDER_STALL_SECONDS) -> None:
        self._stall = stall
        self._bytes = 0.0
        self._seconds = 0.0
        self._mark = 0.0
        self._first = False
        self.latency: float | None = None
        self.rate: float | None = None

    def started(self, now: float) -> None:
        """Something was ordered from the source, which had nothing outstanding."""
        self._mark = now
        self._first = True

    def arrived(self, length: int, now: float) -> None:
        """A chunk of this length came."""
        elapsed = now - self._mark
        kept = 0.5 ** (elapsed / RATE_HALF_LIFE)
        self._bytes = self._bytes * kept + length
        self._seconds = self._seconds * kept + elapsed
        if self._first:
            self.latency = elapsed if self.latency is None else min(elapsed, self.latency)
        self._first = False
        self._mark = now
        if self._seconds > 0:
            self.rate = self._bytes / self._seconds

    def window(self, longest: int, sources: int) -> int:
        """Bytes to have outstanding, as one of so many sources that owe something, when chunks are up to
        `longest` bytes: always room for two."""
        least = 2 * longest if 2 * longest > MIN_WINDOW else MIN_WINDOW
        if self.rate is None or self.latency is None:
            return least
        delay = self.latency + min(PIPELINE_SECONDS, ALL_SECONDS / max(sources, 1))
        return int(max(least, min(self.rate * delay, MAX_WINDOW)))

    def seconds(self, length: int) -> float | None:
        """How long the source needs for so many bytes; None before the first chunk."""
        return None if self.rate is None else length / self.rate

    def overdue_at(self, length: int, crowd: Crowd) -> float:
        """When the next chunk, of `length` bytes, is later than this source's history explains."""
        expected = self._expected(length, crowd, HEDGE_FIRST_RATE)
        return self._mark + max(HEDGE_MIN_SECONDS, HEDGE_FACTOR * expected)

    def stalled_at(self, length: int, crowd: Crowd) -> float:
        """When the source counts as stopped if the next chunk, of `length` bytes, has not come."""
        expected = self._expected(length, crowd, SLOWEST_RATE * STALL_FACTOR)
        return self._mark + max(self._stall, STALL_FACTOR * expected)

    def _expected(self, length: int, crowd: Crowd, unmeasured: float) -> float:
        """Seconds that the next chunk takes by the history of this source, or by that of all together."""
        shared = crowd.seconds(length, unmeasured)
        return shared if self.rate is None else max(length / self.rate, shared)


class Crowd:
    """All sources together: when this node's own link is what is slow, each is slow and none to blame."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._busy = 0

    def busy(self, sources: int, now: float) -> None:
        """So many sources owe something now."""
        if sources and not self._busy:
            self._pace.started(now)
        self._busy = sources

    def arrived(self, length: int, now: float) -> None:
        """A chunk of this length came from one of them."""
        self._pace.arrived(length, now)

    def seconds(self, length: int, unmeasured: float) -> float:
        """How long a chunk of each takes that share the link evenly; `unmeasured` in bytes per second."""
        return self._busy * length / (self._pace.rate or unmeasured)
