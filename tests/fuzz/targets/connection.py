"""A connection after its handshake: the peer holds the keys and seals what it likes.

    u8: control or bulk | u8: bytes of a read | any number of u16: length, plaintext of a frame

The same events come in the same order, then the same fault, however the bytes are cut into reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache

from protocol.connection import HEADER_LENGTH, Event, ProtocolFault
from protocol.frames import Sealer
from protocol.handshake import Kind
from protocol.messages import encode_message, payload_of
from protocol.state import State
from tests.fuzz.samples import BULK, CONTROL
from tests.protocol.peers import connected

SIZE = struct.Struct("!H")
AT_ONCE = 12
KINDS: tuple[Kind, Kind] = ("control", "bulk")


def seeds() -> Iterator[bytes]:
    control = [encode_message(message) for message in CONTROL]
    for first in range(0, len(control), AT_ONCE):
        some = control[first : first + AT_ONCE]
        yield bytes([0, 5 * first]) + b"".join(SIZE.pack(len(text)) + text for text in some)
    bulk = []
    for message in BULK:
        header = encode_message(message)
        bulk.append(HEADER_LENGTH.pack(len(header)) + header + bytes(payload_of(message)))
    yield b"\1\x40" + b"".join(SIZE.pack(len(text)) + text for text in bulk)


def run(data: bytes) -> None:
    if len(data) < 2:
        return
    kind, step = KINDS[data[0] & 1], data[1] + 1
    stream = sealed(kind, data[2:])
    assert heard(kind, stream, step) == heard(kind, stream, max(1, len(stream)))


@cache
def sealing_key(kind: Kind) -> bytes:
    """What Alice seals with, on every connection of this kind."""
    alice, _ = connected(kind)
    assert alice._sealer is not None
    return alice._sealer._key.key


def sealed(kind: Kind, data: bytes) -> bytes:
    """The plaintexts as Alice seals them, without a look at what is in them."""
    sealer = Sealer(sealing_key(kind))
    stream = b""
    while len(data) >= SIZE.size:
        end = SIZE.size + SIZE.unpack_from(data)[0]
        stream += bytes(sealer.seal(data[SIZE.size : end]))
        data = data[end:]
    return stream + data


def heard(kind: Kind, stream: bytes, step: int) -> tuple[list[Event], str]:
    """What Bob makes of it, and his last word."""
    _, bob = connected(kind)
    events: list[Event] = []
    try:
        for at in range(0, len(stream), step):
            events += bob.feed(stream[at : at + step])
        bob.eof()
    except ProtocolFault as fault:
        assert bob.state is State.FAILED
        return events, str(fault)
    return events, "end"
