"""How chunks become data frames."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from mmap import mmap

from hypothesis import given
from hypothesis import strategies as st

from protocol.chunks import LARGEST_CHUNK, Bytes
from protocol.ids import SnapshotKey
from protocol.limits import KIB, MAX_DATA_PAYLOAD, MAX_PIECES
from swarm.exchange.reading import Reading, data_frames
from swarm.store import ChunkReader

TOPIC = SnapshotKey(bytes(32))


@given(st.lists(st.integers(1, 600_000), max_size=12), st.sampled_from([1000, 65_536, MAX_DATA_PAYLOAD]))
def test_frames_hold_all_bytes_in_order_and_keep_their_limits(sizes: list[int], payload: int) -> None:
    data = b"".join(bytes([number]) * size for number, size in enumerate(sizes))
    frames = list(data_frames(TOPIC, list(enumerate(sizes)), memoryview(data), payload))
    joined: dict[int, int] = {}
    for chunk, offset, length in [piece for frame in frames for piece in frame.pieces]:
        assert offset == joined.get(chunk, 0)
        joined[chunk] = offset + length
    assert list(joined.items()) == list(enumerate(sizes))
    assert b"".join(frame.payload for frame in frames) == data
    for frame in frames:
        assert len(frame.payload) <= payload
        assert len(frame.pieces) == 1 or all(sizes[chunk] <= payload for chunk, _, _ in frame.pieces)
    for one, other in pairwise(frames):
        if sizes[one.pieces[-1][0]] <= payload:
            assert len(one.payload) + sizes[other.pieces[0][0]] > payload


def test_no_frame_has_too_many_pieces() -> None:
    chunks = [(number, 1) for number in range(MAX_PIECES + 1)]
    frames = list(data_frames(TOPIC, chunks, memoryview(bytes(len(chunks))), MAX_DATA_PAYLOAD))
    assert [len(frame.pieces) for frame in frames] == [MAX_PIECES, 1]


def reading(*data: bytes | None, in_memory: Collection[int] = ()) -> Reading:
    """Of these chunks, which are read from disk if they are not `in_memory`; None is not there."""

    def reader(number: int) -> ChunkReader:
        def read(memory: memoryview) -> Bytes | None:
            chunk = data[number]
            if chunk is None or number in in_memory:
                return chunk
            memory[: len(chunk)] = chunk
            return memory[: len(chunk)]

        return ChunkReader(read, number in in_memory)

    asked = [(number, reader(number)) for number in range(len(data))]
    return Reading(TOPIC, asked, MAX_DATA_PAYLOAD, mmap(-1, LARGEST_CHUNK))


def test_one_chunk_that_is_in_memory_is_not_copied() -> None:
    data = bytes(256 * KIB)
    frame = reading(data, in_memory=[0]).next_frame()
    assert frame is not None
    assert isinstance(frame.payload, memoryview)
    assert frame.payload.obj is data


@given(
    st.lists(st.none() | st.binary(min_size=1, max_size=50), min_size=1, max_size=6),
    st.sets(st.integers(0, 5)),
)
def test_all_that_is_there_goes_into_one_frame(data: list[bytes | None], in_memory: set[int]) -> None:
    made = reading(*data, in_memory=in_memory)
    frame = made.next_frame()
    there = [(number, chunk) for number, chunk in enumerate(data) if chunk is not None]
    assert made.absent == [number for number, chunk in enumerate(data) if chunk is None]
    assert not made.more
    if not there:
        assert frame is None
        return
    assert frame is not None
    assert frame.pieces == tuple((number, 0, len(chunk)) for number, chunk in there)
    assert frame.payload == b"".join(chunk for _, chunk in there)
    assert made.made == len(frame.payload)
