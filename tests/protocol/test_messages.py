"""Messages: their bytes, their rules, and what comes of bytes that are no message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec, limits
from protocol.chunks import LARGEST_CHUNK
from protocol.codec import BadEncoding
from protocol.fields import RULES, U64
from protocol.limits import MAX_CHUNKS, MAX_CONTROL_MESSAGE, MAX_DATA_HEADER, MAX_DATA_PAYLOAD, MAX_PIECES
from protocol.messages import (
    BULK,
    CONTROL,
    NUMBERS,
    Absent,
    BadMessage,
    Belongs,
    BulkMessage,
    Cancel,
    Claims,
    ControlMessage,
    Data,
    Found,
    Granted,
    Have,
    HaveMap,
    Join,
    Lookup,
    ManifestPart,
    NeedManifest,
    Peers,
    Ping,
    Redeem,
    Request,
    Revoked,
    decode_bulk,
    decode_control,
    encode_message,
    payload_of,
)
from tests.protocol.golden import DIGEST, GOLDEN, NODE, T
from tests.protocol.peers import TOPIC
from tests.protocol.strategies import bulk_messages, control_messages, values

REFUSED: dict[str, Callable[[], Any]] = {
    "a number that is a truth value": lambda: Ping(True),
    "a negative number": lambda: Ping(-1),
    "a number of 65 bits": lambda: Ping(U64 + 1),
    "a topic too short": lambda: Absent(TOPIC[:31]),  # type: ignore[arg-type]  # wrong on purpose
    "a topic that is text": lambda: Absent("x" * 32),  # type: ignore[arg-type]  # wrong on purpose
    "a flag that is a number": lambda: Join(TOPIC, 1, False, False),  # type: ignore[arg-type]  # wrong on purpose
    "ranges that touch": lambda: Have(TOPIC, ((0, 2), (2, 1))),
    "ranges that descend": lambda: Have(TOPIC, ((5, 1), (2, 1))),
    "an empty range": lambda: Have(TOPIC, ((5, 0),)),
    "a range beyond the last chunk": lambda: Have(TOPIC, ((MAX_CHUNKS - 1, 2),)),
    "a range of three": lambda: Have(TOPIC, ((1, 2, 3),)),  # type: ignore[arg-type]  # wrong on purpose
    "ranges in a list": lambda: Have(TOPIC, [(1, 2)]),  # type: ignore[arg-type]  # wrong on purpose
    "too many ranges": lambda: Have(TOPIC, tuple((2 * i, 1) for i in range(limits.MAX_RANGES + 1))),
    "a map beyond the last chunk": lambda: HaveMap(TOPIC, MAX_CHUNKS - 1, b"\1\1"),
    "a map too long": lambda: HaveMap(TOPIC, 0, bytes(limits.MAX_MAP_BYTES + 1)),
    "claims of nothing": lambda: Claims(TOPIC, 0, (), True, bytes(32), bytes(64)),
    "claims of too much": lambda: Claims(
        TOPIC, 0, (DIGEST,) * (limits.MAX_CLAIMED_DIGESTS + 1), True, bytes(32), bytes(64)
    ),
    "claims beyond the last chunk": lambda: Claims(
        TOPIC, MAX_CHUNKS - 1, (DIGEST,) * 2, True, bytes(32), bytes(64)
    ),
    "a signature too short": lambda: Claims(TOPIC, 0, (DIGEST,), True, bytes(32), bytes(63)),
    "a name too long": lambda: Lookup(1, "hf", "model", "é" * (limits.MAX_NAME // 2 + 1), "main"),
    "a name with a line break": lambda: Lookup(1, "hf", "model", "a\nb", "main"),
    "a name with a surrogate": lambda: Lookup(1, "hf", "model", "\ud800", "main"),
    "too many peers": lambda: Peers(((NODE, ()),) * (limits.MAX_PEERS_PASSED_ON + 1)),
    "too many addresses": lambda: Peers(((NODE, ("a:1",) * (limits.MAX_ADDRESSES + 1)),)),
    "an address too long": lambda: Peers(((NODE, ("a" * (limits.MAX_ADDRESS + 1),)),)),
    "too many items": lambda: Request(TOPIC, ((1, None),) * (MAX_PIECES + 1)),
    "a chunk beyond the last": lambda: Request(TOPIC, ((MAX_CHUNKS, None),)),
    "no pieces": lambda: Data(TOPIC, (), b""),
    "an empty piece": lambda: Data(TOPIC, ((1, 0, 0),), b""),
    "pieces longer than the payload": lambda: Data(TOPIC, ((1, 0, 2),), b"a"),
    "pieces shorter than the payload": lambda: Data(TOPIC, ((1, 0, 2),), b"abc"),
    "a piece beyond the largest chunk": lambda: Data(TOPIC, ((1, LARGEST_CHUNK, 1),), b"a"),
    "a payload too long": lambda: Data(TOPIC, ((1, 0, MAX_DATA_PAYLOAD + 1),), bytes(MAX_DATA_PAYLOAD + 1)),
    "a payload in parts": lambda: Data(TOPIC, ((1, 0, 2),), memoryview(b"abcd")[::2]),
    "a part beyond the manifest": lambda: ManifestPart(TOPIC, 3, 5, b"abc"),
    "an empty part": lambda: ManifestPart(TOPIC, 3, 5, b""),
    "a part of nothing": lambda: ManifestPart(TOPIC, 0, 0, b"a"),
    "neither a membership nor a refusal": lambda: Granted(b"", ""),
    "a membership and a refusal": lambda: Granted(b"x", "expired"),
    "a membership too long": lambda: Granted(bytes(limits.MAX_MEMBERSHIP + 1), ""),
    "an empty badge": lambda: Belongs(b""),
    "an empty list of the revoked": lambda: Revoked(b""),
    "a list of the revoked too long": lambda: Revoked(bytes(limits.MAX_REVOCATION + 1)),
    "a proof too short": lambda: Redeem(bytes(32), bytes(63), ""),
    "a topic in Found too short": lambda: Found(1, b"x", ""),  # type: ignore[arg-type]  # wrong on purpose
}


def largest_messages() -> list[ControlMessage | BulkMessage]:
    """Of each message that can be long, the one with the longest encoding."""
    spans = tuple((1_000_000 + 600 * i, 300) for i in range(limits.MAX_RANGES))
    chunk, name = MAX_CHUNKS - 1, "x" * limits.MAX_NAME
    addresses = ("x" * limits.MAX_ADDRESS,) * limits.MAX_ADDRESSES
    return [
        Peers(((NODE, addresses),) * limits.MAX_PEERS_PASSED_ON),
        HaveMap(TOPIC, MAX_CHUNKS // 2, bytes(limits.MAX_MAP_BYTES)),
        Have(TOPIC, spans),
        Claims(TOPIC, MAX_CHUNKS // 2, (DIGEST,) * limits.MAX_CLAIMED_DIGESTS, True, bytes(32), bytes(64)),
        Lookup(U64, name, name, name, name),
        Found(U64, TOPIC, name),
        Redeem(bytes(32), bytes(64), name),
        Granted(bytes(limits.MAX_MEMBERSHIP), ""),
        Belongs(bytes(limits.MAX_MEMBERSHIP)),
        Revoked(bytes(limits.MAX_REVOCATION)),
        Request(TOPIC, ((chunk, DIGEST),) * MAX_PIECES),
        Cancel(TOPIC, spans),
        Data(TOPIC, ((chunk, LARGEST_CHUNK - 2048, 2048),) * MAX_PIECES, bytes(2048 * MAX_PIECES)),
        ManifestPart(TOPIC, limits.MAX_MANIFEST - 1, limits.MAX_MANIFEST, b"x"),
    ]


@pytest.mark.parametrize(("message", "encoded"), GOLDEN, ids=lambda value: type(value).__name__)
def test_golden_bytes(message: ControlMessage | BulkMessage, encoded: str) -> None:
    assert encode_message(message).hex() == encoded
    assert decode(message, bytes.fromhex(encoded)) == message


def decode(like: ControlMessage | BulkMessage, encoded: bytes) -> ControlMessage | BulkMessage:
    return (
        decode_control(encoded) if type(like) in CONTROL.values() else decode_bulk(encoded, payload_of(like))
    )


def test_every_message_has_golden_bytes_and_one_number() -> None:
    assert {type(message) for message, _ in GOLDEN} == {*CONTROL.values(), *BULK.values()}
    assert len(NUMBERS) == len(CONTROL) + len(BULK)
    assert set(CONTROL.values()) == set(ControlMessage.__args__)
    assert set(BULK.values()) == set(BulkMessage.__args__)


def test_every_rule_belongs_to_a_field() -> None:
    assert {name for kind in NUMBERS for name in kind.__slots__} == RULES.keys()


@pytest.mark.parametrize("build", REFUSED.values(), ids=REFUSED.keys())
def test_refused(build: Callable[[], object]) -> None:
    with pytest.raises(BadMessage):
        build()


@pytest.mark.parametrize("message", largest_messages(), ids=lambda message: type(message).__name__)
def test_the_longest_message_fits_its_frame(message: ControlMessage | BulkMessage) -> None:
    encoded = encode_message(message)
    assert len(encoded) <= (MAX_CONTROL_MESSAGE if type(message) in CONTROL.values() else MAX_DATA_HEADER)
    assert decode(message, encoded) == message


@given(control_messages | bulk_messages)
def test_what_was_encoded_is_decoded(message: ControlMessage | BulkMessage) -> None:
    assert decode(message, encode_message(message)) == message


@pytest.mark.parametrize(
    "encoded",
    [
        "90",
        "00",
        "9100",
        "92a107",
        "92c307",
        "920107c0",
        "93010700",
        "9101",
        "92ff07",
        "9220" + T,
        "92ccff07",
    ],
)
def test_lists_that_are_no_control_message(encoded: str) -> None:
    with pytest.raises((BadMessage, BadEncoding)):
        decode_control(bytes.fromhex(encoded))


def test_a_control_message_is_no_bulk_message() -> None:
    with pytest.raises(BadMessage):
        decode_bulk(encode_message(Ping(1)), b"")
    with pytest.raises(BadMessage):
        decode_control(encode_message(NeedManifest(TOPIC)))


def test_a_payload_after_a_message_that_has_none() -> None:
    with pytest.raises(BadMessage):
        decode_bulk(encode_message(NeedManifest(TOPIC)), b"x")


def test_a_payload_is_kept_as_it_is() -> None:
    payload = memoryview(b"abc")
    message = decode_bulk(encode_message(Data(TOPIC, ((1, 0, 3),), b"abc")), payload)
    assert isinstance(message, Data)
    assert message.payload is payload


@given(st.binary(max_size=80), st.binary(max_size=4))
def test_noise_is_a_message_or_refused(data: bytes, payload: bytes) -> None:
    for read in (decode_control, lambda header: decode_bulk(header, payload)):
        try:
            message: Any = read(data)
        except (BadMessage, BadEncoding):
            continue
        assert encode_message(message) == data


@given(st.sampled_from(sorted(NUMBERS.values())), st.lists(values, max_size=7), st.binary(max_size=4))
def test_any_fields_under_any_number_are_a_message_or_refused(
    number: int, fields: list[object], payload: bytes
) -> None:
    try:
        encoded = codec.encode([number, *fields])
    except BadEncoding:
        return
    for read in (decode_control, lambda header: decode_bulk(header, payload)):
        try:
            message: Any = read(encoded)
        except (BadMessage, BadEncoding):
            continue
        assert encode_message(message) == encoded
