"""Ids: their text form has exactly one spelling."""

from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import PRIVATE_CONTEXT, SnapshotKey, from_text, node_id, private_topic, short, to_text


def test_golden_text() -> None:
    assert to_text(bytes(range(32))) == "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"
    assert short(bytes(range(32))) == "aaaqeayeau"


def test_a_node_is_named_by_its_key() -> None:
    assert node_id(b"\x01" * 32) == blake3(b"\x01" * 32).digest()


@given(st.binary(min_size=32, max_size=32))
def test_what_was_written_is_read(identifier: bytes) -> None:
    assert from_text(to_text(identifier)) == identifier


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a" * 51,
        "a" * 53,
        "a" * 56,
        "A" * 52,
        "a" * 51 + "=",
        "1" * 52,
        "é" * 52,
        "a" * 51 + "b",
        "ß" * 26,
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text)


@given(st.text(min_size=45, max_size=60))
def test_a_text_that_is_read_is_the_one_that_would_be_written(text: str) -> None:
    try:
        identifier = from_text(text)
    except ValueError:
        return
    assert to_text(identifier) == text


def test_the_topic_of_what_is_private_is_no_digest_of_anything() -> None:
    key = SnapshotKey(bytes(range(32)))
    topic = private_topic(key)
    assert topic == blake3(key, derive_key_context=PRIVATE_CONTEXT).digest()
    assert to_text(topic) == "6oqf366gplwjpcsbber5jasfojb3zhslq5wqzsmsvxec2ppcyqxq"
