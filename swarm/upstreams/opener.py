"""Opens a run at an endpoint: shows the credential only if it must, remembers where redirects led.

Large files are redirected to signed URLs on other hosts. Such a URL is used for the next run of the same
file too, which spares the hub's quota, until the store refuses it; then the endpoint is asked again.
An endpoint that does not give a file to everybody is told of before any byte of it is used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import httpx
import trio

from protocol.manifest import Blob, Snapshot
from swarm.errors import SwarmError
from swarm.upstreams.endpoint import Endpoint, origin
from swarm.upstreams.http import Reply
from swarm.upstreams.hub import Hub
from swarm.upstreams.roster import Roster
from swarm.upstreams.runs import Run
from swarm.upstreams.stream import Body, held_range
from swarm.upstreams.trouble import Asked, BadAnswer, Refused, Trouble, Unavailable, refusal

KEPT_URLS: Final = 1024
"""Signed URLs remembered: far more than the files that are fetched in parts at the same time."""

EXPIRED: Final = frozenset({400, 401, 403, 404, 410})
"""What stores answer to a signed URL that is no longer good."""


NotPublic = Callable[[Endpoint, SwarmError | None], Awaitable[None]]
"""Hears that an endpoint gave a file for its credential only (None), or refused it (why)."""


async def nobody_minds(endpoint: Endpoint, refused: SwarmError | None) -> None:
    """For whoever offers the bytes to nobody."""
    await trio.lowlevel.checkpoint()


class Opener:
    """Opens bodies of one snapshot's blobs. `not_public` is told once of each endpoint and kind of answer."""

    def __init__(
        self, hub: Hub, snapshot: Snapshot, roster: Roster, not_public: NotPublic = nobody_minds
    ) -> None:
        self._not_public = not_public
        self._told: set[tuple[Endpoint, type[SwarmError] | None]] = set()
        self._hub = hub
        self._snapshot = snapshot
        self._roster = roster
        self._urls: dict[tuple[Endpoint, Blob], httpx.URL] = {}
        self._authorized: set[Endpoint] = set()
        self._paths: dict[Blob, str] = {}
        for file in snapshot.files:
            self._paths.setdefault(file.blob, file.path)

    def path(self, blob: Blob) -> str:
        """The first path that a blob has in the snapshot."""
        return self._paths[blob]

    async def open(self, endpoint: Endpoint, run: Run, without: Collection[Endpoint] = ()) -> Body:
        """A body that holds the run, or the whole blob when the endpoint ignores ranges. Raises Trouble.

        without: endpoints that do not have this blob.
        """
        asked_at = trio.current_time()
        reply = await self._reply(endpoint, run)
        try:
            if not 200 <= reply.status < 300:
                raise self._trouble(endpoint, run.blob, reply)
            held = held_range(reply.status, reply.headers, run)
        except Trouble as trouble:
            await reply.discard()
            if isinstance(trouble, Refused):
                await self._tell(endpoint, trouble.error)
            raise
        if not run.whole and origin(reply.url) != endpoint.origin:
            self._remember(endpoint, run.blob, reply.url)
        now = trio.current_time()
        self._roster.received(endpoint, 0, now - asked_at, now)
        return Body(reply, endpoint, held, self._roster, without)

    async def _reply(self, endpoint: Endpoint, run: Run) -> Reply:
        """The answer of the store that was found before, else of the endpoint."""
        byte_range = None if run.whole else (run.start, run.stop)
        http = self._hub.http
        known = self._urls.get((endpoint, run.blob))
        if known:
            reply = await http.get(endpoint, str(known), authorized=False, byte_range=byte_range)
            if reply.status not in EXPIRED:
                return reply
            self._urls.pop((endpoint, run.blob), None)
            await reply.discard()
        url = self._hub.file_url(endpoint, self._snapshot, self.path(run.blob))
        authorized = endpoint in self._authorized
        reply = await http.get(endpoint, url, authorized=authorized, byte_range=byte_range)
        if reply.status not in (401, 403, 404) or authorized or not endpoint.authorization:
            return reply
        await reply.discard()
        reply = await http.get(endpoint, url, authorized=True, byte_range=byte_range)
        if 200 <= reply.status < 300:
            try:
                await self._tell(endpoint, None)
            except BaseException:
                await reply.aclose()
                raise
            self._authorized.add(endpoint)
        return reply

    async def _tell(self, endpoint: Endpoint, refused: SwarmError | None) -> None:
        """Twice, rather than let another run go on before it is heard."""
        answer = (endpoint, type(refused) if refused else None)
        if answer not in self._told:
            await self._not_public(endpoint, refused)
            self._told.add(answer)

    def _remember(self, endpoint: Endpoint, blob: Blob, url: httpx.URL) -> None:
        if len(self._urls) >= KEPT_URLS:
            del self._urls[next(iter(self._urls))]
        self._urls[endpoint, blob] = url

    def _trouble(self, endpoint: Endpoint, blob: Blob, reply: Reply) -> Trouble:
        if reply.status == 416:
            return BadAnswer("a file of another size than listed")
        if origin(reply.url) != endpoint.origin and reply.status in EXPIRED:
            return Unavailable(f"its store refused a fresh URL (status {reply.status})", answered=True)
        snapshot = self._snapshot
        asked = Asked(endpoint, snapshot.repo, snapshot.commit, self.path(blob))
        return refusal(asked, reply.status, reply.headers, authorized=bool(endpoint.authorization))
