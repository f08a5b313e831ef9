"""The rules fields are checked by, one by one; the limits they name are tested with the messages."""

from __future__ import annotations

import pytest

from protocol import fields
from protocol.fields import BadMessage, Rule
from protocol.limits import MAX_CHUNKS, MAX_DATA_PAYLOAD

KEPT: list[tuple[str, Rule, object]] = [
    ("number", fields.number(5), 0),
    ("number", fields.number(5), 5),
    ("raw", fields.raw(1, 2), b"a"),
    ("raw", fields.raw(1, 2), b"ab"),
    ("text", fields.text(2), ""),
    ("text", fields.text(2), "é"),
    ("sequence", fields.sequence(1, 2, fields.flag), (True, False)),
    ("record", fields.record(fields.flag, fields.number(1)), (True, 1)),
    ("optional", fields.optional(fields.flag), None),
    ("optional", fields.optional(fields.flag), True),
    ("ranges", fields.ranges, ()),
    ("ranges", fields.ranges, ((0, 1), (2, MAX_CHUNKS - 2))),
    ("payload", fields.payload, b""),
    ("payload", fields.payload, memoryview(bytes(MAX_DATA_PAYLOAD))),
]

BROKEN: list[tuple[str, Rule, object]] = [
    ("number", fields.number(5), 6),
    ("number", fields.number(5), -1),
    ("number", fields.number(5), True),
    ("number", fields.number(5), "1"),
    ("raw", fields.raw(1, 2), b""),
    ("raw", fields.raw(1, 2), b"abc"),
    ("raw", fields.raw(1, 2), bytearray(b"a")),
    ("text", fields.text(2), "éa"),
    ("text", fields.text(2), "\x00"),
    ("text", fields.text(2), "\u202e"),
    ("text", fields.text(2), b"a"),
    ("sequence", fields.sequence(1, 2, fields.flag), ()),
    ("sequence", fields.sequence(1, 2, fields.flag), (True,) * 3),
    ("sequence", fields.sequence(1, 2, fields.flag), [True]),
    ("sequence", fields.sequence(1, 2, fields.flag), (1,)),
    ("record", fields.record(fields.flag, fields.number(1)), (True,)),
    ("record", fields.record(fields.flag, fields.number(1)), (1, True)),
    ("optional", fields.optional(fields.flag), 0),
    ("flag", fields.flag, None),
    ("ranges", fields.ranges, ((0, MAX_CHUNKS + 1),)),
    ("ranges", fields.ranges, ((1, MAX_CHUNKS),)),
    ("ranges", fields.ranges, ((0, 3), (2, 1))),
    ("payload", fields.payload, "text"),
    ("payload", fields.payload, bytes(MAX_DATA_PAYLOAD + 1)),
]


@pytest.mark.parametrize(
    ("rule", "value"), [(rule, value) for _, rule, value in KEPT], ids=[n for n, _, _ in KEPT]
)
def test_kept(rule: Rule, value: object) -> None:
    rule(value)


@pytest.mark.parametrize(
    ("rule", "value"), [(rule, value) for _, rule, value in BROKEN], ids=[n for n, _, _ in BROKEN]
)
def test_broken(rule: Rule, value: object) -> None:
    with pytest.raises(BadMessage):
        rule(value)
