"""Chunks: all nodes cut alike, and whoever holds a Chunk holds the right bytes."""

from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from protocol.chunks import LARGEST_CHUNK, Chunk, WrongBytes, chunk_count, chunk_length
from protocol.ids import ChunkDigest
from protocol.limits import GIB, KIB, MIB


@pytest.mark.parametrize(
    ("size", "length"),
    [
        (0, 256 * KIB),
        (GIB - 1, 256 * KIB),
        (GIB, MIB),
        (4 * GIB - 1, MIB),
        (4 * GIB, 2 * MIB),
        (16 * GIB - 1, 2 * MIB),
        (16 * GIB, 4 * MIB),
        (1 << 53, 4 * MIB),
    ],
)
def test_the_length_is_a_function_of_the_size(size: int, length: int) -> None:
    assert chunk_length(size) == length <= LARGEST_CHUNK


@given(st.integers(0, 1 << 53))
def test_as_many_chunks_as_cover_the_file(size: int) -> None:
    assert chunk_count(size) * chunk_length(size) >= size
    assert (chunk_count(size) - 1) * chunk_length(size) < size


@given(st.binary(max_size=100))
def test_a_chunk_is_what_its_digest_says(data: bytes) -> None:
    digest = ChunkDigest(blake3(data).digest())
    for chunk in (Chunk(data, digest), Chunk.named(data), Chunk(bytearray(data), digest)):
        assert bytes(chunk.data) == bytes(chunk.memory) == data
        assert chunk.data.readonly
        assert chunk.digest == digest
        assert len(chunk) == len(data)


def test_other_bytes_make_no_chunk() -> None:
    with pytest.raises(WrongBytes):
        Chunk(b"other", Chunk.named(b"bytes").digest)


def test_a_chunk_does_not_copy() -> None:
    payload = memoryview(b"payload").toreadonly()
    assert Chunk.named(payload).data.obj is payload.obj
