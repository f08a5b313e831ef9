"""A handshake with somebody who sends what he likes, with and without the right keys.

u8: which message, and whether raw or as the payload of a Noise message under the right keys | bytes
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol import codec
from protocol.handshake import PROLOGUE, Handshake, Hello
from protocol.ids import node_id
from protocol.noise import BadHandshake, NoiseXX
from tests.protocol.peers import ALICE, BOB

FIRST, SECOND, THIRD, SECOND_PAYLOAD, THIRD_PAYLOAD = WHATS = range(5)
E_ALICE, E_BOB = b"\x06" * 32, b"\x07" * 32


def seeds() -> Iterator[bytes]:
    alice, bob = noise(caller=True), noise(caller=False)
    first = alice.write(b"")
    bob.read(first)
    payload = codec.encode([BOB.public_key, BOB.static_proof, "", 7678, "bob/1", b""])
    second = bob.write(payload)
    alice.read(second)
    reply = codec.encode([ALICE.public_key, ALICE.static_proof, "bulk", 7677, "alice/1", b"card"])
    yield bytes([FIRST]) + first
    yield bytes([SECOND]) + second
    yield bytes([THIRD]) + alice.write(reply)
    yield bytes([SECOND_PAYLOAD]) + payload
    yield bytes([THIRD_PAYLOAD]) + reply


def noise(*, caller: bool) -> NoiseXX:
    """The Noise half of Alice (the caller) or of Bob, without our payloads."""
    me, ephemeral = (ALICE, E_ALICE) if caller else (BOB, E_BOB)
    return NoiseXX(initiator=caller, static=me.noise_private, ephemeral=ephemeral, prologue=PROLOGUE)


def shaking(*, caller: bool) -> Handshake:
    me, ephemeral = (ALICE, E_ALICE) if caller else (BOB, E_BOB)
    return Handshake(me, Hello("control", 7677, "test/1"), initiator=caller, ephemeral=ephemeral)


def run(data: bytes) -> None:
    if not data:
        return
    try:
        receive(data[0] % len(WHATS), data[1:])
    except BadHandshake:
        return


def receive(what: int, body: bytes) -> None:
    """Feed the bytes to the side that waits for this message; BadHandshake."""
    if what == FIRST:
        shaking(caller=False).receive(body)
        return
    ours_calls = what in (SECOND, SECOND_PAYLOAD)
    ours, theirs = shaking(caller=ours_calls), noise(caller=not ours_calls)
    if ours_calls:
        theirs.read(ours.opening())
    else:
        answer, _ = ours.receive(theirs.write(b""))
        theirs.read(answer)
    message = theirs.write(body) if what in (SECOND_PAYLOAD, THIRD_PAYLOAD) else body
    _, established = ours.receive(message)
    assert established is not None
    peer = established.peer
    assert peer.node_id == node_id(peer.public_key)
    assert peer.public_key in (ALICE.public_key, BOB.public_key), "nobody else has signed for these keys"
