"""One body from one endpoint: bytes of a blob from some offset on, read block by block and timed.

What an answer holds is judged by Content-Range, not by its status: ModelScope was seen to send ranges
with status 200, Alibaba OSS the whole object. A server that ignores the range (Olah's local mirrors,
Python's http.server) sends the blob from its first byte; `Body.position` tells where a body stands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

import trio

from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.headers import number
from swarm.upstreams.http import Reply
from swarm.upstreams.roster import SLOW_AFTER_SECONDS, Roster
from swarm.upstreams.runs import Run
from swarm.upstreams.trouble import BadAnswer, Trouble, Unavailable

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)", re.ASCII)


class Left(Trouble):
    """This stream is given up, the endpoint being slow or avoided: the roster knows already."""


def held_range(status: int, headers: Mapping[str, str], run: Run) -> tuple[int, int]:
    """(start, stop) in the blob of what a 2xx answer to a request for this run holds: at least the run.

    It is the run, or the whole blob when the range was ignored. BadAnswer when it is of a blob of
    another size or of another range.
    """
    if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise BadAnswer("compressed bytes")
    size = run.blob.size
    told = headers.get("content-range")
    length = headers.get("content-length", "")
    if told is None:
        if status == 206 or number(length) not in (None, size):
            raise BadAnswer(f"a body of {length or 'unknown'} bytes for a file of {size}")
        return 0, size
    match = _CONTENT_RANGE.fullmatch(told.strip())
    first, last = (number(match[1]), number(match[2])) if match else (None, None)
    if match is None or first is None or last is None:
        raise BadAnswer(f"a range that cannot be read: {told[:80]!r}")
    start, stop, total = first, last + 1, match[3]
    if total != "*" and number(total) != size:
        raise BadAnswer(f"a file of {total} bytes where {size} are listed")
    if (start, stop) not in ((run.start, run.stop), (0, size)):
        raise BadAnswer(f"the range {told!r} where bytes {run.start}-{run.stop - 1} were asked for")
    return start, stop


class Body:
    """A reply that holds a blob's bytes from `position` up to `stop`; must be closed.

    The roster hears what arrives and how fast. without: endpoints that do not have this blob.
    """

    def __init__(
        self,
        reply: Reply,
        endpoint: Endpoint,
        held: tuple[int, int],
        roster: Roster,
        without: Collection[Endpoint] = (),
    ) -> None:
        self.position, self.stop = held
        self._without = without
        self._reply = reply
        self._endpoint = endpoint
        self._roster = roster
        self._unread = memoryview(b"")
        self._window_bytes = 0
        self._window_seconds = 0.0
        roster.opened(endpoint)

    async def take(self, most: int) -> memoryview:
        """The next bytes, at least one and at most `most`.

        Unavailable when it stalls or ends; Left when it is to be given up.
        """
        if not self._unread:
            self._unread = memoryview(await self._next())
        taken, self._unread = self._unread[:most], self._unread[most:]
        self.position += len(taken)
        return taken

    async def skip_to(self, offset: int) -> None:
        while self.position < offset:
            await self.take(offset - self.position)

    def is_just(self, run: Run) -> bool:
        """Whether it holds the run and nothing else."""
        return (self.position, self.stop) == (run.start, run.stop)

    def covers(self, run: Run) -> bool:
        """Whether the run is still to come in it."""
        return self.position <= run.start and run.stop <= self.stop

    async def aclose(self) -> None:
        self._roster.closed(self._endpoint)
        await self._reply.aclose()

    async def _next(self) -> bytes:
        asked_at = trio.current_time()
        block = await self._reply.block()
        now = trio.current_time()
        if not block:
            raise Unavailable("the body ended early", answered=True)
        self._measure(len(block), now - asked_at, now)
        if self._roster.avoided(self._endpoint, now):
            raise Left("it is avoided since it sent wrong bytes")
        return block

    def _measure(self, count: int, seconds: float, now: float) -> None:
        self._roster.received(self._endpoint, count, seconds, now)
        self._window_bytes += count
        self._window_seconds += seconds
        if self._window_seconds < SLOW_AFTER_SECONDS:
            return
        speed = self._window_bytes / self._window_seconds
        self._window_bytes, self._window_seconds = 0, 0.0
        if self._roster.leave(self._endpoint, speed, now, self._without):
            raise Left(f"only {speed / 1000:.0f} kB/s")
