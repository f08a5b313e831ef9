"""How many bytes messages are on the wire, as the real encoder makes them, and who sent how many.

A frame is a length of four bytes, the encoding, and a tag of 16; on a bulk connection two bytes more.
TCP and IP are not counted. What is the same for many is encoded once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from protocol.frames import LENGTH
from protocol.ids import ID_LENGTH, ChunkDigest, SnapshotKey
from protocol.limits import MAX_CLAIMED_DIGESTS
from protocol.messages import (
    BULK,
    BulkMessage,
    Claims,
    ControlMessage,
    Request,
    encode_message,
)

TOPIC: Final = SnapshotKey(bytes(range(32)))
TAG: Final = 16
"""Bytes that AES-GCM adds."""

BULK_LENGTH: Final = 2
"""Bytes before the header of a message on a bulk connection."""

HANDSHAKE_BYTES: Final = 3 * LENGTH.size + 32 + 2 * (32 + 16 + 16 + 160)
"""Three messages of Noise XX: an ephemeral key each way, two sealed static keys, two sealed payloads."""

DIGEST: Final = ChunkDigest(bytes(32))


def wire_bytes(message: ControlMessage | BulkMessage) -> int:
    """Bytes of the frame that carries it."""
    extra = BULK_LENGTH if type(message) in BULK.values() else 0
    return LENGTH.size + len(encode_message(message)) + TAG + extra


def claims_bytes(first: int, count: int) -> int:
    """Bytes of the Claims about so many chunks, as many in one as may be."""
    total = 0
    while count > 0:
        part = min(count, MAX_CLAIMED_DIGESTS)
        total += wire_bytes(Claims(TOPIC, first, (DIGEST,) * part, False, bytes(32), bytes(64)))
        first, count = first + part, count - part
    return total


def request_bytes(chunks: tuple[int, ...]) -> int:
    return wire_bytes(Request(TOPIC, tuple((chunk, DIGEST) for chunk in chunks)))


def peers_bytes(addresses: Sequence[str]) -> int:
    """Bytes of a Peers with a node at each of these addresses (of at most 31 characters)."""
    entries = sum(1 + (2 + ID_LENGTH) + 1 + (1 + len(address)) for address in addresses)
    return LENGTH.size + TAG + 2 + (1 if len(addresses) < 16 else 3) + entries


class Tally:
    """Messages and bytes one node sent, by the name of the message."""

    __slots__ = ("bytes", "messages")

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def add(self, name: str, size: int, times: int = 1) -> None:
        self.messages[name] += times
        self.bytes[name] += size * times

    @property
    def total(self) -> int:
        return sum(self.bytes.values())
