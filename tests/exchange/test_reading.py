"""How chunks become a data frame."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chunks import Bytes
from protocol.connection import LAID_AT, Laid
from protocol.ids import SnapshotKey
from protocol.inbox import fresh
from protocol.limits import KIB
from protocol.messages import Data
from swarm.exchange.reading import Part, Reading
from swarm.store import ChunkReader

TOPIC = SnapshotKey(bytes(32))


def reader(data: bytes | None, *, in_memory: bool) -> ChunkReader:
    """Of a chunk with these bytes, read from disk if they are not `in_memory`; None is not there."""

    def read(memory: memoryview, at: int) -> Bytes | None:
        assert not in_memory
        if data is None:
            return None
        memory[:] = data[at : at + len(memory)]
        return memory

    return ChunkReader(read, data if in_memory else None)


def reading(*data: bytes | None, in_memory: Collection[int] = ()) -> Reading:
    """Of all of these chunks."""
    sizes = [len(chunk or b"?") for chunk in data]
    parts = [Part(number, None, 0, size, size) for number, size in enumerate(sizes)]
    return Reading(
        TOPIC,
        parts,
        lambda part: reader(data[part.chunk], in_memory=part.chunk in in_memory),
        fresh,
    )


def test_one_chunk_that_is_in_memory_is_not_copied() -> None:
    data = bytes(256 * KIB)
    frame = reading(data, in_memory=[0]).frame()
    assert isinstance(frame, Data)
    assert isinstance(frame.payload, memoryview)
    assert frame.payload.obj is data


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_part_of_a_chunk_goes_alone(in_memory: bool) -> None:
    data = bytes(range(100))
    part = Part(7, None, 30, 60, len(data))
    assert (part.is_whole, part.is_last) == (False, False)
    frame = Reading(TOPIC, [part], lambda _: reader(data, in_memory=in_memory), fresh).frame()
    message = frame.message if isinstance(frame, Laid) else frame
    assert message == Data(TOPIC, ((7, 30, 60),), data[30:90])
    assert Part(7, None, 90, 10, len(data)).is_last


@given(
    st.lists(st.none() | st.binary(min_size=1, max_size=50), min_size=1, max_size=6),
    st.sets(st.integers(0, 5)),
)
def test_all_that_is_there_goes_into_one_frame(data: list[bytes | None], in_memory: set[int]) -> None:
    in_memory = {number for number, chunk in enumerate(data) if chunk is not None and number in in_memory}
    made = reading(*data, in_memory=in_memory)
    assert made.at_hand == (len(in_memory) == len(data))
    frame = made.frame()
    there = [(number, chunk) for number, chunk in enumerate(data) if chunk is not None]
    content = b"".join(chunk for _, chunk in there)
    assert made.absent == [number for number, chunk in enumerate(data) if chunk is None]
    assert made.made == len(content)
    assert made.frame() is None
    if not there:
        assert frame is None
        return
    assert frame is not None
    message = frame.message if isinstance(frame, Laid) else frame
    assert message.pieces == tuple((number, 0, len(chunk)) for number, chunk in there)
    assert message.payload == content
    if isinstance(frame, Laid):
        assert frame.memory[LAID_AT : LAID_AT + len(content)] == content
