"""What happens to a blob that does not match, until it does, and who is named."""

from __future__ import annotations

import pytest

from protocol.ids import ChunkDigest, NodeId, SnapshotKey, to_text
from protocol.limits import KIB
from protocol.manifest import Blob, Layout
from protocol.signing import Identity, attest
from swarm.errors import WrongContent
from swarm.sources import Source
from swarm.transfer.claims import ClaimBook
from swarm.transfer.gate import REPAIR_ROUNDS, Gate, Suspect, Wrong

TOPIC = SnapshotKey(bytes(32))
BLOB = Blob("sha256", b"\1" * 32, 3 * 256 * KIB)
OTHER = Identity(bytes([2]) * 32, bytes([2]) * 32)
MIRROR = Source("upstream", "https://mirror")
PEER = Source("peer", to_text(OTHER.node_id))


def digest(n: int) -> ChunkDigest:
    return ChunkDigest(bytes([n]) * 32)


@pytest.fixture
def book() -> ClaimBook:
    return ClaimBook(Layout([BLOB]))


@pytest.fixture
def gate(book: ClaimBook) -> Gate:
    return Gate(Layout([BLOB]), book)


def suspects(*numbers: int, sender: Source = MIRROR, voucher: NodeId | None = None) -> list[Suspect]:
    return [Suspect(chunk, digest(n), sender, voucher) for chunk, n in enumerate(numbers)]


def settle(book: ClaimBook, *numbers: int) -> None:
    for chunk, n in enumerate(numbers):
        book.settle(chunk, digest(n))


def test_failed_chunks_are_quarantined_under_their_digest(gate: Gate) -> None:
    gate.fail(BLOB, suspects(1, 2, 3))
    assert [gate.quarantined(chunk) for chunk in range(3)] == [digest(1), digest(2), digest(3)]
    assert gate.release(1)
    assert gate.quarantined(1) is None
    assert not gate.release(1)


def test_only_chunks_that_changed_were_wrong_and_the_mirror_is_named(gate: Gate, book: ClaimBook) -> None:
    gate.fail(BLOB, suspects(1, 2, 3))
    settle(book, 1, 9, 3)
    assert gate.cleared(BLOB) == ({MIRROR}, [Wrong((1,), MIRROR, None)])
    assert gate.quarantined(0) is None
    assert gate.cleared(BLOB) == (set(), [])


def test_the_peer_that_vouched_is_named_whoever_sent_the_bytes(gate: Gate, book: ClaimBook) -> None:
    relay = Source("peer", "relay")
    gate.fail(BLOB, suspects(1, 2, 3, sender=relay, voucher=OTHER.node_id))
    settle(book, 9, 2, 8)
    assert gate.cleared(BLOB) == ({relay}, [Wrong((0, 2), PEER, OTHER.node_id)])


def test_who_has_named_the_right_digests_since_is_not_left_alone(gate: Gate, book: ClaimBook) -> None:
    gate.fail(BLOB, suspects(1, 2, 3, voucher=OTHER.node_id))
    book.add(attest(OTHER, TOPIC, 0, [digest(9), digest(2), digest(3)], True), OTHER.node_id, 0)
    assert gate.cleared(BLOB) == ({MIRROR}, [Wrong((0,), PEER, None)])


def test_each_round_has_its_culprits(gate: Gate, book: ClaimBook) -> None:
    gate.fail(BLOB, suspects(1, 2, 3))
    gate.fail(BLOB, suspects(1, 8, 3, sender=PEER))
    assert gate.quarantined(1) == digest(8)
    settle(book, 1, 9, 3)
    assert gate.cleared(BLOB)[1] == [Wrong((1,), MIRROR, None), Wrong((1,), PEER, None)]


def test_a_blob_that_never_matches_ends_the_get(gate: Gate) -> None:
    for _ in range(REPAIR_ROUNDS):
        gate.fail(BLOB, suspects(1, 2, 3))
    with pytest.raises(WrongContent, match="https://mirror"):
        gate.fail(BLOB, suspects(1, 2, 3))


def test_wrong_single_chunks_count_only_against_mirrors(gate: Gate) -> None:
    for _ in range(REPAIR_ROUNDS + 5):
        gate.fail_chunk(0, PEER)
    for _ in range(REPAIR_ROUNDS):
        gate.fail_chunk(0, MIRROR)
    with pytest.raises(WrongContent):
        gate.fail_chunk(0, MIRROR)


def test_what_to_say_when_nobody_has_the_rest(gate: Gate, book: ClaimBook) -> None:
    assert gate.failure([0]) is None
    gate.fail(BLOB, suspects(1, 2, 3))
    assert isinstance(gate.failure([0]), WrongContent)
    settle(book, 1, 2, 3)
    gate.cleared(BLOB)
    assert gate.failure([0]) is None
