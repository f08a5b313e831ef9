"""Which endpoint to ask next: what each was measured to be, and which are left alone for now. Pure.

An endpoint is new until TRIAL_BYTES came from it; new ones are tried first, in order, one stream each. Of
the others the one with the fastest streams is taken: as streams of one endpoint share its line, this
spreads them over all that are worth it. One that was not used for REMEASURE_SECONDS counts as new again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from protocol.limits import KIB, MIB
from swarm.upstreams.endpoint import Endpoint

TRIAL_BYTES: Final = 1 * MIB
"""What it takes to tell a line's speed from its latency."""

HALF_LIFE_SECONDS: Final = 10.0
"""Of reading, after which a measurement counts half: a mirror's speed changes within minutes."""

REMEASURE_SECONDS: Final = 60.0
"""Mirrors were seen to go from 100 MB/s to tens of KB/s and back; a trial a minute costs little."""

FIRST_REST_SECONDS: Final = 1.0
"""After a failure, doubled with each further one until bytes arrive."""

LONGEST_REST_SECONDS: Final = 300.0
"""So that an endpoint that comes back is noticed within five minutes."""

SLOW_AFTER_SECONDS: Final = 5.0
"""A stream is judged every so often: TCP is at speed by then, however far the server."""

SLOW_RATIO: Final = 8.0
"""A stream is left when another endpoint was this many times as fast; less is not worth a new start."""

CRAWL: Final = 64 * KIB
"""Bytes a second below which a stream is left for an endpoint that is not measured yet."""


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """An endpoint as `swarm status` shows it: bytes it sent, speed of one stream, why it rests if it does."""

    url: str
    bytes: int
    bytes_per_second: float | None
    resting_because: str | None


class _Record:
    def __init__(self) -> None:
        self.bytes = 0
        self.trial_bytes = 0
        self.weighted_bytes = 0.0
        self.weighted_seconds = 0.0
        self.used_at = float("-inf")
        self.streams = 0
        self.failures = 0
        self.rest_until = float("-inf")
        self.avoid_until = float("-inf")
        self.reason = ""

    def speed(self) -> float | None:
        return self.weighted_bytes / self.weighted_seconds if self.weighted_seconds else None

    def free_at(self) -> float:
        return max(self.rest_until, self.avoid_until)


class Roster:
    """The endpoints of one hub and how they have done. Times are seconds of one monotonic clock."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._records = {endpoint: _Record() for endpoint in endpoints}

    def pick(self, now: float, without: Collection[Endpoint] = ()) -> Endpoint | None:
        """The endpoint for the next stream, or None when all rest or are left out."""
        free = [
            (endpoint, record)
            for endpoint, record in self._records.items()
            if record.free_at() <= now and endpoint not in without
        ]
        for endpoint, record in free:
            if self._is_new(record, now) and not record.streams:
                return endpoint
        known = [(endpoint, record) for endpoint, record in free if not self._is_new(record, now)]
        best = max(known or free, key=lambda pair: pair[1].speed() or 0.0, default=None)
        return best[0] if best else None

    def next_free(self, without: Collection[Endpoint] = ()) -> float | None:
        """When the next endpoint ends its rest; None when there is no other."""
        waits = [record.free_at() for endpoint, record in self._records.items() if endpoint not in without]
        return min(waits, default=None)

    def opened(self, endpoint: Endpoint) -> None:
        """A stream begins; `closed` must follow."""
        self._records[endpoint].streams += 1

    def closed(self, endpoint: Endpoint) -> None:
        self._records[endpoint].streams -= 1

    def received(self, endpoint: Endpoint, count: int, seconds: float, now: float) -> None:
        """Bytes arrived after this long a wait for them."""
        record = self._records[endpoint]
        if now - record.used_at > REMEASURE_SECONDS:
            record.trial_bytes = 0
            record.weighted_bytes = record.weighted_seconds = 0.0
        decay = 0.5 ** (seconds / HALF_LIFE_SECONDS)
        record.weighted_bytes = record.weighted_bytes * decay + count
        record.weighted_seconds = record.weighted_seconds * decay + seconds
        record.trial_bytes += count
        record.bytes += count
        record.used_at = now

    def delivered(self, endpoint: Endpoint) -> None:
        """A chunk of it is complete: past failures count no more."""
        self._records[endpoint].failures = 0

    def failed(self, endpoint: Endpoint, now: float, reason: str, retry_after: float | None = None) -> None:
        """It goes to rest. Streams that fail together count once."""
        record = self._records[endpoint]
        if record.rest_until <= now:
            record.failures += 1
        rest = min(FIRST_REST_SECONDS * 2 ** (record.failures - 1), LONGEST_REST_SECONDS)
        if retry_after is not None:
            rest = max(retry_after, FIRST_REST_SECONDS)
        record.rest_until = max(record.rest_until, now + rest)
        record.reason = reason

    def avoid(self, endpoint: Endpoint, until: float, reason: str) -> None:
        """It sent what was not asked for: nothing is taken from it until then, streams under way end."""
        record = self._records[endpoint]
        record.avoid_until = until
        record.reason = reason

    def avoided(self, endpoint: Endpoint, now: float) -> bool:
        return self._records[endpoint].avoid_until > now

    def leave(self, endpoint: Endpoint, speed: float, now: float, without: Collection[Endpoint] = ()) -> bool:
        """Whether a stream with this many bytes a second is left for another endpoint; its trial is over.

        without: endpoints that cannot take its place.
        """
        if not any(
            self._is_better(record, speed, now)
            for other, record in self._records.items()
            if other != endpoint and other not in without and record.free_at() <= now
        ):
            return False
        record = self._records[endpoint]
        record.trial_bytes = max(record.trial_bytes, TRIAL_BYTES)
        return True

    def _is_better(self, record: _Record, speed: float, now: float) -> bool:
        if self._is_new(record, now):
            return speed < CRAWL and not record.streams
        return (record.speed() or 0.0) > SLOW_RATIO * speed

    def statuses(self, now: float) -> tuple[EndpointStatus, ...]:
        return tuple(
            EndpointStatus(
                endpoint.url, record.bytes, record.speed(), record.reason if record.free_at() > now else None
            )
            for endpoint, record in self._records.items()
        )

    def _is_new(self, record: _Record, now: float) -> bool:
        return record.trial_bytes < TRIAL_BYTES or now - record.used_at > REMEASURE_SECONDS
