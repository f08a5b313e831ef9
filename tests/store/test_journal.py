"""The journal of a partial blob: what is read back of it, whole, torn or damaged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import ChunkDigest
from swarm.store import journal
from tests.store.samples import HUB, PEER, VOUCHER, sample

BLOB = sample(1_000_000).blob
OTHER = sample(1_000_000, seed=1).blob
DIGEST = ChunkDigest(b"d" * 32)

RECORDS = [
    journal.header(BLOB),
    journal.name(1, HUB),
    journal.name(2, VOUCHER),
    journal.stored(0, journal.Entry(DIGEST, 1, 2)),
    journal.stored(3, journal.Entry(DIGEST, 1, journal.NO_VOUCHER)),
    journal.dropped(0),
    journal.name(3, PEER),
    journal.stored(0, journal.Entry(DIGEST, 3, 2)),
]
WHOLE = b"".join(RECORDS)


def test_replay_gives_the_last_word_on_each_chunk() -> None:
    found = journal.replay(BLOB, WHOLE)
    assert found.end == len(WHOLE)
    assert found.entries == {
        0: journal.Entry(DIGEST, 3, 2),
        3: journal.Entry(DIGEST, 1, journal.NO_VOUCHER),
    }
    assert found.names == {1: HUB, 2: VOUCHER, 3: PEER}


def test_a_torn_journal_counts_up_to_its_last_whole_record() -> None:
    ends = [0]
    for record in RECORDS:
        ends.append(ends[-1] + len(record))
    for cut in range(len(WHOLE)):
        assert journal.replay(BLOB, WHOLE[:cut]).end == max(end for end in ends if end <= cut)


@given(at=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_ends_the_replay_where_it_is(at: int, bit: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[at] ^= 1 << bit
    assert journal.replay(BLOB, bytes(damaged)).end <= at


@given(st.binary(max_size=300))
def test_any_bytes_after_the_header_are_survived(tail: bytes) -> None:
    start = journal.header(BLOB)
    assert journal.replay(BLOB, start + tail).end >= len(start)


def test_the_journal_of_another_blob_is_not_believed() -> None:
    assert journal.replay(OTHER, WHOLE).end == 0


def test_records_that_make_no_sense_end_the_replay() -> None:
    start = journal.header(BLOB) + journal.name(1, HUB) + journal.name(2, VOUCHER)
    for entry, index in (
        (journal.Entry(DIGEST, 1, 0), BLOB.chunk_count),
        (journal.Entry(DIGEST, 2, 0), 0),
        (journal.Entry(DIGEST, 7, 0), 0),
        (journal.Entry(DIGEST, 1, 1), 0),
    ):
        assert journal.replay(BLOB, start + journal.stored(index, entry)).end == len(start)


def test_names_that_are_not_utf_8_come_back_as_they_were() -> None:
    odd = type(HUB)("local", "/m\udcff")
    found = journal.replay(BLOB, journal.header(BLOB) + journal.name(1, odd))
    assert found.names == {1: odd}


def test_provenance_counts_bytes() -> None:
    assert journal.provenance(BLOB, journal.replay(BLOB, WHOLE)) == {
        PEER: BLOB.span(0)[1],
        HUB: BLOB.span(3)[1],
    }
