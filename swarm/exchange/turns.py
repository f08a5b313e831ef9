"""Which links a seed sends to next, so that all who relay for it get equal parts.

What a seed sends to many goes through one uplink with a short queue. Left to TCP, the connections that began
first take most of it for seconds, and of those that found the queue full some get hardly anything. But what
a relay gets it must pass on to all others: one with twice its part cannot, one without leaves its own uplink
idle, and who receives never makes up for what its downlink missed.

So links are served by what they were given, as in start-time fair queueing (Goyal, Vin and Cheng, 1996): who
is ahead of the least served of those that want something waits. The uplink is not left idle for that: while
few are sending, the next may. A link that takes far longer for a frame than others do is slow by itself, and
nobody waits for it. A frame is being sent until the kernel has taken all of it.

`Turns` decides, with time handed in; `Turn` is one link's part in it, and waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Final

import trio

from protocol.limits import KIB

LEAD_FRAMES: Final = 8
"""By how many frames a link may be ahead. With fewer the uplink idles now and then; with 14, a node of eight
stays behind now and then."""

SIDE_BY_SIDE: Final = 4
"""So many may send whoever is ahead: three fill the uplink but for a twentieth, as relays send to the same
receivers."""

MEMORY_FRAMES: Final = 16
"""By how many frames who comes later counts as behind: what a link was given long ago is past."""

LATE_SECONDS: Final = 0.5
"""A frame that takes longer may be late: a connection that lost its last segment needs half of that."""

LATE_FACTOR: Final = 4.0
"""The same in units of what frames usually take, if that is more: large chunks, a slow uplink."""

SLOW_FRAMES: Final = 4
"""A link is slow if each of its last so many frames took LATE_FACTOR times what is usual: one may be bad
luck."""

SLOW_SECONDS: Final = 0.1
"""Frames that take less are not slow, whatever is usual: that is a pause of this or that machine."""

USUAL_FRAMES: Final = 16
"""Frames of which the median is what they usually take: a few of each link."""

TURN_BYTES: Final = 64 * KIB
"""Shorter ones are sent at once: small messages."""


class Turns:
    """All links of one node."""

    def __init__(self) -> None:
        self._waiting: dict[Turn, int] = {}
        self._sending: dict[Turn, float] = {}
        self._took: deque[float] = deque(maxlen=USUAL_FRAMES)
        self._most = 0

    def ask(self, turn: Turn, size: int) -> None:
        """This link would like to send a frame of so many bytes."""
        turn.start = max(turn.given, self._most - MEMORY_FRAMES * size)
        turn.given = turn.start + size
        self._waiting[turn] = size

    def admit(self, now: float) -> list[Turn]:
        """Those that may begin now and have asked; they count as sending."""
        admitted = []
        for turn in sorted(self._waiting, key=lambda turn: turn.start):
            if not self._may(turn, now):
                break
            self._most = max(self._most, turn.given)
            del self._waiting[turn]
            self._sending[turn] = now
            admitted.append(turn)
        return admitted

    def done(self, turn: Turn, now: float) -> None:
        """This link's frame was sent, or is not going to be."""
        if self._waiting.pop(turn, None) is not None:
            turn.given = turn.start
            return
        took = now - self._sending.pop(turn)
        turn.took.append(took)
        lasting = len(turn.took) == SLOW_FRAMES and min(turn.took) >= max(SLOW_SECONDS, self._far_longer)
        turn.slow = lasting or took >= self._late_after
        self._took.append(took)

    def next_look(self, now: float) -> float:
        """When somebody may be admitted though nothing happens: who is sending is late from then on."""
        return min((self._sending[turn] for turn in self._awaited(now)), default=now) + self._late_after

    @property
    def _late_after(self) -> float:
        return max(LATE_SECONDS, self._far_longer)

    @property
    def _far_longer(self) -> float:
        """Seconds that are far more than a frame usually takes."""
        return LATE_FACTOR * median(self._took) if self._took else 0.0

    def _awaited(self, now: float) -> list[Turn]:
        """Those that are sending and get on with it."""
        late = self._late_after
        return [turn for turn, since in self._sending.items() if not turn.slow and now < since + late]

    def _may(self, turn: Turn, now: float) -> bool:
        awaited = self._awaited(now)
        if len(awaited) < SIDE_BY_SIDE:
            return True
        least = min(one.start for one in [*awaited, *self._waiting])
        return turn.start <= least + LEAD_FRAMES * self._waiting[turn]


class Turn:
    """One link's. `needed`: what it sends now is what this node seeds. start, given: bytes it was given
    before this frame, and with it. took: seconds of its last frames. slow: far more than others' take."""

    def __init__(self, turns: Turns, clock: Callable[[], float]) -> None:
        self.needed = False
        self.start = 0
        self.given = 0
        self.slow = False
        self.took: deque[float] = deque(maxlen=SLOW_FRAMES)
        self._turns = turns
        self._clock = clock
        self._admitted = trio.Event()

    async def begin(self, size: int) -> None:
        """Wait until a frame of this size may be sent; `end` must follow unless this is cancelled."""
        self._admitted = trio.Event()
        self._turns.ask(self, size)
        self._admit()
        try:
            while not self._admitted.is_set():
                with trio.move_on_at(self._turns.next_look(self._clock())):
                    await self._admitted.wait()
                self._admit()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """The frame was sent, or will not be."""
        self._turns.done(self, self._clock())
        self._admit()

    def _admit(self) -> None:
        for turn in self._turns.admit(self._clock()):
            turn._admitted.set()
