"""How chunks become data frames."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import SnapshotKey
from protocol.limits import KIB, MAX_DATA_PAYLOAD, MAX_PIECES
from swarm.exchange.reading import data_frames

TOPIC = SnapshotKey(bytes(32))


@given(st.lists(st.integers(1, 600_000), max_size=12), st.sampled_from([1000, 65_536, MAX_DATA_PAYLOAD]))
def test_frames_hold_all_bytes_in_order_and_keep_their_limits(sizes: list[int], payload: int) -> None:
    chunks = [(number, memoryview(bytes([number]) * size)) for number, size in enumerate(sizes)]
    frames = list(data_frames(TOPIC, chunks, payload))
    joined: dict[int, int] = {}
    for chunk, offset, length in [piece for frame in frames for piece in frame.pieces]:
        assert offset == joined.get(chunk, 0)
        joined[chunk] = offset + length
    assert list(joined.items()) == list(enumerate(sizes))
    assert b"".join(frame.payload for frame in frames) == b"".join(data for _, data in chunks)
    for frame in frames:
        assert len(frame.payload) <= payload
        assert len(frame.pieces) == 1 or all(sizes[chunk] <= payload for chunk, _, _ in frame.pieces)
    for one, other in pairwise(frames):
        if sizes[one.pieces[-1][0]] <= payload:
            assert len(one.payload) + sizes[other.pieces[0][0]] > payload


def test_no_frame_has_too_many_pieces() -> None:
    chunks = [(number, memoryview(b"x")) for number in range(MAX_PIECES + 1)]
    frames = list(data_frames(TOPIC, chunks, MAX_DATA_PAYLOAD))
    assert [len(frame.pieces) for frame in frames] == [MAX_PIECES, 1]


def test_one_chunk_is_not_copied() -> None:
    data = bytes(256 * KIB)
    [frame] = data_frames(TOPIC, [(0, memoryview(data))], MAX_DATA_PAYLOAD)
    assert isinstance(frame.payload, memoryview)
    assert frame.payload.obj is data
