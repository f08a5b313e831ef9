"""What this node tells its peers of the chunks it stores: gathered for a moment, few messages for many.

The first chunk after a pause is told of at once. What comes while the next pause lasts goes out at its end:
one signature and one attestation for each run of chunks that are news to the LAN, then one Have. A message
costs its sender and each of its receivers as much as the scheduling of a chunk does.

A relay that learns of chunks later ends later, by the longest pause there was: while the links of all are
full nothing makes up for it. So pauses are a small share of the time that the transfer takes. A chunk that
several peers have already is another matter: to name one more is of use to few, and can wait longer, or
for a message that goes out anyway. Among many nodes most chunks are such when they come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from protocol import bits as bitset
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.limits import MAX_CLAIMED_DIGESTS, MAX_RANGES
from protocol.messages import Claims, Have, Ranges

MOST_SECONDS: Final = 0.05
"""Longest pause: with a chunk of 256 KiB every 10 ms (200 Mbit/s) five travel in one message."""

LEAST_SECONDS: Final = 0.004
"""Shortest pause: two chunks of 256 KiB at 1 Gbit/s."""

MOST_SECONDS_COMMON: Final = 0.5
"""Longest wait for what several peers have: two messages a second to each peer are not felt."""

PAUSE_SHARE: Final = 1 / 32
"""Pause as a share of the time since the first chunk, and of the time for what is left: it costs a transfer
one pause in all, so less than this."""

COMMON_SHARE: Final = 1 / 8
"""The same for what several peers have: towards the end, each of them counts again."""

Attest = Callable[[int, tuple[ChunkDigest, ...]], Claims]
"""Signs that the chunks from this number on have these digests."""

Say = Callable[[Claims | Have], None]
"""Tells all peers."""


def pause(elapsed: float, stored: int, left: int, *, common: bool = False) -> float:
    """Seconds to gather for, `elapsed` after the first of `stored` chunks, when `left` are to come."""
    expected = elapsed * left / max(stored, 1)
    share, most = (COMMON_SHARE, MOST_SECONDS_COMMON) if common else (PAUSE_SHARE, MOST_SECONDS)
    return min(max(share * min(elapsed, expected), LEAST_SECONDS), most)


class News:
    """The chunks of one snapshot that were stored and not told of yet. `left` counts those still to come."""

    def __init__(self, key: SnapshotKey, attest: Attest, say: Say, left: Callable[[], int]) -> None:
        self._key = key
        self._attest = attest
        self._say = say
        self._left = left
        self._fresh: list[int] = []
        self._urgent = False
        self._digests: dict[int, ChunkDigest] = {}
        self._stored = 0
        self._since: float | None = None
        self._came = trio.lowlevel.ParkingLot()
        self._came_urgent = trio.lowlevel.ParkingLot()

    def stored(self, chunk: int, digest: ChunkDigest | None, *, common: bool = False) -> None:
        """A chunk is held now. `digest`: what to attest it with, None where others did that.

        `common`: several peers have it.
        """
        self._fresh.append(chunk)
        if not common:
            self._urgent = True
            self._came_urgent.unpark()
        if digest is not None:
            self._digests[chunk] = digest
        self._came.unpark()

    def flush(self) -> None:
        """Tell of what was stored since the last time: before anything else that is said."""
        if not self._fresh:
            return
        fresh, self._fresh, self._urgent = self._fresh, [], False
        digests, self._digests = self._digests, {}
        self._stored += len(fresh)
        for first, count in bitset.to_ranges(bitset.from_members(digests)):
            for at in range(first, first + count, MAX_CLAIMED_DIGESTS):
                end = min(at + MAX_CLAIMED_DIGESTS, first + count)
                self._say(self._attest(at, tuple(digests[chunk] for chunk in range(at, end))))
        for ranges in cut(bitset.from_members(fresh)):
            self._say(Have(self._key, ranges))

    async def run(self) -> None:
        """Tell of each chunk, at once or after a pause, until cancelled."""
        while True:
            while not self._fresh:
                await self._came.park()
            now = trio.current_time()
            self._since = now if self._since is None else self._since
            if not self._urgent:
                with trio.move_on_after(self._pause(now, common=True)):
                    await self._came_urgent.park()
            self.flush()
            await trio.sleep(self._pause(trio.current_time()))

    def _pause(self, now: float, *, common: bool = False) -> float:
        elapsed = 0.0 if self._since is None else now - self._since
        return pause(elapsed, self._stored, self._left(), common=common)


def cut(bits: int) -> list[Ranges]:
    """The set as range lists, each short enough for one message; none for an empty set."""
    ranges = bitset.to_ranges(bits)
    return [ranges[start : start + MAX_RANGES] for start in range(0, len(ranges), MAX_RANGES)]
