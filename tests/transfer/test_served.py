"""A snapshot as peers may have it: what is read to them, what is signed for them."""

from __future__ import annotations

from pathlib import Path

from protocol.chunks import Bytes
from protocol.ids import ChunkDigest
from protocol.limits import KIB
from protocol.signing import attest, check_claims
from swarm.transfer.served import ServedTransfer
from tests.exchange.nodes import Content
from tests.transfer.parts import LIAR, ME, ORIGIN, opened, vouch

CHUNK = 256 * KIB
CONTENT = Content(4 * CHUNK, 50)


def read(served: ServedTransfer, chunk: int, digest: ChunkDigest | None) -> Bytes | None:
    reader = served.reader(chunk, digest)
    return reader(memoryview(bytearray(CHUNK))) if reader else None


async def test_chunks_are_read_under_the_digest_they_are_held_under(tmp_path: Path) -> None:
    async with opened(tmp_path, CONTENT, 1) as (transfer, store):
        served = ServedTransfer(transfer, store, ME)
        assert (served.layout, served.have, served.wants) == (CONTENT.layout, 0b10, False)
        assert served.manifest == CONTENT.snapshot.encoded
        assert read(served, 1, CONTENT.digest(1)) == CONTENT.chunk(1)
        assert read(served, 1, None) == CONTENT.chunk(1)
        assert read(served, 1, CONTENT.digest(0)) is None
        assert read(served, 0, CONTENT.digest(0)) is None


async def test_what_is_in_quarantine_is_not_served(tmp_path: Path) -> None:
    async with opened(tmp_path, CONTENT, 1) as (transfer, store):
        transfer.held.bits = 0
        assert read(ServedTransfer(transfer, store, ME), 1, CONTENT.digest(1)) is None


async def test_others_are_quoted_and_the_rest_is_attested(tmp_path: Path) -> None:
    async with opened(tmp_path, CONTENT, 1, 3) as (transfer, store):
        vouch(transfer.book, CONTENT, 0, 1)
        told = list(ServedTransfer(transfer, store, ME).claims(((0, 4),)))
        assert [(claims.first, check_claims(claims), claims.whole) for claims in told] == [
            (0, ORIGIN.node_id, False),
            (1, ORIGIN.node_id, False),
            (3, ME.node_id, False),
        ]
        assert told[2] == attest(ME, CONTENT.key, 3, [CONTENT.digest(3)], False)


async def test_who_says_otherwise_of_what_is_held_is_contradicted(tmp_path: Path) -> None:
    async with opened(tmp_path, CONTENT, 1) as (transfer, store):
        lie = attest(LIAR, CONTENT.key, 1, [CONTENT.digest(0)], False)
        transfer.book.add(lie, LIAR.node_id, transfer.have)
        told = list(ServedTransfer(transfer, store, ME).claims(((0, 4),)))
        assert told == [lie, attest(ME, CONTENT.key, 1, [CONTENT.digest(1)], False)]


async def test_a_whole_blob_is_attested_as_such_in_own_name(tmp_path: Path) -> None:
    async with opened(tmp_path, CONTENT, 0, 1, 2, 3) as (transfer, store):
        blob = CONTENT.layout.blobs[0]
        await store.commit(blob)
        await transfer.open()
        (claims,) = ServedTransfer(transfer, store, ME).claims(((1, 2), (4, 1)))
        assert claims == attest(ME, CONTENT.key, 1, [CONTENT.digest(1), CONTENT.digest(2)], True)


async def test_questions_about_chunks_there_are_not(tmp_path: Path) -> None:
    async with opened(tmp_path, CONTENT, 0) as (transfer, store):
        assert list(ServedTransfer(transfer, store, ME).claims(((4, 9),))) == []
