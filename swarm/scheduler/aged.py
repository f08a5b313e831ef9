"""Which members of a changing set have been in it for some time, without a clock for each member.

Two snapshots are kept; when the newer is a period old it becomes the older one. What is in the older
snapshot, in the newer and in the set now has been there for at least a period, and at most two passed.
"""

from __future__ import annotations


class Aged:
    """Members that are at least `period` seconds old, noticed at most one period late."""

    def __init__(self, period: float, now: float) -> None:
        self.period = period
        self._since = now
        self._newer = 0
        self._older = 0

    def update(self, bits: int, now: float) -> int:
        """The set is `bits` now; returns its aged members."""
        if now - self._since >= self.period:
            self._older = self._newer
            self._newer = bits
            self._since = now
        self._newer &= bits
        self._older &= self._newer
        return self._older

    def next_wake(self) -> float:
        """When members may become aged."""
        return self._since + self.period
