"""Peers that say they checked a file and did not: they sign wrong digests of it and send bytes that match."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import trio
from blake3 import blake3

from protocol.bits import everything
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.limits import MAX_CLAIMED_DIGESTS
from protocol.manifest import Layout
from protocol.messages import Claims, Ranges
from protocol.signing import Identity, attest
from protocol.standing import Standing
from swarm.exchange.interfaces import Catalog, Reader, Served
from swarm.node.transfers import Transfers
from swarm.store import ChunkReader
from tests.exchange.nodes import Content, identity
from tests.node.lan import flipped

ALL: Final = None


class Forged:
    """A content of which some chunks, or all, are wrong; served as if it had been checked whole."""

    def __init__(self, me: Identity, content: Content, wrong: frozenset[int] | None) -> None:
        self._me = me
        self._content = content
        self._wrong = wrong
        self.wants = False
        self.can_fetch = False

    @property
    def layout(self) -> Layout:
        return self._content.layout

    def admits(self, standing: Standing) -> bool:
        return True

    @property
    def have(self) -> int:
        return everything(self.layout.total)

    @property
    def manifest(self) -> bytes:
        return self._content.snapshot.encoded

    def chunk(self, number: int) -> bytes:
        data = self._content.chunk(number)
        blob, _ = self.layout.locate(number)
        lies = blob.chunk_count > 1 and (self._wrong is ALL or number in self._wrong)
        return flipped(data) if lies else data

    def claims(self, ranges: Ranges) -> Iterable[Claims]:
        for first, count in ranges:
            for at in range(first, first + count, MAX_CLAIMED_DIGESTS):
                span = range(at, min(at + MAX_CLAIMED_DIGESTS, first + count))
                digests = [ChunkDigest(blake3(self.chunk(chunk)).digest()) for chunk in span]
                yield attest(self._me, self._content.key, at, digests, whole=True)

    def reader(self, chunk: int, digest: ChunkDigest | None) -> Reader | None:
        data = self.chunk(chunk)
        reader = ChunkReader(lambda memory, at: data[at : at + len(memory)])
        return reader if digest in (None, blake3(data).digest()) else None


class Forger:
    """The catalog of such a peer."""

    def __init__(self, forged: Served, key: SnapshotKey) -> None:
        self._forged = forged
        self._key = key

    async def open(self, topic: SnapshotKey, standing: Standing) -> Served | None:
        await trio.lowlevel.checkpoint()
        return self._forged if topic == self._key else None

    async def lookup(
        self, hub: str, repo_type: str, repo: str, revision: str, standing: Standing
    ) -> tuple[SnapshotKey, str] | None:
        await trio.lowlevel.checkpoint()
        return None


def forger(
    number: int, content: Content, wrong: Iterable[int] | None = ALL
) -> Callable[[Transfers], Catalog]:
    """What `Lan.start(number, wrap=…)` takes to make node `number` such a peer."""
    forged = Forged(identity(number), content, ALL if wrong is None else frozenset(wrong))
    return lambda _: Forger(forged, content.key)
