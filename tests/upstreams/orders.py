"""Shared by the tests of the pool: repositories, orders for them, who saw the token."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from protocol.manifest import Blob, Snapshot
from swarm.cli.demo_repo import Repository
from swarm.upstreams.huggingface import HuggingFace
from swarm.upstreams.pool import UpstreamPool
from tests.upstreams.hubs import CANARY, CHUNK, REPO, Collector, Hubs, seeded


def big(chunks: int = 40, size: int | None = None) -> Repository:
    """One file of so many chunks, kept in LFS."""
    return Repository(REPO, {"big.bin": seeded(chunks * CHUNK if size is None else size)})


def everything(snapshot: Snapshot) -> range:
    return range(snapshot.layout.total)


async def fetched(hub: HuggingFace, chunks: Sequence[int] | None = None) -> tuple[Snapshot, Collector]:
    """Fetch these chunks of the only repository, or all, in one order."""
    snapshot = (await hub.resolve(REPO)).snapshot
    collector = Collector()
    await UpstreamPool(hub, snapshot).fetch(everything(snapshot) if chunks is None else chunks, collector)
    return snapshot, collector


def four_orders(nursery: trio.Nursery, upstream: UpstreamPool, got: Collector) -> None:
    """Fetch the forty chunks of a big file in four orders, side by side."""
    for first in range(0, 40, 10):
        nursery.start_soon(upstream.fetch, range(first, first + 10), got)


def blob_of(snapshot: Snapshot, path: str) -> Blob:
    return next(file.blob for file in snapshot.files if file.path == path)


def shown(hubs: Hubs) -> set[str]:
    """Hosts that saw the token."""
    return {request.url.host for request in hubs.transport.asked if CANARY in str(request.headers.raw)}
