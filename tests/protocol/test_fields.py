"""The rules fields are checked by, one by one; the limits they name are tested with the messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import fields
from protocol.chunks import LARGEST_CHUNK
from protocol.fields import BadMessage, Rule
from protocol.limits import (
    MAX_CHUNKS,
    MAX_CLAIMED_DIGESTS,
    MAX_DATA_PAYLOAD,
    MAX_PIECES,
    MAX_RANGES,
)

KEPT: list[tuple[str, Rule, object]] = [
    ("number", fields.number(5), 0),
    ("number", fields.number(5), 5),
    ("raw", fields.raw(1, 2), b"a"),
    ("raw", fields.raw(1, 2), b"ab"),
    ("text", fields.text(2), ""),
    ("text", fields.text(2), "é"),
    ("sequence", fields.sequence(1, 2, fields.flag), (True, False)),
    ("record", fields.record(fields.flag, fields.number(1)), (True, 1)),
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


def optional(value: object) -> None:
    if value is not None:
        fields.identifier(value)


_chunk, _length = fields.number(MAX_CHUNKS - 1), fields.number(LARGEST_CHUNK)

PUT_TOGETHER: dict[str, Rule] = {
    "digests": fields.sequence(1, MAX_CLAIMED_DIGESTS, fields.identifier),
    "items": fields.sequence(0, MAX_PIECES, fields.record(_chunk, optional)),
    "pieces": fields.sequence(1, MAX_PIECES, fields.record(_chunk, _length, _length)),
}
"""What the rules that are written out for speed are to say."""

odd = st.sampled_from(
    [None, True, -1, 0, 1, 1.0, LARGEST_CHUNK, LARGEST_CHUNK + 1, MAX_CHUNKS - 1, MAX_CHUNKS, "x" * 32]
) | st.sampled_from([bytes(32), bytes(31), bytearray(32), (), []])
rows = odd | st.lists(odd, max_size=4).map(tuple) | st.lists(odd, max_size=3)
lists = rows | st.lists(rows, max_size=3).map(tuple) | st.lists(rows, max_size=2)


def keeps(rule: Rule, value: object) -> bool:
    try:
        rule(value)
    except BadMessage:
        return False
    return True


@given(st.sampled_from(sorted(PUT_TOGETHER)), lists)
def test_rules_written_out_say_what_the_general_ones_do(name: str, value: object) -> None:
    assert keeps(fields.RULES[name], value) == keeps(PUT_TOGETHER[name], value)


@pytest.mark.parametrize(
    ("name", "item", "most"),
    [
        ("digests", bytes(32), MAX_CLAIMED_DIGESTS),
        ("items", (1, bytes(32)), MAX_PIECES),
        ("pieces", (1, 0, 2), MAX_PIECES),
    ],
)
def test_lists_end_where_they_must(name: str, item: object, most: int) -> None:
    assert keeps(fields.RULES[name], (item,) * most)
    assert not keeps(fields.RULES[name], (item,) * (most + 1))


@given(lists)
def test_ranges_are_spans(value: object) -> None:
    general = fields.sequence(0, MAX_RANGES, fields.record(_chunk, fields.number(MAX_CHUNKS)))
    assert keeps(general, value) or not keeps(fields.ranges, value)
