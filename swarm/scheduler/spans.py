"""What the origin asks of the upstream next: a span of one large blob, or a batch of small ones.

A span is long enough that its request costs nothing beside its bytes, and short enough that an origin
that dies loses little and the last spans end together. Until something has come the spans are tiny:
two nodes that both took themselves for the origin then pay little twice. For the same reason every
node starts at a place of its own. From then on it is the first that is missing: a file is hashed from
its beginning, so that what came last is all that is left to hash when everything is there.
"""

from __future__ import annotations

from typing import Final

from protocol.bits import members
from protocol.limits import KIB, MAX_PIECES, MIB
from protocol.manifest import Layout
from swarm.scheduler.windows import Pace

SPAN_BYTES: Final = 16 * MIB
"""Longest span: the request is below a hundredth of its time at 10 Gbit/s."""

FIRST_SPAN_BYTES: Final = 512 * KIB
"""Shortest span, and length of all until the first chunk came."""

SPAN_SECONDS: Final = 0.5
"""Length of a span as a share of one second of the measured rate of all orders together."""

UPSTREAM_PARALLEL: Final = 4
"""Orders upstream at a time: one connection rarely fills a line to a far content network."""

FIRST_PARALLEL: Final = 2
"""Orders upstream at a time until the first chunk came."""


def parallel(pace: Pace) -> int:
    """How many orders may be out upstream."""
    return FIRST_PARALLEL if pace.rate is None else UPSTREAM_PARALLEL


def span_bytes(pace: Pace, needed: int) -> int:
    """Bytes of the next order when `needed` bytes are left to be ordered."""
    if pace.rate is None:
        return FIRST_SPAN_BYTES
    share = needed / (2 * UPSTREAM_PARALLEL)
    return int(max(FIRST_SPAN_BYTES, min(SPAN_BYTES, pace.rate * SPAN_SECONDS, share)))


def next_span(layout: Layout, needed: int, start: int, budget: int) -> dict[int, int]:
    """Chunks (number to length) of the next order, out of `needed`, from `start` on and round.

    At most `budget` bytes, or one chunk. A span in a large blob ends with it, or where a chunk is not needed.
    """
    chosen: dict[int, int] = {}
    left = budget
    before = None
    for chunk in members(needed, start):
        blob, index = layout.locate(chunk)
        length = blob.span(index)[1]
        if before is not None:
            follows = chunk == before[0] + 1 and blob == before[1]
            both_small = blob.chunk_count == 1 and before[1].chunk_count == 1
            if length > left or len(chosen) == MAX_PIECES or not (follows or both_small):
                break
        chosen[chunk] = length
        left -= length
        before = (chunk, blob)
    return chosen
