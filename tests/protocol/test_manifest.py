"""Snapshots: one key for one content, no path that leaves its folder, and every chunk in its place."""

from __future__ import annotations

import hashlib
import re
import sys
import tracemalloc
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec, limits
from protocol.chunks import WrongBytes
from protocol.codec import BadEncoding
from protocol.limits import GIB, KIB, MIB
from protocol.manifest import (
    MAX_SIZE,
    BadManifest,
    Blob,
    File,
    Layout,
    Snapshot,
    check_path,
    check_paths,
    decode_snapshot,
)
from protocol.messages import BadMessage, ManifestPart
from tests.protocol.evil import BAD_PATHS, CLASHES
from tests.protocol.strategies import values


def blob(number: int, size: int = 5) -> Blob:
    return Blob("sha256", number.to_bytes(32, "big"), size)


EMPTY = Blob("git-sha1", bytes.fromhex("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"), 0)
SNAPSHOT = Snapshot(
    "hf",
    "model",
    "org/name",
    "c" * 40,
    (File("config.json", EMPTY), File("a/b.safetensors", blob(1, 3 * GIB)), File("a/copy", blob(1, 3 * GIB))),
)
ROWS = [
    ["a/b.safetensors", "sha256", blob(1).digest, 3 * GIB],
    ["a/copy", "sha256", blob(1).digest, 3 * GIB],
    ["config.json", "git-sha1", EMPTY.digest, 0],
]


def test_golden_encoding_and_key() -> None:
    assert SNAPSHOT.encoded == codec.encode(["hf", "model", "org/name", "c" * 40, ROWS])
    assert SNAPSHOT.key == blake3(SNAPSHOT.encoded).digest()
    assert SNAPSHOT.key.hex() == "6aae786a71881d4b98968977b52568281c83c8e3bc286e88c91dc5bd6de8de54"


def test_what_was_encoded_is_decoded() -> None:
    assert decode_snapshot(SNAPSHOT.encoded) == SNAPSHOT
    assert decode_snapshot(memoryview(SNAPSHOT.encoded)).key == SNAPSHOT.key


def test_the_order_of_files_does_not_matter() -> None:
    assert replace(SNAPSHOT, files=SNAPSHOT.files[::-1]).key == SNAPSHOT.key


def test_files_sort_by_the_bytes_of_their_paths() -> None:
    names = ["é", "z", "\U0001f600", "\uffee"]
    snapshot = replace(SNAPSHOT, files=tuple(File(name, EMPTY) for name in names))
    assert [file.path for file in snapshot.files] == sorted(names, key=str.encode)


def test_a_user_sees_duplicates_twice_and_the_layout_once() -> None:
    assert SNAPSHOT.size == 6 * GIB
    assert SNAPSHOT.layout.total == 3 * KIB
    assert SNAPSHOT.layout.blobs == (blob(1, 3 * GIB), EMPTY)


@pytest.mark.parametrize("path", BAD_PATHS.values(), ids=BAD_PATHS.keys())
def test_a_path_that_leaves_its_folder_or_means_something_else(path: str) -> None:
    with pytest.raises(BadManifest):
        check_path(path)
    with pytest.raises(BadManifest):
        replace(SNAPSHOT, files=(File(path, EMPTY),))
    with pytest.raises(BadManifest):
        replace(SNAPSHOT, repo=path)


@pytest.mark.parametrize(
    "path",
    ["a", "a/b", "...", "..a", "é/模型.bin", "x" * 255, "console", "a:b", "nul-1", "/".join("x" * 64), "a b"],
)
def test_a_path_that_is_fine(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize("paths", CLASHES.values(), ids=CLASHES.keys())
def test_paths_that_clash(paths: list[str]) -> None:
    with pytest.raises(BadManifest):
        check_paths(paths)
    with pytest.raises(BadManifest):
        replace(SNAPSHOT, files=tuple(File(path, EMPTY) for path in paths))


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["caf\u00e9", "cafe\u0301"], r"'caf\xe9' and 'cafe\u0301' clash"),
        (["caf\u00e9/a", "cafe\u0301/b"], r"'caf\xe9' and 'cafe\u0301' clash on the way to"),
        (["模型.A", "模型.a"], "'模型.A' and '模型.a' clash"),
    ],
)
def test_names_that_clash_are_told_so_that_the_difference_is_seen(paths: list[str], said: str) -> None:
    with pytest.raises(BadManifest, match=re.escape(said)):
        check_paths(paths)


