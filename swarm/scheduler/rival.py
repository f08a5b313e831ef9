"""Another node as the holder of a lease: what it says of itself, and whether it shows that it can do it.

A holder is live while its Lease messages come and while chunks that it announced turn up. The second is
what can be seen; the count of bytes in the message is only told to people, for it could be made up.
What a holder announced counts as under way only while it is live.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from protocol.bits import minus

LEASE_SILENT_SECONDS: Final = 4.0
"""A holder not heard for so long is gone: three messages and a bit."""

LEASE_LEFT_SECONDS: Final = 1.0
"""How long a holder whose link broke keeps the lease: a link is made anew in less, and a second
origin in between would fetch the same again."""

LEASE_STALL_SECONDS: Final = 15.0
"""A holder of whose announced chunks none turned up for so long (and the time the longest chunk takes at
STALL_RATE) makes no progress."""

SPREAD_SECONDS: Final = 5.0
"""After a holder without a link here gave up, what it announced goes round the LAN for so long: two
or three nodes have it one after another before a peer of this one does."""

STALL_RATE: Final = 64 * 1024
"""Bytes per second below which an upstream counts as stalled."""


def stall_seconds(longest_chunk: int) -> float:
    """After how long without a chunk, of which the longest has so many bytes, a holder makes no progress."""
    return LEASE_STALL_SECONDS + longest_chunk / STALL_RATE


@dataclass(slots=True)
class Rival:
    """What another node says about itself, and whether it showed that it can do it.

    moved: a chunk that it announced turned up since it took the lease. failed: it gave up, and none had.
    """

    rank: bytes
    stall: float
    candidate: bool = False
    held: bool = False
    heard_at: float = 0.0
    moved_at: float = 0.0
    moved: bool = False
    rests_until: float = 0.0
    failed: bool = False
    announced: int = 0
    announced_at: float = 0.0
    left_at: float | None = None
    spread_until: float = math.inf

    def joined(self, candidate: bool) -> None:
        """It says whether it could be the origin."""
        if candidate and not self.candidate:
            self.failed = False
        self.candidate = candidate
        self.left_at = None

    def announces(self, bits: int, now: float) -> None:
        """It is about to fetch these from upstream. A word that comes after that of its end is a late one."""
        if now >= self.spread_until:
            self.announced, self.spread_until = 0, math.inf
        self.announced |= bits
        self.announced_at = now

    def arrived(self, bits: int, now: float) -> None:
        """Somebody has these, who got them first if this one had announced them."""
        if self.announced & bits:
            self.announced = minus(self.announced, bits)
            self.moved_at = self.announced_at = now
            self.moved = True
            self.failed = False

    def is_live(self, now: float) -> bool:
        """Whether it holds the lease, is heard and makes progress."""
        return self.held and now < self.expires_at

    @property
    def expires_at(self) -> float:
        """When it is live no more, should nothing be heard or seen of it until then."""
        expires_at = min(self.heard_at + LEASE_SILENT_SECONDS, self.moved_at + self.stall)
        return expires_at if self.left_at is None else min(expires_at, self.left_at + LEASE_LEFT_SECONDS)

    @property
    def announced_until(self) -> float:
        """How long what it announced counts as under way."""
        return self.expires_at if self.held else min(self.announced_at + self.stall, self.spread_until)
