"""Sealed frames under a fixed key: what was not sealed does not open, whatever is done to what was.

u8: what to do with the second of three frames | u16: where | the plaintext, or raw bytes
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from protocol.frames import BadFrame, Opener, Sealer

KEY = b"\x0b" * 32
REKEY_AFTER = 2
HEAD = struct.Struct("!BH")
WHOLE, RAW, FLIPPED, CUT, TWICE, SKIPPED = range(6)


def seeds() -> Iterator[bytes]:
    yield HEAD.pack(RAW, 0) + bytes(Sealer(KEY).seal(b"the first frame under this key"))
    for what in (WHOLE, FLIPPED, CUT, TWICE, SKIPPED):
        yield HEAD.pack(what, 37) + b"some plaintext"


def run(data: bytes) -> None:
    if len(data) < HEAD.size:
        return
    what, where = HEAD.unpack_from(data)
    body = data[HEAD.size :]
    if what == RAW:
        opens(Opener(KEY), body)
        return
    sealer, opener = Sealer(KEY, REKEY_AFTER), Opener(KEY, REKEY_AFTER)
    first, second, third = (bytearray(sealer.seal(body, bytes([number]))) for number in range(3))
    assert opens(opener, first) == body + b"\0"
    if what == FLIPPED:
        second[where // 8 % len(second)] ^= 1 << where % 8
        assert opens(opener, second) is None
    elif what == CUT:
        assert opens(opener, second[: where % len(second)]) is None
    elif what == TWICE:
        assert opens(opener, first) is None
    elif what == SKIPPED:
        assert opens(opener, third) is None
    else:
        assert opens(opener, second) == body + b"\1"
        assert opens(opener, third) == body + b"\2"


def opens(opener: Opener, frame: bytes | bytearray) -> bytes | None:
    try:
        return bytes(opener.open(frame))
    except BadFrame:
        return None
