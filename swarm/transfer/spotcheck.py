"""What digest a chunk has upstream, asked of one mirror, or of two where one alone might deceive.

A mirror may be the very one that sent the wrong bytes. So when it names the digest that failed, another is
asked as well, if there is one; where the two differ nothing is known.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from protocol.chunks import Chunk
from protocol.ids import ChunkDigest
from swarm.sources import Arrived, Source, SourceFailed
from swarm.transfer.orders import Upstream
from swarm.workers import Workers

ASIDE_SECONDS: Final = 60.0
"""How long a mirror is set aside while another is asked: at most, as it is used again after the answer."""


async def upstream_digest(
    upstream: Upstream | None, workers: Workers, chunk: int, failed: ChunkDigest | None
) -> ChunkDigest | None:
    """The digest of this chunk upstream; None when it cannot be had, or when mirrors differ.

    `failed`: the digest it had in a blob that did not match.
    """
    first = await _ask(upstream, workers, chunk)
    if first is None or upstream is None:
        return None
    source, digest = first
    if digest != failed:
        return digest
    upstream.avoid(source, ASIDE_SECONDS)
    try:
        second = await _ask(upstream, workers, chunk)
    finally:
        upstream.avoid(source, 0.0)
    return digest if second is None or second[1] == digest else None


async def _ask(upstream: Upstream | None, workers: Workers, chunk: int) -> tuple[Source, ChunkDigest] | None:
    """Who sent the chunk, and its digest."""
    found: list[tuple[Source, ChunkDigest]] = []

    async def deliver(source: Source, arrived: Arrived) -> None:
        for _, data in arrived:
            found.append((source, (await workers.run(Chunk.named, data)).digest))

    if upstream is None or not upstream.usable:
        return None
    with suppress(SourceFailed):
        await upstream.fetch([chunk], deliver)
    return found[0] if found else None
