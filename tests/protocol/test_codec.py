"""The codec: one encoding for each value, and nothing a peer sends costs more than it weighs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec
from protocol.codec import SMALL, BadEncoding
from protocol.limits import MAX_CONTROL_MESSAGE, MAX_ITEMS, MAX_NESTING
from tests.protocol.strategies import values

GOLDEN = [
    (None, "c0"),
    (False, "c2"),
    (True, "c3"),
    (0, "00"),
    (127, "7f"),
    (128, "cc80"),
    (-32, "e0"),
    (-33, "d0df"),
    ((1 << 64) - 1, "cfffffffffffffffff"),
    (-(1 << 63), "d38000000000000000"),
    (b"", "c400"),
    (b"a", "c40161"),
    ("", "a0"),
    ("é", "a2c3a9"),
    ([], "90"),
    ([1, [b"x", None]], "920192c40178c0"),
]

REFUSED = {
    "nothing": "",
    "two values": "0102",
    "a byte that is never used": "c1",
    "a float": "cb0000000000000000",
    "a short float": "ca00000000",
    "a map": "810102",
    "an empty map": "80",
    "an extension": "c7010100",
    "a timestamp": "d6ff00000000",
    "an empty extension": "c70005",
    "a number not in its shortest form": "cc01",
    "a negative number not in its shortest form": "d0ff",
    "bytes not in their shortest form": "c5000161",
    "text not in its shortest form": "d90161",
    "a list not in its shortest form": "dc000101",
    "text that is not UTF-8": "a1ff",
    "text with a surrogate": "a3eda080",
    "a list that ends early": "9201",
    "bytes that end early": "c40261",
    "a list of four billion": "ddffffffff",
    "bytes of four billion": "c6ffffffff",
}


@pytest.mark.parametrize(("value", "encoded"), GOLDEN, ids=repr)
def test_golden_bytes(value: object, encoded: str) -> None:
    assert codec.encode(value) == bytes.fromhex(encoded)
    assert codec.decode(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize("encoded", REFUSED.values(), ids=REFUSED.keys())
def test_refused(encoded: str) -> None:
    with pytest.raises(BadEncoding):
        codec.decode(bytes.fromhex(encoded))


@pytest.mark.parametrize("value", [1.0, {}, [{}], {1}, 1 << 64, -(1 << 63) - 1, "\ud800", ...], ids=repr)
def test_values_without_an_encoding(value: object) -> None:
    with pytest.raises(BadEncoding):
        codec.encode(value)


def test_tuples_come_back_as_lists() -> None:
    assert codec.decode(codec.encode((1, (2,)))) == [1, [2]]


def test_nesting_has_an_end() -> None:
    deepest = b"\x91" * MAX_NESTING + b"\xc0"
    assert codec.encode(codec.decode(deepest)) == deepest
    for depth in (MAX_NESTING + 1, 600, 5000):
        with pytest.raises(BadEncoding):
            codec.decode(b"\x91" * depth + b"\xc0")


def test_items_are_counted_over_all_lists() -> None:
    assert codec.decode(codec.encode([[1, 2], [3]]), max_items=5) == [[1, 2], [3]]
    with pytest.raises(BadEncoding):
        codec.decode(codec.encode([[1, 2], [3]]), max_items=4)


def hostile_inputs(size: int = MAX_CONTROL_MESSAGE) -> dict[str, bytes]:
    return {
        "lists that each claim all items": (b"\xdc" + (MAX_ITEMS - 1).to_bytes(2, "big")) * (size // 3),
        "lists that claim more": b"\xdd\x00\x01\xff\xff" * (size // 5),
        "a list that claims four billion": b"\xdd\xff\xff\xff\xff" + b"\xc0" * (size - 5),
        "bytes that claim four billion": b"\xc6\xff\xff\xff\xff" + b"\xc0" * (size - 5),
        "as many lists as fit": b"\xdd" + (size - 5).to_bytes(4, "big") + b"\x90" * (size - 5),
        "lists in lists": b"\x91" * size,
    }


@pytest.mark.parametrize("read", [codec.decode, codec.unpack])
@pytest.mark.parametrize("size", [SMALL, SMALL + 1, MAX_CONTROL_MESSAGE])
@pytest.mark.parametrize("name", hostile_inputs())
def test_hostile_lengths_cost_no_more_than_the_message_allows(
    name: str, size: int, read: Callable[[bytes], object]
) -> None:
    data = hostile_inputs(size)[name]
    tracemalloc.start()
    try:
        with suppress(BadEncoding):
            read(data)
            assert size <= SMALL + 1
            assert name == "as many lists as fit"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(data) + 100 * MAX_ITEMS


@given(values)
def test_what_was_encoded_is_decoded(value: object) -> None:
    assert codec.decode(codec.encode(value)) == value


@given(values)
def test_any_buffer_is_taken(value: object) -> None:
    encoded = codec.encode(value)
    assert codec.decode(bytearray(encoded)) == codec.decode(memoryview(encoded)) == value


@given(values)
def test_who_looks_at_the_types_may_compare_the_bytes(value: object) -> None:
    encoded = codec.encode(value)
    assert codec.pack(codec.unpack(encoded)) == encoded


def test_a_list_within_a_list_that_claims_more_than_there_is_in_few_bytes() -> None:
    """The most that can be claimed without a walk: each list holds the next and as many items as bytes."""
    nested = (b"\xdc" + SMALL.to_bytes(2, "big")) * (SMALL // 3)
    tracemalloc.start()
    try:
        with pytest.raises(BadEncoding):
            codec.unpack(nested)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * MAX_ITEMS


@given(st.binary(max_size=60))
def test_whatever_is_decoded_has_no_other_encoding(data: bytes) -> None:
    try:
        value = codec.decode(data)
    except BadEncoding:
        return
    assert codec.encode(value) == data


@given(values, st.data())
def test_a_touched_encoding_is_refused_or_another_value(value: object, data: st.DataObject) -> None:
    encoded = bytearray(codec.encode(value))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = codec.decode(encoded)
    except BadEncoding:
        return
    assert codec.encode(other) == encoded
