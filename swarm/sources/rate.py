"""A limit on bytes a second that several tasks share.

Each `take` books its bytes on one account and sleeps until they are paid for, so tasks are served in the
order in which they came and their sum keeps to the rate whatever the sizes. An account that was idle
may run BURST_SECONDS ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

BURST_SECONDS: Final = 0.1
"""Traffic that may pass at once after a pause: hides the grain of blocks, too short to be felt on a line."""


class RateLimiter:
    """`await take(n)` returns when n more bytes may pass; a rate of None lets everything pass."""

    def __init__(
        self, bytes_per_second: float | None, clock: Callable[[], float] = trio.current_time
    ) -> None:
        if bytes_per_second is not None and not bytes_per_second > 0:
            raise ValueError(f"a rate is above zero or None, not {bytes_per_second}")
        self.bytes_per_second = bytes_per_second
        self._clock = clock
        self._paid_until = float("-inf")

    async def take(self, count: int) -> None:
        """Wait until `count` bytes may pass. Bytes booked by a wait that is cancelled stay booked."""
        if self.bytes_per_second is None:
            await trio.lowlevel.checkpoint()
            return
        now = self._clock()
        self._paid_until = max(self._paid_until, now - BURST_SECONDS) + count / self.bytes_per_second
        await trio.sleep(max(0.0, self._paid_until - now))
