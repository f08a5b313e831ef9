"""How this node gets on with the upstream: what came, what failed, when to ask again and for how much.

Orders that fail one after another are put off for longer and longer; after UPSTREAM_ATTEMPTS of them, or one
that says that it is for good, upstream has broken down. Anything that comes makes good for all of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocol.bits import from_members, minus
from protocol.ids import NodeId
from protocol.manifest import Layout
from swarm.scheduler.spans import next_span, parallel, span_bytes
from swarm.scheduler.windows import Pace

UPSTREAM_STALL_SECONDS: Final = 30.0
"""Upstreams are watched where they are spoken to; this is for one that hangs all the same."""

UPSTREAM_ATTEMPTS: Final = 3
"""Orders upstream that may fail in a row before the lease is given up."""

UPSTREAM_PAUSE_SECONDS: Final = 0.5
"""From a failed order upstream to the next, doubled for each in a row."""

HOPELESS_BREAKDOWNS: Final = 2
"""Times that upstream may be given up without a chunk in between until it no longer counts as a source
that something is to be had from; it is tried again all the same, for as long as somebody waits."""


class UpstreamRecord:
    """Of one node, with the snapshot whose chunks are `lengths`, the longest of `longest` bytes.

    fetched: bytes that came. paused_until: when the next order may go out.
    """

    def __init__(self, me: NodeId, lengths: Layout, longest: int, now: float) -> None:
        self.pace = Pace(UPSTREAM_STALL_SECONDS)
        self.fetched = 0
        self.paused_until = now
        self._layout = lengths
        self._longest = longest
        self._start = int.from_bytes(me[:8], "big") % max(lengths.total, 1)
        self._failures = 0
        self._breakdowns = 0

    @property
    def hopeful(self) -> bool:
        """Whether something may be had from it."""
        return self._breakdowns < HOPELESS_BREAKDOWNS

    def came(self, length: int) -> None:
        """A chunk of this length was had."""
        self.fetched += length
        self._failures = self._breakdowns = 0

    def failed(self, lasting: bool, now: float) -> bool:
        """An order failed; whether upstream is to be given up."""
        self.paused_until = now + UPSTREAM_PAUSE_SECONDS * 2**self._failures
        self._failures += 1
        return lasting or self._failures >= UPSTREAM_ATTEMPTS

    def broke(self) -> None:
        """It is given up for now."""
        self._failures = 0
        self._breakdowns += 1

    def works_again(self, now: float) -> None:
        """It is said to work; nothing need be waited for."""
        self.paused_until = now

    def spans(self, needed: int, out: int) -> Iterator[dict[int, int]]:
        """The next orders (chunk number to length), out of `needed`, when `out` are under way."""
        for _ in range(parallel(self.pace) - out):
            if not needed:
                return
            budget = span_bytes(self.pace, needed.bit_count() * self._longest)
            chunks = next_span(self._layout, needed, 0 if self.fetched else self._start, budget)
            yield chunks
            needed = minus(needed, from_members(chunks))
