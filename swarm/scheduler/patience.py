"""For how long a node that could go upstream leaves it to others while nobody sends it anything.

What others say of the lease costs them nothing: who gives it up and takes it anew, comes back under another
key or speaks of holders that there are not can always seem to have begun just now. So it counts what comes. A
node that has had no chunk of any peer for the time of a few stalled holders believes in none of them and goes
itself, until a peer sends it a chunk.
"""

from __future__ import annotations

from typing import Final

HOLDERS_WAITED_FOR: Final = 2
"""Holders that may stall one after another before: the second may be the first to be honest."""


class Patience:
    """`seconds`: how long to wait. `over`: nobody else's lease is believed in."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._seconds = seconds
        self._since: float | None = None

    def reward(self) -> None:
        """A peer sent a chunk, or this node cannot go itself."""
        self.over = False
        self._since = None

    def watch(self, waiting: bool, now: float) -> None:
        """waiting: chunks are missing that this node could fetch, and leaves to others."""
        if not waiting:
            self._since = None
        elif self._since is None:
            self._since = now
        elif now >= self._since + self._seconds:
            self.over = True

    def next_wake(self) -> float | None:
        """When it will be over if nothing comes."""
        return None if self._since is None or self.over else self._since + self._seconds
