"""What digest a chunk has upstream, and which mirrors are asked."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from blake3 import blake3

from protocol.ids import ChunkDigest
from swarm.sources import Source, SourceFailed
from swarm.sources.interface import Deliver
from swarm.transfer.spotcheck import upstream_digest
from swarm.workers import InlineWorkers

WRONG = ChunkDigest(blake3(b"wrong").digest())
RIGHT = ChunkDigest(blake3(b"right").digest())


class Mirrors:
    """Mirrors by name, each with what it sends; the first that is not set aside is asked."""

    def __init__(self, **sends: bytes) -> None:
        self._sends = sends
        self._aside: set[str] = set()
        self.asked: list[str] = []

    @property
    def usable(self) -> bool:
        return self._aside != set(self._sends)

    @property
    def all_back(self) -> bool:
        return not self._aside

    def avoid(self, source: Source, seconds: float) -> None:
        (self._aside.add if seconds else self._aside.discard)(source.name)

    async def fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
        await trio.lowlevel.checkpoint()
        name = next(name for name in self._sends if name not in self._aside)
        self.asked.append(name)
        if not self._sends[name]:
            raise SourceFailed(Source("upstream", name), "down")
        for chunk in chunks:
            await deliver(Source("upstream", name), [(chunk, self._sends[name])])

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def ask(mirrors: Mirrors | None, failed: ChunkDigest | None) -> ChunkDigest | None:
    digest = await upstream_digest(mirrors, InlineWorkers(), 3, failed)
    assert mirrors is None or mirrors.all_back
    return digest


async def test_one_mirror_that_says_otherwise_than_what_failed_is_enough() -> None:
    mirrors = Mirrors(a=b"right", b=b"wrong")
    assert await ask(mirrors, WRONG) == RIGHT
    assert mirrors.asked == ["a"]


async def test_one_that_says_what_failed_may_be_where_it_came_from() -> None:
    mirrors = Mirrors(a=b"wrong", b=b"right")
    assert await ask(mirrors, WRONG) is None
    assert mirrors.asked == ["a", "b"]


async def test_two_that_agree_are_believed() -> None:
    assert await ask(Mirrors(a=b"wrong", b=b"wrong"), WRONG) == WRONG


async def test_a_single_mirror_is_believed() -> None:
    assert await ask(Mirrors(a=b"wrong"), WRONG) == WRONG
    assert await ask(Mirrors(a=b"wrong"), None) == WRONG


async def test_nothing_is_known_without_upstream() -> None:
    assert await ask(None, WRONG) is None
    assert await ask(Mirrors(), WRONG) is None
    assert await ask(Mirrors(a=b""), WRONG) is None


async def test_a_second_mirror_that_is_down_changes_nothing() -> None:
    assert await ask(Mirrors(a=b"wrong", b=b""), WRONG) == WRONG
