"""The TXT record of an announcement: passed over, or one that says again what it said.

u16: port of the SRV record | the record's strings, each behind its length (RFC 6763, 6.1)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from protocol.announce import Announcement, BadAnnouncement, from_txt
from tests.protocol.peers import ALICE

PORT = struct.Struct("!H")


def seeds() -> Iterator[bytes]:
    txt = Announcement(ALICE.node_id, 7677).to_txt()
    for more in ({}, {b"V": b"1", b"ID": b"x"}, {b"site": b"card"}):
        pairs = [key + b"=" + value for key, value in (txt | more).items()]
        yield PORT.pack(7677) + b"".join(bytes([len(pair)]) + pair for pair in pairs)


def run(data: bytes) -> None:
    if len(data) < PORT.size:
        return
    try:
        said = from_txt(strings(data[PORT.size :]), *PORT.unpack_from(data))
    except BadAnnouncement:
        return
    assert from_txt(said.to_txt(), said.port) == said
    assert len(said.instance.split(".")[0]) <= 63


def strings(data: bytes) -> dict[bytes, bytes | None]:
    """Key to value; None for a key without one."""
    found: dict[bytes, bytes | None] = {}
    while data:
        length, rest = data[0], data[1:]
        key, equals, value = rest[:length].partition(b"=")
        found.setdefault(key, value if equals else None)
        data = rest[length:]
    return found
