"""Whom to believe about a chunk, and what a failed blob takes back."""

from __future__ import annotations

import pytest

from protocol.ids import ChunkDigest, NodeId, SnapshotKey
from protocol.limits import KIB
from protocol.manifest import Blob, Layout
from protocol.messages import Claims
from protocol.signing import Identity, attest
from swarm.transfer.claims import ATTESTED_TIMES, MAX_ABSENT_WORDS, ClaimBook

TOPIC = SnapshotKey(bytes(32))
BLOB = Blob("sha256", b"\1" * 32, 4 * 256 * KIB)
SMALL = Blob("sha256", b"\2" * 32, 100)
A, B = (Identity(bytes([n]) * 32, bytes([n]) * 32) for n in (1, 2))


def digest(n: int) -> ChunkDigest:
    return ChunkDigest(bytes([n]) * 32)


def said(by: Identity, first: int, *digests: int, whole: bool = False) -> tuple[Claims, NodeId]:
    return attest(by, TOPIC, first, [digest(n) for n in digests], whole), by.node_id


@pytest.fixture
def book() -> ClaimBook:
    return ClaimBook(Layout([BLOB, SMALL]))


def test_first_claim_is_believed_and_a_second_is_not(book: ClaimBook) -> None:
    assert book.add(*said(A, 0, 1, 2), settled=0) == 0b11
    assert book.add(*said(B, 0, 9, 2), settled=0) == 0
    assert book.digest(0) == digest(1)
    assert book.voucher(0, digest(1)) == A.node_id
    assert book.voucher(0, digest(9)) == B.node_id
    assert book.voucher(0, digest(8)) is None


def test_who_checked_the_whole_is_believed_over_who_did_not(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1), settled=0)
    assert book.add(*said(B, 0, 9, whole=True), settled=0) == 0b1
    assert book.digest(0) == digest(9)


def test_what_is_held_is_not_changed_by_a_claim(book: ClaimBook) -> None:
    book.settle(0, digest(1))
    assert book.add(*said(B, 0, 9, whole=True), settled=0b1) == 0
    assert book.digest(0) == digest(1)


def test_blobs_of_one_chunk_need_no_claim(book: ClaimBook) -> None:
    assert book.add(*said(A, 4, 7), settled=0) == 0
    assert book.digest(4) is None


def test_claims_past_the_end_are_ignored(book: ClaimBook) -> None:
    assert book.add(*said(A, 4, 1, 2), settled=0) == 0


def test_failing_takes_back_the_vouchers_and_believes_others(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1, 2, 3, 4), settled=0)
    book.add(*said(B, 1, 9), settled=0)
    assert book.fail(BLOB) == 0b10
    assert [book.digest(chunk) for chunk in range(4)] == [None, digest(9), None, None]
    assert book.attestations(0, 4) == [said(B, 1, 9)[0]]


def test_a_voucher_who_failed_is_believed_again_only_about_the_whole(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1, 2, 3, 4), settled=0)
    book.fail(BLOB)
    assert book.add(*said(A, 0, 1, 2, 3, 4), settled=0) == 0
    assert book.add(*said(A, 0, 5, 2, 3, 4, whole=True), settled=0) == 0b1111
    assert book.liars == set()


def test_who_lied_about_the_whole_is_believed_no_more(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1, 2, 3, 4, whole=True), settled=0)
    book.fail(BLOB)
    assert book.liars == {A.node_id}
    assert book.add(*said(A, 0, 2, whole=True), settled=0) == 0
    assert book.add(*said(B, 0, 5, 2, 3, 4, whole=True), settled=0) == 0b1111
    assert book.digest(0) == digest(5)


def test_an_honest_word_mixed_with_a_lie_is_no_lie(book: ClaimBook) -> None:
    book.add(*said(B, 1, 9, whole=True), settled=0)
    book.add(*said(A, 0, 1, 2, 3, 4, whole=True), settled=0)
    assert [book.digest(chunk) for chunk in range(4)] == [digest(n) for n in (1, 9, 3, 4)]
    assert book.fail(BLOB) == 0b1111
    assert book.liars == set()
    assert [book.digest(chunk) for chunk in range(4)] == [digest(n) for n in (1, 2, 3, 4)]


def test_a_referee_alone_is_believed_and_alone_to_blame(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1, 2, 3, 4), settled=0)
    book.fail(BLOB)
    assert book.add(*said(B, 0, 9, whole=True), settled=0) == 0b1
    assert book.add(*said(A, 0, 1, 2, 3, 4, whole=True), settled=0) == 0
    assert book.add(*said(B, 1, 2, 3, 4, whole=True), settled=0) == 0b1110
    assert book.fail(BLOB) == 0b1111
    assert book.liars == {B.node_id}
    assert [book.digest(chunk) for chunk in range(4)] == [digest(n) for n in (1, 2, 3, 4)]


def test_another_referee_when_one_leaves(book: ClaimBook) -> None:
    book.fail(BLOB)
    book.add(*said(B, 0, 9, whole=True), settled=0)
    book.left(A.node_id)
    assert book.add(*said(A, 1, 2, whole=True), settled=0) == 0
    book.left(B.node_id)
    assert book.add(*said(A, 1, 2, whole=True), settled=0) == 0b10


def test_who_says_otherwise_of_what_it_checked_is_a_liar_once_the_blob_matches(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1, 2, 3, 4), settled=0)
    book.add(*said(B, 0, 9, whole=True), settled=0b1111)
    assert book.confirm(BLOB) == {B.node_id}
    assert book.liars == {B.node_id}


