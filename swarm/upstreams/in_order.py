"""One body that holds a whole blob, as its server ignores ranges, shared by the runs of that blob.

Orders for later parts come while earlier ones run. Asking anew for each would send the blob from its
start each time, so the body is kept open between runs and they take turns in the order of the file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from swarm.upstreams.runs import Run
from swarm.upstreams.stream import Body, Left
from swarm.upstreams.trouble import Trouble


@dataclass(eq=False)
class _Call:
    """A run that waits to be called, or to be sent away for this reason."""

    run: Run
    event: trio.Event = field(default_factory=trio.Event)
    away: str = ""


class InOrder:
    """Holds the body of one blob from one endpoint; `turn` gives it to one run at a time."""

    def __init__(self) -> None:
        self.body: Body | None = None
        self.used_at = trio.current_time()
        self._busy = False
        self._waiting: list[_Call] = []

    @property
    def idle(self) -> bool:
        return not self._busy and not self._waiting

    @asynccontextmanager
    async def turn(self, run: Run) -> AsyncIterator[None]:
        """Wait until it is this run's turn: of those that wait, the first that is still to come.

        A body whose run did not end as it should is closed: where it stands is not known. When the
        endpoint was to blame, those that wait are sent away to think again. Raises Left for them.
        """
        await self._wait(run)
        try:
            yield
        except Trouble:
            self.send_away("the stream of another part failed")
            await self.drop()
            raise
        except BaseException:
            await self.drop()
            raise
        finally:
            self.used_at = trio.current_time()
            self._pass_on()

    def comes_first(self, run: Run) -> bool:
        """Whether no run that waits starts earlier: to be asked when the body has just been opened."""
        return all(run.start < other.run.start for other in self._waiting)

    def send_away(self, reason: str) -> None:
        """Those that wait get Left: the endpoint failed, or honours ranges after all."""
        for call in self._waiting:
            call.away = reason
            call.event.set()
        self._waiting.clear()

    async def drop(self) -> None:
        """Close the body; the next run opens another."""
        body, self.body = self.body, None
        if body:
            await body.aclose()

    async def _wait(self, run: Run) -> None:
        if not self._busy:
            self._busy = True
            return
        call = _Call(run)
        self._waiting.append(call)
        try:
            await call.event.wait()
        except trio.Cancelled:
            if call in self._waiting:
                self._waiting.remove(call)
            elif not call.away:
                self._pass_on()
            raise
        if call.away:
            raise Left(call.away)

    def _pass_on(self) -> None:
        """Call the next run; the turn is never free in between."""
        self._busy = bool(self._waiting)
        if self._busy:
            call = min(self._waiting, key=self._rank)
            self._waiting.remove(call)
            call.event.set()

    def _rank(self, call: _Call) -> tuple[bool, int]:
        return not (self.body and self.body.covers(call.run)), call.run.start
