"""Which files a `get` is for."""

from __future__ import annotations

import pytest

from protocol.manifest import Blob, File, Layout, Snapshot
from swarm.errors import NotFound
from swarm.transfer.plan import chunk_bits, select

NAMES = ("config.json", "model.safetensors", "onnx/model.onnx", "onnx/deep/q.onnx")


def blob(n: int, size: int = 1) -> Blob:
    return Blob("git-sha1", bytes([n]) * 20, size)


SNAPSHOT = Snapshot(
    "hf", "model", "a/b", "0" * 40, tuple(File(name, blob(n)) for n, name in enumerate(NAMES))
)


def paths(*names: str, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
    return [file.path for file in select(SNAPSHOT, names, include, exclude)]


def test_everything_without_a_filter() -> None:
    assert paths() == sorted(NAMES)


def test_named_files_only() -> None:
    assert paths("model.safetensors", "config.json") == ["config.json", "model.safetensors"]


def test_a_named_file_that_is_not_there() -> None:
    with pytest.raises(NotFound, match=r"'nope\.bin'"):
        paths("nope.bin")


def test_patterns_cross_folders_as_in_huggingface_hub() -> None:
    assert paths(include=("*.onnx",)) == ["onnx/deep/q.onnx", "onnx/model.onnx"]
    assert paths(include=("onnx/",)) == ["onnx/deep/q.onnx", "onnx/model.onnx"]
    assert paths(include=("onnx/",), exclude=("*/deep/*",)) == ["onnx/model.onnx"]


def test_patterns_that_leave_nothing() -> None:
    with pytest.raises(NotFound):
        paths(include=("*.gguf",))


def test_bits_of_blobs() -> None:
    layout = Layout([blob(1, 300 * 1024), blob(2, 0), blob(3, 5)])
    assert chunk_bits(layout, [blob(1, 300 * 1024)]) == 0b011
    assert chunk_bits(layout, [blob(2, 0), blob(3, 5)]) == 0b100
