"""The plaintext of a control frame: refused, or a message with no other encoding."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.codec import BadEncoding
from protocol.messages import BadMessage, decode_control, encode_message
from tests.fuzz.samples import CONTROL


def seeds() -> Iterator[bytes]:
    yield from map(encode_message, CONTROL)


def run(data: bytes) -> None:
    try:
        message = decode_control(data)
    except (BadMessage, BadEncoding):
        return
    assert encode_message(message) == data