def test_paths_that_do_not_clash() -> None:
    check_paths(["a/b/c", "a/b/d", "b/a", "a/c", "c/b/c", "a.b", "ab"])
    check_paths(
        [
            "模型/权重.bin",
            "模型/说明.md",
            "模型.md",
            "データ.json",
            "デ一タ.json",
            "한국어.txt",
            "ﬁ.txt",
            "cafe\u0301",
        ]
    )


ALPHABETS = st.sampled_from("aZ0éÉßſıİΣςΐᾼῃåÅ한ガ模豈") | st.characters(categories=["L", "M", "Nd"])
SPELLINGS = {
    "composed": partial(unicodedata.normalize, "NFC"),
    "decomposed": partial(unicodedata.normalize, "NFD"),
    "folded": str.casefold,
    "both": lambda name: unicodedata.normalize("NFC", name.casefold()),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
@given(name=st.text(ALPHABETS, min_size=1, max_size=12))
def test_no_two_spellings_of_a_name(spell: Callable[[str], str], name: str) -> None:
    """Whatever macOS would take for one file is refused, as a file and as a folder on the way."""
    other = spell(name)
    check_paths([f"_{name}"])
    check_paths([f"_{other}"])
    if other == name:
        return
    for paths in ([name, other], [f"{name}/x", f"{other}/y"], [name, f"{other}/y"]):
        with pytest.raises(BadManifest):
            check_paths(paths)


def test_what_letters_fold_to_needs_no_decomposing() -> None:
    """It is decomposed already and begins with a letter: no mark has to move past it."""
    letters = map(chr, range(sys.maxunicode + 1))
    for letter in letters:
        folded = letter.casefold()
        if folded != letter and unicodedata.is_normalized("NFD", letter):
            assert unicodedata.is_normalized("NFD", folded)
            assert not unicodedata.combining(folded[0])


@given(st.sets(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1), max_size=20))
def test_names_in_chinese_do_not_clash(names: set[str]) -> None:
    check_paths(f"{name[:80]}.bin" for name in {name[:80] for name in names})


@pytest.mark.parametrize(
    "change",
    [
        {"hub": ""},
        {"hub": ".."},
        {"hub": "a/b"},
        {"commit": ""},
        {"commit": "../../x"},
        {"commit": "a/b"},
        {"commit": "\ud800"},
        {"repo": "/".join(["x" * 128] * 4) + "y"},
        {"repo_type": "kernel"},
        {"files": (File("a", blob(1, 5)), File("b", blob(1, 6)))},
        {"files": (File("a", blob(1, MAX_SIZE)),)},
    ],
    ids=repr,
)
def test_snapshots_that_break_a_rule(change: dict[str, object]) -> None:
    with pytest.raises(BadManifest):
        replace(SNAPSHOT, **change)  # type: ignore[arg-type]  # wrong on purpose


def test_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.manifest.MAX_FILES", 2)
    with pytest.raises(BadManifest, match="3 files"):
        replace(SNAPSHOT, files=SNAPSHOT.files)


@pytest.mark.parametrize(
    "encoded",
    [
        [],
        ["hf", "model", "a", "c"],
        ["hf", "model", "a", "c", ROWS, 1],
        ["hf", "kernel", "a", "c", ROWS],
        ["hf", "model", "a", "c", [["x", "sha256", bytes(31), 1]]],
        ["hf", "model", "a", "c", [["x", "md5", bytes(16), 1]]],
        ["hf", "model", "a", "c", [["x", "sha256", bytes(32), True]]],
        ["hf", "model", "a", "c", [["x", "sha256", bytes(32), -1]]],
        ["hf", "model", "a", "c", [["x", "sha256", bytes(32), MAX_SIZE + 1]]],
        ["hf", "model", "a", "c", [["x", "sha256", bytes(32)]]],
        ["hf", "model", "a", "c", [["../x", "sha256", bytes(32), 1]]],
        ["hf", "model", "a", "c", ROWS[::-1]],
        ["hf", "model", "a", "c", None],
    ],
    ids=repr,
)
def test_lists_that_are_no_manifest(encoded: list[object]) -> None:
    with pytest.raises(BadManifest):
        decode_snapshot(codec.encode(encoded))


