"""All upstreams of a hub as one source of chunks for one snapshot.

An order becomes runs (neighbouring chunks of one blob), a run one GET of a range, and a chunk is
delivered when its last byte is there. When an endpoint fails, stalls, crawls or sends something of another
size, the run goes on from the same chunk with another; how each did is on the `Roster`. Nothing here
trusts the bytes: the transfer checks them and calls `avoid`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import trio

from protocol.chunks import Bytes
from protocol.limits import MIB
from protocol.manifest import Blob, Snapshot
from swarm.sources.interface import Deliver, Source, SourceFailed
from swarm.sources.rate import RateLimiter
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.hub import Hub
from swarm.upstreams.in_order import InOrder
from swarm.upstreams.opener import NotPublic, Opener, nobody_minds
from swarm.upstreams.roster import EndpointStatus, Roster
from swarm.upstreams.runs import Cutter, Run, runs
from swarm.upstreams.stream import Body, Left
from swarm.upstreams.trouble import BadAnswer, Trouble, Unavailable

FILES_AT_ONCE: Final = 8
"""Runs of one order under way together: hides the latency of small files; huggingface_hub has 8 workers."""

STREAMS: Final = 16
"""Open at once, whatever the number of orders: more from one address looks like an attack to a mirror."""

PATIENCE_SECONDS: Final = 20.0
"""How long a run goes on though all endpoints fail it: five tries of one that fails at once."""

SPOILED_SECONDS: Final = 600.0
"""An endpoint that lacks a file, or has it in another size, is not asked for it again for ten minutes."""

SKIP_BYTES: Final = 8 * MIB
"""Read and thrown away at most rather than ask another endpoint, when this one ignores ranges."""

IDLE_BODY_SECONDS: Final = 30.0
"""A body that ignores ranges is kept open this long for the next order."""


class UpstreamPool:
    """A `ChunkSource` for one snapshot over every endpoint of its hub. Several orders may run at a time.

    `not_public`: hears of endpoints that do not give a file to everybody (`Opener`).
    """

    def __init__(
        self,
        hub: Hub,
        snapshot: Snapshot,
        *,
        limiter: RateLimiter | None = None,
        not_public: NotPublic = nobody_minds,
    ) -> None:
        self._endpoints = hub.endpoints
        self._layout = snapshot.layout
        self._limiter = limiter or RateLimiter(None)
        self._roster = Roster(hub.endpoints)
        self._opener = Opener(hub, snapshot, self._roster, not_public)
        self._streams = trio.CapacityLimiter(STREAMS)
        self._in_order: dict[tuple[Endpoint, Blob], InOrder] = {}
        self._ranged: set[Endpoint] = set()
        self._spoiled: dict[tuple[Endpoint, Blob], tuple[float, str]] = {}

    async def fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
        """Deliver each chunk once, or raise SourceFailed (lasting) after all that could be delivered was.

        `deliver` may be called from several tasks at a time.
        """
        todo = runs(self._layout, chunks)
        failures: list[SourceFailed] = []
        async with trio.open_nursery() as nursery:
            for _ in range(min(FILES_AT_ONCE, len(chunks))):
                nursery.start_soon(self._work, todo, deliver, failures)
        await self._close_idle_bodies(trio.current_time() - IDLE_BODY_SECONDS)
        if failures:
            raise failures[0]

    def avoid(self, source: Source, seconds: float) -> None:
        """Take nothing from this endpoint for that long, as it sent wrong bytes; 0: use it again."""
        for endpoint in self._endpoints:
            if endpoint.url == source.name:
                self._roster.avoid(endpoint, trio.current_time() + seconds, "it sent wrong bytes")

    @property
    def usable(self) -> bool:
        """Whether an endpoint is there that rests for no longer than a run would wait."""
        free_at = self._roster.next_free()
        return free_at is not None and free_at <= trio.current_time() + PATIENCE_SECONDS

    def speeds(self) -> tuple[EndpointStatus, ...]:
        """Each endpoint in the order of the configuration, with its measured speed."""
        return self._roster.statuses(trio.current_time())

    async def aclose(self) -> None:
        """Close what is kept open between orders; none may be running."""
        await self._close_idle_bodies(float("inf"))

    # --- one run, from as many endpoints as it takes ---

    async def _work(self, todo: Iterator[Run], deliver: Deliver, failures: list[SourceFailed]) -> None:
        for run in todo:
            try:
                await self._fetch_run(run, deliver)
            except SourceFailed as failure:
                failures.append(failure)

    async def _fetch_run(self, run: Run, deliver: Deliver) -> None:
        patience_ends, tried = trio.current_time() + PATIENCE_SECONDS, dict[Endpoint, str]()
        while True:
            endpoint = await self._endpoint_for(run.blob, patience_ends, tried)
            delivery = _Delivery(self._roster, endpoint, deliver)
            try:
                async with self._streams:
                    await self._receive(endpoint, run, delivery)
            except Left:
                patience_ends = trio.current_time() + PATIENCE_SECONDS
            except Trouble as trouble:
                tried[endpoint] = trouble.reason
                self._note(endpoint, run.blob, trouble)
            if delivery.count == run.count:
                return
            if delivery.count:
                patience_ends = trio.current_time() + PATIENCE_SECONDS
                tried.clear()
                run = run.after(delivery.count)

    async def _endpoint_for(
        self, blob: Blob, patience_ends: float, tried: Mapping[Endpoint, str]
    ) -> Endpoint:
        """The endpoint to ask next, waiting for one that rests; SourceFailed when that takes too long.

        When patience is at its end, those not yet tried still get their chance.
        """
        while True:
            now = trio.current_time()
            without = self._without(blob, now) | (set(tried) if now >= patience_ends else set())
            endpoint = self._roster.pick(now, without)
            if endpoint:
                return endpoint
            free_at = self._roster.next_free(without)
            if free_at is None or free_at > patience_ends:
                raise self._failure(blob, tried)
            await trio.sleep_until(free_at)

    def _without(self, blob: Blob, now: float) -> set[Endpoint]:
        """The endpoints that do not have this blob as it should be."""
        found = ((endpoint, self._spoiled.get((endpoint, blob))) for endpoint in self._endpoints)
        return {endpoint for endpoint, spoiled in found if spoiled and spoiled[0] > now}

    def _note(self, endpoint: Endpoint, blob: Blob, trouble: Trouble) -> None:
        """Remember what went wrong: with the endpoint, or with this blob there."""
        now = trio.current_time()
        if isinstance(trouble, Unavailable):
            self._roster.failed(endpoint, now, trouble.reason, trouble.retry_after)
        else:
            self._spoiled[endpoint, blob] = now + SPOILED_SECONDS, trouble.reason

    def _failure(self, blob: Blob, tried: Mapping[Endpoint, str]) -> SourceFailed:
        """What to say when no endpoint is left: of each the last that is known."""
        resting = {status.url: status.resting_because for status in self.speeds()}
        told = []
        for endpoint in self._endpoints:
            _, spoiled = self._spoiled.get((endpoint, blob), (0.0, None))
            reason = spoiled or tried.get(endpoint) or resting[endpoint.url]
            told.append(f"{endpoint}: {reason}")
        source = Source("upstream", self._endpoints[0].url)
        path = self._opener.path(blob)
        return SourceFailed(source, f"no upstream gives {path} ({'; '.join(told)})", lasting=True)

    # --- one run from one endpoint ---

    async def _receive(self, endpoint: Endpoint, run: Run, delivery: _Delivery) -> None:
        """Deliver as much of the run as this endpoint gives; Trouble when that is not all.

        Until an endpoint is known to honour ranges, its body may turn out to be one for all runs of a blob.
        """
        key = endpoint, run.blob
        if not run.whole and (endpoint not in self._ranged or key in self._in_order):
            await self._receive_in_order(endpoint, self._in_order.setdefault(key, InOrder()), run, delivery)
            return
        body = await self._open(endpoint, run)
        try:
            if not body.is_just(run):
                self._in_order.setdefault(key, InOrder())
                raise Left("it ignores ranges for this file")
            await self._cut(body, run, delivery)
        finally:
            await body.aclose()

    async def _receive_in_order(
        self, endpoint: Endpoint, shared: InOrder, run: Run, delivery: _Delivery
    ) -> None:
        while delivery.count < run.count:
            async with shared.turn(run):
                body = shared.body
                if body is None or not body.covers(run):
                    body = await self._open_shared(endpoint, shared, run)
                    if not body.is_just(run) and not shared.comes_first(run):
                        continue
                if run.start - body.position > SKIP_BYTES and self._has_other(endpoint, run.blob):
                    raise BadAnswer("it ignores ranges")
                await body.skip_to(run.start)
                await self._cut(body, run, delivery)
                if body.position == body.stop:
                    await shared.drop()

    async def _open(self, endpoint: Endpoint, run: Run) -> Body:
        return await self._opener.open(endpoint, run, self._without(run.blob, trio.current_time()))

    async def _open_shared(self, endpoint: Endpoint, shared: InOrder, run: Run) -> Body:
        await shared.drop()
        body = shared.body = await self._open(endpoint, run)
        if body.is_just(run):
            self._ranged.add(endpoint)
            self._in_order.pop((endpoint, run.blob), None)
            shared.send_away("it honours ranges")
        return body

    def _has_other(self, endpoint: Endpoint, blob: Blob) -> bool:
        """Whether another endpoint could be asked now that is not known to ignore ranges too."""
        now = trio.current_time()
        same = {other for other in self._endpoints if (other, blob) in self._in_order}
        return self._roster.pick(now, self._without(blob, now) | same | {endpoint}) is not None

    async def _cut(self, body: Body, run: Run, delivery: _Delivery) -> None:
        """Deliver the chunks of the run, the next byte of the body being its first."""
        cutter = Cutter(run)
        while cutter.left:
            block = await body.take(run.stop - body.position)
            await self._limiter.take(len(block))
            for number, data in cutter.feed(block):
                await delivery(number, data)

    async def _close_idle_bodies(self, used_before: float) -> None:
        for key, shared in list(self._in_order.items()):
            if shared.idle and shared.used_at < used_before:
                del self._in_order[key]
                await shared.drop()


class _Delivery:
    """Passes chunks on under an endpoint's name and counts them."""

    def __init__(self, roster: Roster, endpoint: Endpoint, deliver: Deliver) -> None:
        self.count = 0
        self._roster = roster
        self._endpoint = endpoint
        self._deliver = deliver
        self._source = Source("upstream", endpoint.url)

    async def __call__(self, number: int, data: Bytes) -> None:
        await self._deliver(self._source, [(number, data)])
        self._roster.delivered(self._endpoint)
        self.count += 1
