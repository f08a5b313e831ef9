"""Attestations: none passes that names Alice or Bob and that they did not sign."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.codec import BadEncoding
from protocol.messages import BadMessage, Claims, decode_control, encode_message
from protocol.signing import BadSignature, check_claims
from tests.fuzz.samples import CLAIMS
from tests.protocol.peers import ALICE, BOB


def seeds() -> Iterator[bytes]:
    yield from map(encode_message, CLAIMS)


def run(data: bytes) -> None:
    try:
        message = decode_control(data)
        if not isinstance(message, Claims):
            return
        signer = check_claims(message)
    except (BadMessage, BadEncoding, BadSignature):
        return
    assert signer == message.signer
    assert message in CLAIMS or message.public_key not in (ALICE.public_key, BOB.public_key)
