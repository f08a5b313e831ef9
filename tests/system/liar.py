"""The command `swarm`, on a node that lies to its peers: `python -m tests.system.liar HOW daemon …`.

- `flip`: the last byte of each chunk that it sends is wrong. What it says and signs is right.
- `forge`: each chunk of a large file that it sends is zeros, and it signs that it checked the whole of that.

It is the real node in all other respects, and what it puts into its own store is right.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final
from unittest.mock import patch

from protocol.chunks import Bytes, Chunk
from protocol.ids import ChunkDigest
from protocol.messages import Claims, Ranges
from protocol.signing import attest
from swarm.cli import main
from swarm.transfer.served import ServedTransfer


class Flipping(ServedTransfer):
    """Sends something else than what it says."""

    async def read(self, chunk: int, digest: ChunkDigest | None) -> Bytes | None:
        data = await super().read(chunk, digest)
        return data and bytes(data[:-1]) + bytes([data[-1] ^ 1])


class Forging(ServedTransfer):
    """Sends and vouches for something else than what there is."""

    def claims(self, ranges: Ranges) -> Iterator[Claims]:
        for honest in super().claims(ranges):
            last = honest.first + len(honest.digests)
            digests = tuple(Chunk.named(self._zeros(chunk)).digest for chunk in range(honest.first, last))
            yield attest(self._identity, honest.topic, honest.first, digests, whole=True)

    async def read(self, chunk: int, digest: ChunkDigest | None) -> Bytes | None:
        if self.layout.locate(chunk)[0].chunk_count == 1:
            return await super().read(chunk, digest)
        return self._zeros(chunk)

    def _zeros(self, chunk: int) -> bytes:
        return bytes(self.layout.length(chunk))


WAYS: Final[dict[str, type[ServedTransfer]]] = {"flip": Flipping, "forge": Forging}

if __name__ == "__main__":
    with patch("swarm.node.transfers.ServedTransfer", WAYS[sys.argv[1]]):
        sys.exit(main(sys.argv[2:]))
