"""The inbox: frames come out as they went in, however they were cut, and no length is believed."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.frames import BadFrame
from protocol.inbox import READ_AHEAD, Inbox

CAP = 20_000


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def pour(inbox: Inbox, data: bytes) -> list[bytes]:
    """Fill as much as there is room for, take out every whole frame, until `data` is used up."""
    frames = []
    while data:
        space = inbox.space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        inbox.wrote(count)
        data = data[count:]
        while (frame := inbox.next_frame(CAP)) is not None:
            frames.append(bytes(frame))
    return frames


bodies = st.lists(st.integers(0, 12_000).map(lambda size: bytes([size % 251]) * size), max_size=6)


@given(bodies, st.lists(st.integers(1, 9000), max_size=12))
def test_frames_come_out_however_they_were_cut(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(framed, frames))
    inbox, found = Inbox(), []
    for cut in cuts:
        found += pour(inbox, stream[:cut])
        stream = stream[cut:]
    found += pour(inbox, stream)
    assert found == [framed(body) for body in frames]
    assert inbox.pending == 0


def test_a_frame_as_long_as_the_cap_and_one_byte_more() -> None:
    assert pour(Inbox(), framed(bytes(CAP))) == [framed(bytes(CAP))]
    with pytest.raises(BadFrame):
        pour(Inbox(), framed(bytes(CAP + 1)))


def test_nothing_is_allocated_for_a_length_above_the_cap() -> None:
    inbox = Inbox()
    tracemalloc.start()
    try:
        with pytest.raises(BadFrame):
            pour(inbox, b"\xff\xff\xff\xff")
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


def test_room_is_that_of_the_frame_and_a_little_ahead() -> None:
    inbox = Inbox()
    assert len(inbox.space()) == 4 + READ_AHEAD
    pour(inbox, framed(bytes(CAP))[:3])
    assert len(inbox.space()) == 1 + READ_AHEAD
    pour(inbox, framed(bytes(CAP))[3:4])
    assert len(inbox.space()) == CAP + READ_AHEAD
    pour(inbox, bytes(CAP - 1))
    assert len(inbox.space()) == 1 + READ_AHEAD


def test_more_than_there_was_room_for() -> None:
    inbox = Inbox()
    space = inbox.space()
    for count in (-1, len(space) + 1):
        with pytest.raises(ValueError):
            inbox.wrote(count)
    inbox.wrote(len(space))


def test_a_part_of_a_frame_is_pending() -> None:
    inbox = Inbox()
    assert pour(inbox, framed(b"whole") + b"\x00\x00") == [framed(b"whole")]
    assert inbox.pending == 2
