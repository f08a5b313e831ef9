"""Frames: their bytes, their keys, and that nothing touched, swapped or repeated opens."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from protocol.frames import LENGTH, BadFrame, Opener, Sealer
from protocol.noise import TAG

KEY = b"\x0f" * 32


def test_golden_bytes() -> None:
    """A frame is what RFC 5116 AES-256-GCM makes of it: nonce the count, associated data the length."""
    sealer = Sealer(KEY)
    for number, parts in enumerate([(b"abc",), (b"", b"de", b"f" * 100), ()]):
        plaintext = b"".join(parts)
        length = (len(plaintext) + 16).to_bytes(4, "big")
        iv = bytes(4) + number.to_bytes(8, "big")
        assert sealer.seal(*parts) == length + AESGCM(KEY).encrypt(iv, plaintext, length)
    assert Sealer(KEY).seal(b"abc").hex() == "00000013766d72a88d1f5f82a1b9665cc6b1ccaa12a490"


def test_the_next_key_is_derived_as_noise_does_and_the_count_goes_on() -> None:
    sealer = Sealer(KEY, rekey_after=2)
    frames = [bytes(sealer.seal(b"x")) for _ in range(5)]
    keys = [KEY]
    for _ in range(2):
        keys.append(AESGCM(keys[-1]).encrypt(bytes(4) + b"\xff" * 8, bytes(32), b"")[:32])
    length = (17).to_bytes(4, "big")
    for number, frame in enumerate(frames):
        assert frame == length + AESGCM(keys[number // 2]).encrypt(number.to_bytes(12, "big"), b"x", length)
    opener = Opener(KEY, rekey_after=2)
    assert [opener.open(frame) for frame in frames] == [b"x"] * 5


@given(st.lists(st.lists(st.binary(max_size=50), max_size=3), max_size=8), st.integers(1, 4))
def test_what_was_sealed_is_opened(messages: list[list[bytes]], rekey_after: int) -> None:
    sealer, opener = Sealer(KEY, rekey_after), Opener(KEY, rekey_after)
    for parts in messages:
        assert opener.open(sealer.seal(*parts)) == b"".join(parts)


@given(st.integers(0, 22), st.integers(1, 255))
def test_a_touched_frame_does_not_open(position: int, flip: int) -> None:
    frame = bytearray(Sealer(KEY).seal(b"abc"))
    frame[position] ^= flip
    with pytest.raises(BadFrame):
        Opener(KEY).open(frame)


@given(st.binary(max_size=40))
def test_noise_does_not_open(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        Opener(KEY).open(frame)


def test_frames_open_in_their_order_only() -> None:
    sealer = Sealer(KEY)
    first, second = sealer.seal(b"1"), sealer.seal(b"2")
    with pytest.raises(BadFrame):
        Opener(KEY).open(second)
    opener = Opener(KEY)
    opener.open(first)
    with pytest.raises(BadFrame):
        opener.open(first)


def test_any_buffer_may_be_sealed_and_opened() -> None:
    frame = Sealer(KEY).seal(b"a", bytearray(b"b"), memoryview(b"xcx")[1:2])
    assert bytes(Opener(KEY).open(memoryview(frame))) == b"abc"
    assert bytes(Opener(KEY).open(bytes(frame))) == b"abc"


def test_a_frame_may_be_sealed_where_its_plaintext_lies() -> None:
    sealer, other = Sealer(KEY, rekey_after=2), Sealer(KEY, rekey_after=2)
    for text in (b"abc", b"", b"x" * 5000, b"y"):
        memory = memoryview(bytearray(LENGTH.size + len(text) + TAG))
        memory[LENGTH.size : LENGTH.size + len(text)] = text
        sealer.seal_in_place(memory)
        assert memory == other.seal(text)


def test_a_plaintext_has_a_buffer_of_its_own() -> None:
    frame = bytearray(Sealer(KEY).seal(b"abc"))
    plaintext = Opener(KEY).open(frame)
    frame[:] = bytes(len(frame))
    assert bytes(plaintext) == b"abc"


def test_or_lies_where_the_frame_did() -> None:
    frame = bytearray(Sealer(KEY).seal(b"abc"))
    plaintext = Opener(KEY).open(frame, in_place=True)
    assert bytes(plaintext) == b"abc"
    assert frame[LENGTH.size :][:3] == b"abc"