def test_who_was_deceived_about_single_chunks_is_no_liar(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1, 2, 3, 4), settled=0)
    book.add(*said(B, 0, 9), settled=0)
    assert book.confirm(BLOB) == set()


def test_a_voucher_stands_by_its_word_until_it_names_what_is_right(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1, 2, 3, 4), settled=0)
    book.fail(BLOB)
    book.settle(0, digest(5))
    assert book.stands_by(A.node_id, 0)
    book.add(*said(A, 0, 5, whole=True), settled=0b1)
    assert not book.stands_by(A.node_id, 0)


def test_second_opinion_believes_another_claim_if_there_is_one(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1), settled=0)
    assert not book.second_opinion(0)
    book.add(*said(B, 0, 9), settled=0)
    assert book.second_opinion(0)
    assert book.digest(0) == digest(9)


def test_attestations_are_those_that_touch_the_span(book: ClaimBook) -> None:
    one, two = said(A, 0, 1, 2), said(A, 2, 3)
    book.add(*one, settled=0)
    book.add(*two, settled=0)
    assert book.attestations(1, 1) == [one[0]]
    assert book.attestations(2, 2) == [two[0]]


# --- what is known for sure -------------------------------------------------------------------------------


def test_what_is_known_refutes_who_says_otherwise_of_the_blob(book: ClaimBook) -> None:
    book.fail(BLOB)
    book.add(*said(A, 0, 1, 2, 3, 4, whole=True), settled=0)
    book.add(*said(B, 0, 1, 9, 3, 4, whole=True), settled=0)
    assert book.know(1, digest(9), settled=0) == 0b0010
    assert book.refuted(A.node_id, BLOB)
    assert not book.refuted(B.node_id, BLOB)
    assert [book.digest(chunk) for chunk in range(4)] == [digest(n) for n in (1, 9, 3, 4)]
    assert book.add(*said(A, 0, 1, 9, 3, 4, whole=True), settled=0) == 0
    assert book.named(A.node_id, BLOB) == {}


def test_what_is_known_refutes_who_comes_later_before_it_is_believed(book: ClaimBook) -> None:
    book.fail(BLOB)
    book.know(1, digest(9), settled=0)
    assert book.add(*said(A, 0, 1, 2, 3, 4, whole=True), settled=0) == 0
    assert book.digest(0) is None
    assert book.add(*said(B, 0, 1, 9, 3, 4, whole=True), settled=0) == 0b1111


def test_what_is_held_stays_as_it_is_believed_whoever_is_refuted(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1, 2, 3, 4), settled=0)
    assert book.refute({A.node_id}, BLOB, settled=0b0011) == 0b1100
    assert [book.digest(chunk) for chunk in range(4)] == [digest(1), digest(2), None, None]


def test_once_a_blob_matches_nothing_of_its_trial_is_remembered(book: ClaimBook) -> None:
    book.fail(BLOB)
    book.know(1, digest(9), settled=0)
    book.add(*said(A, 0, 1, 2, 3, 4, whole=True), settled=0)
    book.confirm(BLOB)
    assert not book.refuted(A.node_id, BLOB)


# --- how much of it is kept -------------------------------------------------------------------------------


def signers(count: int) -> list[Identity]:
    return [Identity(bytes([100 + n]) * 32, bytes([100 + n]) * 32) for n in range(count)]


def test_of_signers_that_take_no_part_a_few_words_are_kept(book: ClaimBook) -> None:
    for by in signers(3 * MAX_ABSENT_WORDS):
        book.add(*said(by, 0, 1, 2, 3, 4, whole=True), settled=0, passed_on=True)
    named = [by for by in signers(3 * MAX_ABSENT_WORDS) if book.named(by.node_id, BLOB)]
    assert len(named) == MAX_ABSENT_WORDS
    assert len(book.attestations(0, 4)) == MAX_ABSENT_WORDS
    book.add(*said(A, 0, 1, 2, 3, 4, whole=True), settled=0)
    assert book.named(A.node_id, BLOB)


def test_who_comes_and_goes_under_new_keys_leaves_nothing_behind(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1, 2, 3, 4, whole=True), settled=0)
    for by in signers(50):
        book.add(*said(by, 0, 1, 9, 3, 4, whole=True), settled=0)
        book.left(by.node_id)
    assert not any(book.named(by.node_id, BLOB) for by in signers(50))
    assert book.attestations(0, 4) == [said(A, 0, 1, 2, 3, 4, whole=True)[0]]


def test_what_is_believed_on_one_word_alone_stays_when_its_signer_leaves(book: ClaimBook) -> None:
    book.add(*said(A, 0, 1, 2), settled=0)
    book.left(A.node_id)
    assert book.digest(0) == digest(1)
    assert book.voucher(0, digest(1)) == A.node_id
    assert book.attestations(0, 4) == [said(A, 0, 1, 2)[0]]


def test_one_signer_cannot_have_the_same_chunks_kept_over_and_over() -> None:
    many = Blob("sha256", b"\3" * 32, 64 * 256 * KIB)
    book = ClaimBook(Layout([many]))
    for first in range(32):
        book.add(*said(A, first, *range(1, 33)), settled=0)
    kept = book.attestations(0, 64)
    assert sum(len(claims.digests) for claims in kept) <= ATTESTED_TIMES * many.chunk_count
    assert kept[-1].first == 31
