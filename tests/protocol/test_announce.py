"""Announcements: what is written is read back, and a foreign record is refused, never trusted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.announce import SERVICE_TYPE, Announcement, BadAnnouncement, from_txt
from protocol.ids import NodeId, from_text
from protocol.limits import PROTOCOL_VERSION

NODE = NodeId(bytes(range(32)))
TEXT = b"aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"


def test_golden_record() -> None:
    announcement = Announcement(NODE, 7677)
    assert announcement.to_txt() == {b"v": b"1", b"id": TEXT}
    assert announcement.instance == f"{TEXT.decode()}._lanswarm._tcp.local."
    assert announcement.version == PROTOCOL_VERSION == 1


def test_the_instance_fits_a_label_and_names_the_node() -> None:
    label, rest = Announcement(NODE, 1).instance.split(".", 1)
    assert len(label) <= 63
    assert rest == SERVICE_TYPE
    assert from_text(label) == NODE


@given(st.binary(min_size=32, max_size=32), st.integers(1, 65535), st.integers(1, 999))
def test_what_was_written_is_read(node: bytes, port: int, version: int) -> None:
    announcement = Announcement(NodeId(node), port, version)
    assert from_txt(announcement.to_txt(), port) == announcement


def test_unknown_keys_are_ignored_and_case_does_not_count() -> None:
    txt: dict[bytes, bytes | None] = {b"V": b"2", b"ID": TEXT, b"later": b"\xff", b"flag": None, b"v": b"3"}
    assert from_txt(txt, 1) == Announcement(NODE, 1, 2)


BAD: dict[str, tuple[dict[bytes, bytes | None], int]] = {
    "nothing": ({}, 1),
    "no id": ({b"v": b"1"}, 1),
    "no version": ({b"id": TEXT}, 1),
    "an id without value": ({b"v": b"1", b"id": None}, 1),
    "an empty id": ({b"v": b"1", b"id": b""}, 1),
    "an id in capitals": ({b"v": b"1", b"id": TEXT.upper()}, 1),
    "an id too long": ({b"v": b"1", b"id": TEXT + b"a"}, 1),
    "an id with bits to spare": ({b"v": b"1", b"id": TEXT[:-1] + b"r"}, 1),
    "an id that is not ASCII": ({b"v": b"1", b"id": b"\xff" * 52}, 1),
    "version nought": ({b"v": b"0", b"id": TEXT}, 1),
    "a version with a leading nought": ({b"v": b"01", b"id": TEXT}, 1),
    "a version in other digits": ({b"v": "١".encode(), b"id": TEXT}, 1),
    "a version too long": ({b"v": b"9" * 5000, b"id": TEXT}, 1),
    "port nought": ({b"v": b"1", b"id": TEXT}, 0),
    "a port too high": ({b"v": b"1", b"id": TEXT}, 65536),
}


@pytest.mark.parametrize(("txt", "port"), BAD.values(), ids=BAD.keys())
def test_refused(txt: dict[bytes, bytes | None], port: int) -> None:
    with pytest.raises(BadAnnouncement):
        from_txt(txt, port)


@pytest.mark.parametrize(("node", "version"), [(b"short", 1), (NODE, 0), (NODE, 1000)])
def test_an_announcement_that_cannot_be_made(node: bytes, version: int) -> None:
    with pytest.raises(BadAnnouncement):
        Announcement(NodeId(node), 1, version)


keys = st.sampled_from([b"v", b"id", b"V"]) | st.binary(max_size=5)


@given(st.dictionaries(keys, st.none() | st.just(b"1") | st.binary(max_size=60)), st.integers(-1, 70000))
def test_any_record_is_refused(txt: dict[bytes, bytes | None], port: int) -> None:
    with pytest.raises(BadAnnouncement):
        from_txt(txt, port)
