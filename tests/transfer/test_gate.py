"""What happens to a blob that does not match, until it does, and who is named."""

from __future__ import annotations

import pytest

from protocol.ids import ChunkDigest, SnapshotKey, to_text
from protocol.limits import KIB
from protocol.manifest import Blob, Layout
from protocol.signing import Identity, attest
from swarm.errors import WrongContent
from swarm.sources import Source
from swarm.transfer.claims import ClaimBook
from swarm.transfer.gate import REPAIR_ROUNDS, Gate, Wrong

TOPIC = SnapshotKey(bytes(32))
BLOB = Blob("sha256", b"\1" * 32, 3 * 256 * KIB)
ME, OTHER = (Identity(bytes([n]) * 32, bytes([n]) * 32) for n in (1, 2))
MIRROR = Source("upstream", "https://mirror")
PEER = Source("peer", to_text(OTHER.node_id))


def digest(n: int) -> ChunkDigest:
    return ChunkDigest(bytes([n]) * 32)


def gate_with(voucher: Identity) -> tuple[Gate, ClaimBook]:
    book = ClaimBook(Layout([BLOB]))
    book.add(attest(voucher, TOPIC, 0, [digest(1), digest(2), digest(3)], False), voucher.node_id, 0)
    return Gate(Layout([BLOB]), book, ME.node_id), book


def test_failed_chunks_are_quarantined_under_their_digest() -> None:
    gate, _ = gate_with(ME)
    gate.fail(BLOB, dict.fromkeys(range(3), MIRROR))
    assert [gate.quarantined(chunk) for chunk in range(3)] == [digest(1), digest(2), digest(3)]


def test_only_chunks_that_changed_were_wrong_and_the_mirror_is_named() -> None:
    gate, book = gate_with(ME)
    gate.fail(BLOB, dict.fromkeys(range(3), MIRROR))
    for chunk, n in enumerate((1, 9, 3)):
        book.settle(chunk, digest(n))
    assert gate.cleared(BLOB) == [Wrong(1, MIRROR)]
    assert gate.quarantined(0) is None
    assert gate.cleared(BLOB) == []


def test_the_peer_that_vouched_is_named_whoever_sent_the_bytes() -> None:
    gate, book = gate_with(OTHER)
    gate.fail(BLOB, {0: Source("peer", "relay")})
    for chunk, n in enumerate((9, 2, 3)):
        book.settle(chunk, digest(n))
    assert gate.cleared(BLOB) == [Wrong(0, PEER)]


def test_a_blob_that_never_matches_ends_the_get() -> None:
    gate, _ = gate_with(ME)
    for _ in range(REPAIR_ROUNDS):
        gate.fail(BLOB, {0: MIRROR})
    with pytest.raises(WrongContent, match="https://mirror"):
        gate.fail(BLOB, {0: MIRROR})


def test_wrong_single_chunks_count_only_against_mirrors() -> None:
    gate, _ = gate_with(ME)
    for _ in range(REPAIR_ROUNDS + 5):
        gate.fail_chunk(0, PEER)
    for _ in range(REPAIR_ROUNDS):
        gate.fail_chunk(0, MIRROR)
    with pytest.raises(WrongContent):
        gate.fail_chunk(0, MIRROR)
