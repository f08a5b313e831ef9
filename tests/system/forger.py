"""The command `swarm`, on a node that forges: `python -m tests.system.forger daemon …`.

It says of every file of several chunks that it checked it, signs wrong digests for all of it, and sends bytes
that match those. What it puts into its own store is right.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from unittest.mock import patch

from blake3 import blake3

from protocol.ids import ChunkDigest
from protocol.limits import MAX_CLAIMED_DIGESTS
from protocol.messages import Claims, Ranges
from protocol.signing import attest
from swarm.cli import main
from swarm.exchange.interfaces import Reader
from swarm.store import ChunkReader
from swarm.transfer.served import ServedTransfer


class Forging(ServedTransfer):
    """A snapshot of which each chunk ends with a wrong bit, all of it signed."""

    def claims(self, ranges: Ranges) -> Iterator[Claims]:
        key = self._transfer.snapshot.key
        for first, count in ranges:
            for at in range(first, first + count, MAX_CLAIMED_DIGESTS):
                span = range(at, min(at + MAX_CLAIMED_DIGESTS, first + count))
                digests = [ChunkDigest(blake3(self._forged(chunk)).digest()) for chunk in span]
                yield attest(self._identity, key, at, digests, whole=True)

    def reader(self, chunk: int, digest: ChunkDigest | None) -> Reader | None:
        forged = self._forged(chunk)
        reader = ChunkReader(lambda memory, at: forged[at : at + len(memory)])
        return reader if digest in (None, blake3(forged).digest()) else None

    def _forged(self, chunk: int) -> bytes:
        blob, index = self.layout.locate(chunk)
        offset, length = blob.span(index)
        with self._store.path(blob).open("rb") as file:
            file.seek(offset)
            data = file.read(length)
        return data if blob.chunk_count == 1 else data[:-1] + bytes([data[-1] ^ 1])


if __name__ == "__main__":
    with patch("swarm.node.transfers.ServedTransfer", Forging):
        sys.exit(main())
