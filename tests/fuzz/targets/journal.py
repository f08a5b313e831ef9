"""The journal of a partial blob, after whatever befell the disk: no more is believed than is sound."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.limits import KIB
from protocol.manifest import Blob
from swarm.sources import Source
from swarm.store import journal
from tests.fuzz.samples import digests
from tests.protocol.peers import BOB

BLOB = Blob("sha256", bytes(32), 3 * 256 * KIB + 9)


def seeds() -> Iterator[bytes]:
    (digest,) = digests(1)
    yield b"".join(
        [
            journal.header(BLOB),
            journal.name(1, Source("upstream", "https://hub.test")),
            journal.name(2, BOB.node_id),
            journal.stored(0, journal.Entry(digest, 1, 2)),
            journal.stored(3, journal.Entry(digest, 1, journal.NO_VOUCHER)),
            journal.dropped(0),
        ]
    )


def run(data: bytes) -> None:
    whole = journal.header(BLOB) + data
    for found in (journal.replay(BLOB, data), journal.replay(BLOB, whole)):
        assert 0 <= found.end <= len(whole)
        assert all(0 <= index < BLOB.chunk_count for index in found.entries)
        assert sum(journal.provenance(BLOB, found).values()) <= BLOB.size
