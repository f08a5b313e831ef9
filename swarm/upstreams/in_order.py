"""One body that holds a whole blob, as its server ignores ranges, shared by the orders for parts of it.

Orders for later parts come while earlier ones run. Asking anew for each would send the blob from its
start each time, so the body is kept open between orders and they take turns in the order of the file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from swarm.upstreams.runs import Run
from swarm.upstreams.stream import Body


class InOrder:
    """Holds the body of one blob from one endpoint; `turn` gives it to one run at a time."""

    def __init__(self, body: Body) -> None:
        self.body: Body | None = body
        self.used_at = trio.current_time()
        self._busy = False
        self._waiting: dict[trio.Event, Run] = {}

    @property
    def idle(self) -> bool:
        return not self._busy and not self._waiting

    @asynccontextmanager
    async def turn(self, run: Run) -> AsyncIterator[None]:
        """Wait until it is this run's turn: of those that wait, the first that is still to come.

        A body whose run did not end as it should is closed: where it stands is not known.
        """
        await self._wait(run)
        try:
            yield
        except BaseException:
            await self.drop()
            raise
        finally:
            self.used_at = trio.current_time()
            self._pass_on()

    async def drop(self) -> None:
        """Close the body; the next run opens another."""
        body, self.body = self.body, None
        if body:
            await body.aclose()

    async def _wait(self, run: Run) -> None:
        if not self._busy:
            self._busy = True
            return
        called = trio.Event()
        self._waiting[called] = run
        try:
            await called.wait()
        except trio.Cancelled:
            if self._waiting.pop(called, None) is None:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Call the next run; the turn is never free in between."""
        self._busy = bool(self._waiting)
        if self._busy:
            called = min(self._waiting, key=self._rank)
            del self._waiting[called]
            called.set()

    def _rank(self, called: trio.Event) -> tuple[bool, int]:
        run = self._waiting[called]
        return not (self.body and self.body.covers(run)), run.start
