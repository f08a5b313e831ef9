"""The numbers of all messages, and how they are written and read.

A message is the encoded list of its number and its fields, in the order they are declared. A payload is no
field of that list: it follows it, so that chunk bytes are never copied into an encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from protocol import codec
from protocol.chunks import Bytes
from protocol.fields import BadMessage
from protocol.messages.bulk import Cancel, Data, Elsewhere, ManifestPart, NeedManifest, Refuse, Request
from protocol.messages.checked import Checked
from protocol.messages.link import Bye, Peers, Ping, Pong
from protocol.messages.names import Found, Lookup
from protocol.messages.origin import Fetching, FetchingHeard, Lease, LeaseHeard, SeedHeard
from protocol.messages.site import Belongs, Granted, Redeem, Renew, Revoked
from protocol.messages.topics import (
    Absent,
    Claims,
    Company,
    Have,
    HaveMap,
    Join,
    Leave,
    Lost,
    NeedClaims,
    Seek,
)

M = TypeVar("M", bound=Checked)

ControlMessage = (
    Ping
    | Pong
    | Peers
    | Join
    | Absent
    | Leave
    | HaveMap
    | Have
    | Lost
    | Claims
    | NeedClaims
    | Lease
    | Fetching
    | Lookup
    | Found
    | Redeem
    | Renew
    | Granted
    | Belongs
    | Revoked
    | Bye
    | Company
    | LeaseHeard
    | FetchingHeard
    | Seek
    | SeedHeard
)

BulkMessage = Request | Cancel | Refuse | NeedManifest | Data | ManifestPart | Elsewhere

CONTROL: Final[Mapping[int, type[ControlMessage]]] = MappingProxyType(
    {
        1: Ping,
        2: Pong,
        3: Peers,
        4: Join,
        5: Absent,
        6: Leave,
        7: HaveMap,
        8: Have,
        9: Lost,
        10: Claims,
        11: NeedClaims,
        12: Lease,
        13: Fetching,
        14: Lookup,
        15: Found,
        16: Redeem,
        17: Renew,
        18: Granted,
        19: Belongs,
        20: Revoked,
        21: Bye,
        22: Company,
        23: LeaseHeard,
        24: FetchingHeard,
        25: Seek,
        26: SeedHeard,
    }
)
"""Message number -> message, on control connections."""

BULK: Final[Mapping[int, type[BulkMessage]]] = MappingProxyType(
    {32: Request, 33: Cancel, 34: Refuse, 35: NeedManifest, 36: Data, 37: ManifestPart, 38: Elsewhere}
)
"""Message number -> message, on bulk connections; no number means two things."""

NUMBERS: Final = MappingProxyType({kind: number for number, kind in (*CONTROL.items(), *BULK.items())})

_CONTROL: Final = dict(CONTROL)
_BULK: Final = dict(BULK)
"""The same without the views: these are looked into for every message."""

_ENCODED: Final[Mapping[type[Checked], tuple[int, list[str]]]] = {
    kind: (number, [name for name in kind.__slots__ if name != "payload"]) for kind, number in NUMBERS.items()
}
"""What the encoded list holds: the number and which fields."""


def encode_message(message: ControlMessage | BulkMessage) -> bytes:
    """The encoded list of number and fields, without the payload of a Data or ManifestPart."""
    return _encode(message)


def _encode(message: Checked) -> bytes:
    """No type is looked at again: the message could not have been made of values without an encoding."""
    number, names = _ENCODED[type(message)]
    return codec.pack([number, *[getattr(message, name) for name in names]])


def payload_of(message: ControlMessage | BulkMessage) -> bytes | memoryview:
    """What follows the encoded list: chunk or manifest bytes, or nothing."""
    return message.payload if isinstance(message, Data | ManifestPart) else b""


def decode_control(encoded: Bytes) -> ControlMessage:
    """The control message with this encoding; BadMessage or codec.BadEncoding when there is none."""
    kind, fields = _open(encoded, _CONTROL)
    return _build(encoded, kind, fields)


def decode_bulk(header: Bytes, payload: bytes | memoryview) -> BulkMessage:
    """The bulk message with this header and payload, which is kept as it is and not copied.

    Raises BadMessage or codec.BadEncoding, also for a payload after a message that has none.
    """
    kind, fields = _open(header, _BULK)
    if kind in (Data, ManifestPart):
        return _build(header, kind, (*fields, payload))
    if memoryview(payload).nbytes:
        raise BadMessage(f"{kind.__name__} with a payload")
    return _build(header, kind, fields)


def _open(encoded: Bytes, table: Mapping[int, type[M]]) -> tuple[type[M], tuple[Any, ...]]:
    match codec.unpack(encoded):
        case (int(number), *_) as row if type(row) is tuple and type(number) is int and number in table:
            return table[number], row[1:]
        case _:
            raise BadMessage("not a message of this kind of connection")


def _build(encoded: Bytes, kind: type[M], fields: tuple[Any, ...]) -> M:
    """The message with these fields, whose encoding must be the one that was received."""
    names = kind.__slots__
    if len(fields) != len(names):
        raise BadMessage(f"{kind.__name__} with {len(fields)} fields instead of {len(names)}")
    message = kind(*fields)
    if _encode(message) != encoded:
        raise codec.BadEncoding("not in canonical form")
    return message
