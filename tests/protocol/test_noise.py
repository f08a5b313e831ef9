"""The handshake held against published vectors, and against everything a peer can get wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from protocol.noise import BadHandshake, NoiseXX, nonce

VECTORS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("vectors").joinpath("noise_xx_25519_aesgcm_sha256.json").read_text()
)["vectors"]

LOW_ORDER = [
    bytes(32),
    bytes([1, *bytes(31)]),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]
"""Points of small order on Curve25519 (RFC 7748, section 7): a shared secret with them is all zeros."""


def pair(prologue: bytes = b"p", other: bytes = b"p") -> tuple[NoiseXX, NoiseXX]:
    one = NoiseXX(initiator=True, static=b"\1" * 32, ephemeral=b"\2" * 32, prologue=prologue)
    two = NoiseXX(initiator=False, static=b"\3" * 32, ephemeral=b"\4" * 32, prologue=other)
    return one, two


def test_there_are_vectors_with_and_without_prologue_and_payloads() -> None:
    assert {(bool(v["prologue"]), bool(v["messages"][0]["payload"])) for v in VECTORS} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_published_vectors(vector: dict[str, Any]) -> None:
    prologue = bytes.fromhex(vector["prologue"])
    sides = [
        NoiseXX(
            initiator=name == "init",
            static=bytes.fromhex(vector[f"{name}_static"]),
            ephemeral=bytes.fromhex(vector[f"{name}_ephemeral"]),
            prologue=prologue,
        )
        for name in ("init", "resp")
    ]
    messages = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]]
    for number, (payload, ciphertext) in enumerate(messages[:3]):
        writer, reader = sides[number % 2], sides[1 - number % 2]
        assert writer.write(payload) == ciphertext
        assert reader.read(ciphertext) == payload
    assert sides[0].hash == sides[1].hash
    assert sides[0].split() == sides[1].split()[::-1]
    for key, (payload, ciphertext) in zip(sides[0].split(), messages[3:], strict=True):
        assert AESGCM(key).encrypt(nonce(0), payload, b"") == ciphertext


def test_each_side_learns_the_other_key() -> None:
    one, two = pair()
    two.read(one.write(b""))
    one.read(two.write(b"from two"))
    assert two.read(one.write(b"from one")) == b"from one"
    assert one.finished
    assert two.finished
    assert one.remote_static != two.remote_static


def test_another_prologue_fails_at_the_second_message() -> None:
    one, two = pair(b"version 1", b"version 2")
    two.read(one.write(b""))
    with pytest.raises(BadHandshake):
        one.read(two.write(b""))


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_a_low_order_ephemeral_key_is_refused_by_the_responder(point: bytes) -> None:
    _, two = pair()
    two.read(point)
    with pytest.raises(BadHandshake, match="small order"):
        two.write(b"")


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_a_low_order_ephemeral_key_is_refused_by_the_initiator(point: bytes) -> None:
    one, two = pair()
    two.read(one.write(b""))
    message = two.write(b"")
    with pytest.raises(BadHandshake):
        one.read(point + message[32:])


def test_turns_are_kept() -> None:
    one, two = pair()
    with pytest.raises(RuntimeError):
        one.read(b"")
    with pytest.raises(RuntimeError):
        two.write(b"")
    one.write(b"")
    with pytest.raises(RuntimeError):
        one.write(b"")


@given(cut=st.integers(0, 95))
def test_every_truncated_second_message_is_refused(cut: int) -> None:
    one, two = pair()
    two.read(one.write(b""))
    message = two.write(b"")
    assert len(message) == 96
    with pytest.raises(BadHandshake):
        one.read(message[:cut])


@given(position=st.integers(0, 95), flip=st.integers(1, 255))
def test_every_flipped_bit_of_the_second_message_is_noticed(position: int, flip: int) -> None:
    """Even the highest bit of a public key, which X25519 ignores: the transcript hash does not."""
    one, two = pair()
    two.read(one.write(b""))
    message = bytearray(two.write(b""))
    message[position] ^= flip
    with pytest.raises(BadHandshake):
        one.read(message)
