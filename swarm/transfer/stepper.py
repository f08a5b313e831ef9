"""The scheduler of one transfer, given a clock: events come one by one, and ticks when asked for.

What a command leads to may be an event again, at once. Such events wait for their turn, so that the
scheduler, which is pure, is never entered twice.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import trio

from swarm.scheduler import events as ev
from swarm.scheduler.scheduler import Scheduler


class Stepper:
    """Steps a scheduler; `carry_out` does what it decides, except to wake it."""

    def __init__(self, scheduler: Scheduler, carry_out: Callable[[ev.Command], None]) -> None:
        self._scheduler = scheduler
        self._carry_out = carry_out
        self._inbox: deque[ev.Event] = deque()
        self._stepping = False
        self._alarm = trio.CancelScope()
        self._wake_at = math.inf

    def common(self, chunk: int) -> bool:
        """Whether several peers have this chunk."""
        return self._scheduler.common(chunk)

    def step(self, event: ev.Event) -> None:
        """Let the scheduler see an event and carry out what it decides; safe to call from anywhere."""
        self._inbox.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inbox:
                for command in self._scheduler.step(self._inbox.popleft(), trio.current_time()):
                    if isinstance(command, ev.WakeAt):
                        self._wake(command.time)
                    else:
                        self._carry_out(command)
        finally:
            self._stepping = False

    def _wake(self, time: float) -> None:
        self._wake_at = time
        self._alarm.deadline = min(time, self._alarm.deadline)

    async def ring(self) -> None:
        """Send a Tick at the time the scheduler last named, until cancelled.

        A time put off is not set anew: the alarm goes off in vain; setting it each time would cost more.
        """
        while True:
            with trio.CancelScope(deadline=self._wake_at) as self._alarm:
                await trio.sleep_forever()
            if trio.current_time() >= self._wake_at:
                self._wake_at = math.inf
                self.step(ev.Tick())
