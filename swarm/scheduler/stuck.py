"""When to say that the rest cannot be had, so that no transfer waits for ever.

Two clocks: nobody has or could fetch anything of what is missing; or somebody seems to, but nothing came
for very long and no live origin is at work. Each time it is said once; anything stored starts both anew.
"""

from __future__ import annotations

from typing import Final

NO_SOURCE_SECONDS: Final = 15.0
"""Longer than a node on the LAN takes to be found and linked with."""

STANDSTILL_SECONDS: Final = 300.0
"""Sources that only ever promise: longer than any chunk takes on a link worth using."""


class StuckClock:
    """Both clocks, from `now` on."""

    def __init__(self, now: float) -> None:
        self._moved_at = now
        self._hopeless_since: float | None = None
        self._said = False

    def moved(self, now: float) -> None:
        """A chunk was stored, or there is more to do."""
        self._moved_at = now
        self._hopeless_since = None
        self._said = False

    def check(self, obtainable: bool, origin_lives: bool, now: float) -> bool:
        """Whether it is to be said now. obtainable: something missing is on order, on offer or fetchable."""
        if obtainable:
            self._hopeless_since = None
            self._said = self._said and now >= self._moved_at + STANDSTILL_SECONDS
        elif self._hopeless_since is None:
            self._hopeless_since = now
        if origin_lives:
            self._moved_at = now
        due = self.next_wake()
        if now < due:
            return False
        said, self._said = self._said, True
        return not said

    def next_wake(self) -> float:
        """When it is to be said if nothing changes."""
        standstill = self._moved_at + STANDSTILL_SECONDS
        if self._hopeless_since is None:
            return standstill
        return min(standstill, self._hopeless_since + NO_SOURCE_SECONDS)
