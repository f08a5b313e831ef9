"""The command `swarm`, on a node that lies to its peers: `python -m tests.system.liar daemon …`.

The last byte of each chunk that it sends is wrong. It is the real node in all other respects: what it says
and signs is right, and so is what it puts into its own store.
"""

from __future__ import annotations

import sys
from unittest.mock import patch

from protocol.chunks import Bytes
from protocol.ids import ChunkDigest
from swarm.cli import main
from swarm.exchange.interfaces import Reader
from swarm.store import ChunkReader
from swarm.transfer.served import ServedTransfer


class Flipping(ServedTransfer):
    """Sends something else than what it says."""

    def reader(self, chunk: int, digest: ChunkDigest | None) -> Reader | None:
        reader = super().reader(chunk, digest)

        def read(memory: memoryview, at: int) -> Bytes | None:
            data = reader(memory, at) if reader else None
            return data and bytes(data[:-1]) + bytes([data[-1] ^ 1])

        return ChunkReader(read)


if __name__ == "__main__":
    with patch("swarm.node.transfers.ServedTransfer", Flipping):
        sys.exit(main())
