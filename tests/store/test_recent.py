"""The chunks stored last, and no more of them than agreed."""

from __future__ import annotations

from protocol.chunks import Chunk
from protocol.manifest import Blob
from swarm.store.recent import Recent

ONE = Blob("sha256", bytes(32), 10)
TWO = Blob("sha256", bytes([1]) * 32, 10)


def chunk(length: int, fill: int = 0) -> Chunk:
    return Chunk.named(bytes([fill]) * length)


def test_the_oldest_goes_first() -> None:
    recent = Recent(10)
    first, second, third = chunk(4), chunk(4, 1), chunk(4, 2)
    recent.add(ONE, 0, first)
    recent.add(ONE, 1, second)
    assert recent.get(ONE, 0) is first
    recent.add(TWO, 0, third)
    assert [recent.get(ONE, 0), recent.get(ONE, 1), recent.get(TWO, 0)] == [None, second, third]


def test_a_chunk_that_is_stored_anew_takes_the_place_of_the_old_one() -> None:
    recent = Recent(10)
    other = chunk(6, 1)
    recent.add(ONE, 0, chunk(6))
    recent.add(ONE, 0, other)
    assert recent.get(ONE, 0) is other
    recent.add(ONE, 1, chunk(4))
    assert recent.get(ONE, 0) is other


def test_what_is_larger_than_all_of_it_is_not_kept() -> None:
    recent = Recent(3)
    recent.add(ONE, 0, chunk(4))
    assert recent.get(ONE, 0) is None
    recent.add(ONE, 1, chunk(3))
    assert recent.get(ONE, 1) is not None


def test_a_blob_can_be_forgotten() -> None:
    recent = Recent(10)
    recent.add(ONE, 0, chunk(4))
    recent.add(TWO, 0, chunk(4))
    recent.forget(ONE)
    assert recent.get(ONE, 0) is None
    assert recent.get(TWO, 0) is not None
    recent.add(ONE, 1, chunk(6))
    assert recent.get(TWO, 0) is not None
