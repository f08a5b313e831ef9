"""The handshake: both learn who the other is, and no wrong payload gets through."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec
from protocol.fields import BadMessage
from protocol.handshake import PROLOGUE, Established, Handshake, Hello
from protocol.limits import MAX_HANDSHAKE_MESSAGE, MAX_MEMBERSHIP, MAX_NAME
from protocol.noise import BadHandshake, NoiseXX
from protocol.signing import Identity
from tests.protocol.peers import ALICE, BOB
from tests.protocol.strategies import values

CALL = Hello("bulk", 7677, "alice/1", b"member")
ANSWER = Hello("control", 0, "bob/1")

FIRST = "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209"
SECOND = (
    "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d590c8801413d6032cab2f5eb2012b567b8"
    "3385c89c224a0b81b0deaf82f4840d59b8c1836fd1de229c79fa64723472b7d58acf9f99abe14efc906e77f6635786ae"
    "a22eb2a4cc47f3f6a5c596b51e692c61d81b0b35dbe16d780dde93446419364030546f5e1fc6254f1328140a55561e9d"
    "30e7195fb0e80ba27e49eaa0f819953d4460cfd4c31d2fef2e494eca1f13db8590b2729608a927bfb0ebc81b5ea0abc3"
    "64efce8e7df26c48d49a0b26d14ba4"
)
THIRD = (
    "0a52109bf4ff89422be0f8962b7d48598fd4bf7c56893cb528670777c22aa4b7272b480148334b47c057ab4c48a147df"
    "439593f5eff127cba5548d31a468e24213b66a9d693832d55dc28e74c84f6c65666692bf6feef461d4a139c54ebe1b8a"
    "e33a2e88243b13323b30203df6b1ce7873bc895f9aee555bfc156aa54615d0512e5ef9906c9035544f5a749ec582c389"
    "44427bd79c9bbe47ac26e7aae67407ef9fef805e64b85661e6b0c0ce88dc92c5e49e5ca257aba4ef325b4d9fbe"
)


def both() -> tuple[Handshake, Handshake]:
    one = Handshake(ALICE, CALL, initiator=True, ephemeral=b"\1" * 32)
    return one, Handshake(BOB, ANSWER, initiator=False, ephemeral=b"\2" * 32)


def shake(one: Handshake, two: Handshake) -> tuple[Established, Established]:
    second, _ = two.receive(one.opening())
    third, at_one = one.receive(second)
    nothing, at_two = two.receive(third)
    assert nothing == b""
    assert at_one is not None
    assert at_two is not None
    return at_one, at_two


def test_both_learn_who_the_other_is() -> None:
    at_alice, at_bob = shake(*both())
    assert at_alice.peer.node_id == BOB.node_id
    assert at_bob.peer.node_id == ALICE.node_id
    assert at_bob.peer.public_key == ALICE.public_key
    assert at_alice.sending_key == at_bob.receiving_key != at_alice.receiving_key == at_bob.sending_key


def test_the_kind_is_that_of_the_initiator_on_both_sides() -> None:
    at_alice, at_bob = shake(*both())
    assert at_alice.peer.hello == replace(ANSWER, kind="bulk")
    assert at_bob.peer.hello == CALL


def test_golden_bytes() -> None:
    """Everything that was handed in is fixed, so is everything that goes out."""
    one, two = both()
    first = one.opening()
    second, _ = two.receive(first)
    third, _ = one.receive(second)
    assert first.hex() == FIRST
    assert second.hex() == SECOND
    assert third.hex() == THIRD


def test_the_longest_payload_fits_the_message() -> None:
    longest = Hello("control", 0xFFFF, "x" * MAX_NAME, bytes(MAX_MEMBERSHIP))
    one = Handshake(ALICE, longest, initiator=True, ephemeral=b"\1" * 32)
    two = Handshake(BOB, longest, initiator=False, ephemeral=b"\2" * 32)
    second, _ = two.receive(one.opening())
    third, _ = one.receive(second)
    assert max(len(second), len(third)) <= MAX_HANDSHAKE_MESSAGE


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"listen_port": -1},
        {"listen_port": 65536},
        {"agent": "x" * (MAX_NAME + 1)},
        {"agent": "a\nb"},
        {"membership": bytes(MAX_MEMBERSHIP + 1)},
    ],
    ids=repr,
)
def test_a_hello_that_breaks_a_rule(change: dict[str, object]) -> None:
    with pytest.raises(BadMessage):
        replace(CALL, **change)  # type: ignore[arg-type]  # wrong on purpose


def answered_by(payload: bytes, hello: Hello = CALL) -> None:
    """Alice calls somebody whose second message carries `payload`."""
    one = Handshake(ALICE, hello, initiator=True, ephemeral=b"\1" * 32)
    two = NoiseXX(initiator=False, static=BOB.noise_private, ephemeral=b"\2" * 32, prologue=PROLOGUE)
    two.read(one.opening())
    one.receive(two.write(payload))


def called_by(payload: bytes, first: bytes = b"") -> None:
    """Somebody whose third message carries `payload` calls Bob."""
    two = Handshake(BOB, ANSWER, initiator=False, ephemeral=b"\1" * 32)
    one = NoiseXX(initiator=True, static=ALICE.noise_private, ephemeral=b"\2" * 32, prologue=PROLOGUE)
    second, _ = two.receive(one.write(first))
    one.read(second)
    two.receive(one.write(payload))


GOOD_ANSWER = [BOB.public_key, BOB.static_proof, "", 7677, "bob/1", b""]
GOOD_CALL = [ALICE.public_key, ALICE.static_proof, "control", 7677, "alice/1", b""]

BAD_FIELDS: dict[str, tuple[int, object]] = {
    "another's key": (0, Identity(b"\x09" * 32, b"\x09" * 32).public_key),
    "a key too short": (0, bytes(31)),
    "a signature of something else": (1, ALICE.sign(b"lanswarm-claims-1:", ALICE.noise_public)),
    "a signature too short": (1, bytes(63)),
    "an unknown kind": (2, "other"),
    "a kind that is no text": (2, None),
    "a port too high": (3, 65536),
    "a port that is a truth value": (3, True),
    "an agent too long": (4, "x" * (MAX_NAME + 1)),
    "a membership that is text": (5, ""),
}


def test_the_payloads_the_bad_ones_are_made_from_are_good() -> None:
    answered_by(codec.encode(GOOD_ANSWER))
    called_by(codec.encode(GOOD_CALL))


@pytest.mark.parametrize(("position", "value"), BAD_FIELDS.values(), ids=BAD_FIELDS.keys())
def test_a_payload_with_a_bad_field(position: int, value: object) -> None:
    for speak, good in ((answered_by, GOOD_ANSWER), (called_by, GOOD_CALL)):
        with pytest.raises(BadHandshake):
            speak(codec.encode([*good[:position], value, *good[position + 1 :]]))


def test_only_the_initiator_names_the_kind() -> None:
    with pytest.raises(BadHandshake):
        answered_by(codec.encode([*GOOD_ANSWER[:2], "bulk", *GOOD_ANSWER[3:]]))
    with pytest.raises(BadHandshake):
        called_by(codec.encode([*GOOD_CALL[:2], "", *GOOD_CALL[3:]]))


def test_the_proof_of_another_node_does_not_serve() -> None:
    """Mallory has Bob's payload from a handshake with Bob, but not Bob's Noise key."""
    with pytest.raises(BadHandshake, match="proof"):
        called_by(codec.encode([BOB.public_key, BOB.static_proof, *GOOD_CALL[2:]]))


def test_a_first_message_carries_nothing() -> None:
    with pytest.raises(BadHandshake):
        called_by(codec.encode(GOOD_CALL), first=b"x")


@given(st.lists(values, max_size=7).map(codec.encode) | st.binary(max_size=200))
def test_any_payload_is_refused(payload: bytes) -> None:
    for speak in (answered_by, called_by):
        with pytest.raises(BadHandshake):
            speak(payload)
