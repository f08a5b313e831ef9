"""The inbox: frames come out as they went in, however they were cut, and no length is believed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.frames import BadFrame
from protocol.inbox import BLOCK, OWN_FROM, READ_AHEAD, Inbox
from protocol.noise import TAG

CAP = 20_000


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def fill(inbox: Inbox, data: bytes) -> Iterator[None]:
    """Give the inbox as much as there is room for, again and again, until `data` is used up."""
    while data:
        space = inbox.space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        inbox.wrote(count)
        data = data[count:]
        yield


def pour(inbox: Inbox, data: bytes, cap: int = CAP) -> list[bytes]:
    """Every frame that these bytes make whole, taken out as soon as it is."""
    frames = []
    for _ in fill(inbox, data):
        while (frame := inbox.next_frame(cap)) is not None:
            frames.append(bytes(frame))
    return frames


bodies = st.lists(st.integers(0, 12_000).map(lambda size: bytes([size % 251]) * size), max_size=6)


@given(bodies, st.lists(st.integers(1, 9000), max_size=12), st.sampled_from([OWN_FROM, 5000, 4097]))
def test_frames_come_out_however_they_were_cut(frames: list[bytes], cuts: list[int], own_from: int) -> None:
    stream = b"".join(map(framed, frames))
    inbox, found = Inbox(), []
    with patch("protocol.inbox.OWN_FROM", own_from):
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


LARGE = bytes(range(256)) * (OWN_FROM // 256)


def large_frame(inbox: Inbox, body: bytes) -> memoryview:
    """A frame of which the length came first, as it lies."""
    cap = 2 * OWN_FROM
    assert pour(inbox, framed(body)[:4], cap) == []
    for _ in fill(inbox, body):
        pass
    frame = inbox.next_frame(cap)
    assert frame is not None
    assert inbox.next_frame(cap) is None
    return frame


def test_a_large_frame_stays_while_others_come() -> None:
    inbox = Inbox()
    assert pour(inbox, framed(b"small")) == [framed(b"small")]
    first = large_frame(inbox, LARGE)
    second = large_frame(inbox, bytes(len(LARGE)))
    assert pour(inbox, framed(b"small")) == [framed(b"small")]
    assert bytes(first) == framed(LARGE)
    assert bytes(second) == framed(bytes(len(LARGE)))


def test_what_was_in_a_large_frame_ends_at_a_block() -> None:
    asked: list[tuple[int, memoryview]] = []

    def lend(size: int) -> memoryview:
        asked.append((size, memoryview(bytearray(size + 1000))))
        return asked[-1][1]

    inbox = Inbox(lend)
    for length in (OWN_FROM, OWN_FROM + 1, OWN_FROM + BLOCK - 1, 2 * OWN_FROM):
        frame = large_frame(inbox, bytes(length))
        size, memory = asked.pop()
        assert not asked
        assert size <= 4 + length + BLOCK + READ_AHEAD
        plaintext_end = size - READ_AHEAD - TAG
        assert plaintext_end % BLOCK == 0
        memory[plaintext_end - 1] = 77
        assert frame[-TAG - 1] == 77


def test_a_large_frame_that_comes_in_parts_is_never_moved() -> None:
    asked: list[int] = []

    def lend(size: int) -> memoryview:
        asked.append(size)
        return memoryview(bytearray(size))

    inbox = Inbox(lend)
    whole = framed(LARGE)
    for start in range(0, len(whole), 100_000):
        found = pour(inbox, whole[start : start + 100_000], OWN_FROM)
    assert found == [whole]
    assert len(asked) == 1


def test_what_follows_a_large_frame_is_not_lost() -> None:
    inbox = Inbox()
    assert pour(inbox, framed(LARGE)[:4], OWN_FROM) == []
    rest = LARGE + framed(b"one") + framed(b"two") + b"\0\0"
    space = inbox.space()
    space[: len(rest)] = rest
    inbox.wrote(len(rest))
    for body in (LARGE, b"one", b"two"):
        frame = inbox.next_frame(OWN_FROM)
        assert frame is not None
        assert bytes(frame) == framed(body)
    assert inbox.next_frame(OWN_FROM) is None
    assert pour(inbox, b"\0\1x") == [framed(b"x")]
