"""Header and payload of a bulk frame: refused, or a message with no other encoding.

u16: length of the header | header | payload
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol.codec import BadEncoding
from protocol.connection import HEADER_LENGTH
from protocol.messages import BadMessage, decode_bulk, encode_message, payload_of
from tests.fuzz.samples import BULK


def seeds() -> Iterator[bytes]:
    for message in BULK:
        header = encode_message(message)
        yield HEADER_LENGTH.pack(len(header)) + header + bytes(payload_of(message))


def run(data: bytes) -> None:
    if len(data) < HEADER_LENGTH.size:
        return
    end = HEADER_LENGTH.size + HEADER_LENGTH.unpack_from(data)[0]
    header, payload = data[HEADER_LENGTH.size : end], data[end:]
    try:
        message = decode_bulk(header, payload)
    except (BadMessage, BadEncoding):
        return
    assert encode_message(message) == header
    assert payload_of(message) == payload
