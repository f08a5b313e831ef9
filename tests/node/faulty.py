"""Nodes that misbehave, disks that fill up: what a scenario puts round the parts of a node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from protocol.chunks import Bytes, WrongBytes
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.manifest import Blob, Layout
from protocol.messages import Claims, Ranges
from protocol.standing import Standing
from swarm.errors import StoreError
from swarm.exchange.interfaces import Catalog, Reader, Served
from swarm.sources import Source
from swarm.store import ChunkReader, Store, Unverified
from tests.node.lan import flipped


class Wrapped:
    """A catalog that hands on what another says."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def open(self, topic: SnapshotKey, standing: Standing) -> Served | None:
        return await self._catalog.open(topic, standing)

    async def lookup(
        self, hub: str, repo_type: str, repo: str, revision: str, standing: Standing
    ) -> tuple[SnapshotKey, str] | None:
        return await self._catalog.lookup(hub, repo_type, repo, revision, standing)


class FlipsBytes(Wrapped):
    """Sends every chunk with a byte changed."""

    async def open(self, topic: SnapshotKey, standing: Standing) -> Served | None:
        served = await self._catalog.open(topic, standing)
        return Flipping(served) if served else None


class Flipping:
    """A topic served by a liar."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def admits(self, standing: Standing) -> bool:
        return self._served.admits(standing)

    @property
    def layout(self) -> Layout:
        return self._served.layout

    @property
    def wants(self) -> bool:
        return self._served.wants

    @property
    def can_fetch(self) -> bool:
        return self._served.can_fetch

    @property
    def have(self) -> int:
        return self._served.have

    @property
    def manifest(self) -> bytes:
        return self._served.manifest

    def claims(self, ranges: Ranges) -> Iterable[Claims]:
        return self._served.claims(ranges)

    def reader(self, chunk: int, digest: ChunkDigest | None) -> Reader | None:
        reader = self._served.reader(chunk, digest)

        def read(memory: memoryview, at: int) -> Bytes | None:
            data = reader(memory, at) if reader else None
            return flipped(data) if data else None

        return ChunkReader(read)


class Overheard:
    """Notes which topics the exchange had to answer for."""

    def __init__(self) -> None:
        self.topics: list[SnapshotKey] = []

    def wrap(self, catalog: Catalog) -> Catalog:
        noting = self.topics

        class Noting(Wrapped):
            async def open(self, topic: SnapshotKey, standing: Standing) -> Served | None:
                noting.append(topic)
                return await super().open(topic, standing)

        return Noting(catalog)


@contextmanager
def approves_all(store: Store) -> Iterator[None]:
    """The node takes every blob of several chunks for the publisher's, whatever it holds."""

    async def commit(blob: Blob) -> Path:
        return store.path(blob)

    with patch.object(store, "commit", commit):
        yield


@contextmanager
def fills_up(store: Store, *, after: int) -> Iterator[None]:
    """The disk takes so many chunks and then no more."""
    put, left = store.put_verified, after

    async def put_if_room(items: Sequence[Unverified], source: Source) -> list[ChunkDigest | WrongBytes]:
        nonlocal left
        left -= len(items)
        if left < 0:
            raise StoreError("The disk is full.")
        return await put(items, source)

    with patch.object(store, "put_verified", put_if_room):
        yield