@given(st.lists(values, max_size=6).map(codec.encode) | st.binary(max_size=100))
def test_anything_is_a_manifest_or_refused(data: bytes) -> None:
    try:
        snapshot = decode_snapshot(data)
    except (BadManifest, BadEncoding):
        return
    assert snapshot.encoded == data


def test_a_manifest_has_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.MAX_MANIFEST == 256 * MIB
    monkeypatch.setattr("protocol.manifest.MAX_MANIFEST", len(SNAPSHOT.encoded) - 1)
    with pytest.raises(BadManifest, match="at most"):
        decode_snapshot(SNAPSHOT.encoded)


def test_ten_million_files_cannot_even_be_said() -> None:
    """A row takes 34 bytes at least, so there is no room for them within the limit that holds on the wire."""
    shortest = len(codec.encode(["", "git-sha1", bytes(20), 0]))
    assert limits.MAX_MANIFEST // shortest < 10_000_000
    with pytest.raises(BadMessage):
        ManifestPart(SNAPSHOT.key, 0, limits.MAX_MANIFEST + 1, b"x")


@pytest.mark.parametrize("rows", [b"", codec.encode(ROWS[0]) * 1000], ids=["none there", "a thousand there"])
def test_a_list_that_claims_ten_million_files_costs_nothing(rows: bytes) -> None:
    head = b"\x95" + b"".join(map(codec.encode, ["hf", "model", "a/b", "c" * 40]))
    bomb = head + b"\xdd" + (10_000_000).to_bytes(4, "big") + rows
    tracemalloc.start()
    try:
        with pytest.raises(BadEncoding):
            decode_snapshot(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(bomb) + 64 * KIB


@pytest.mark.parametrize(
    ("algorithm", "digest", "size"),
    [("md5", bytes(16), 1), ("sha256", bytes(20), 1), ("git-sha1", bytes(32), 1), ("sha256", bytes(32), -1)],
)
def test_blobs_that_break_a_rule(algorithm: str, digest: bytes, size: int) -> None:
    with pytest.raises(BadManifest):
        Blob(algorithm, digest, size)  # type: ignore[arg-type]  # wrong on purpose


def test_a_blob_is_checked_as_its_publisher_does() -> None:
    """Of git, the id of "hello\\n" as `git hash-object` says it."""
    Blob("git-sha1", bytes.fromhex("ce013625030ba8dba906f756967f9e9ca394464a"), 6).check(b"hello\n")
    Blob("sha256", hashlib.sha256(b"hello\n").digest(), 6).check(bytearray(b"hello\n"))
    EMPTY.check(b"")
    for data in (b"hello", b"Hello\n", b""):
        with pytest.raises(WrongBytes):
            Blob("sha256", hashlib.sha256(b"hello\n").digest(), 6).check(data)
    with pytest.raises(WrongBytes):
        Blob("sha256", hashlib.sha256(b"hello\n").digest(), 7).check(b"hello\n")


def test_spans_of_a_blob() -> None:
    large = blob(1, GIB + 1)
    assert large.chunk_count == 1025
    assert large.span(0) == (0, MIB)
    assert large.span(1024) == (GIB, 1)
    for index in (-1, 1025):
        with pytest.raises(IndexError):
            large.span(index)
    with pytest.raises(IndexError):
        EMPTY.span(0)


sizes = st.lists(st.integers(0, 3 * MIB), max_size=8)


@given(sizes)
def test_every_chunk_has_its_place(lengths: list[int]) -> None:
    layout = Layout(blob(number, size) for number, size in enumerate(lengths))
    places = [(each, index) for each in layout.blobs for index in range(each.chunk_count)]
    assert [layout.locate(chunk) for chunk in range(layout.total)] == places
    for each in layout.blobs:
        assert sum(layout.length(chunk) for chunk in layout.chunks_of(each)) == each.size
    for chunk in (-1, layout.total):
        with pytest.raises(IndexError):
            layout.locate(chunk)


def test_a_blob_of_another_snapshot_has_no_place() -> None:
    with pytest.raises(KeyError):
        SNAPSHOT.layout.chunks_of(blob(9))
