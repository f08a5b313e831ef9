"""What a file takes on disk, and what of it was written."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.limits import MIB
from swarm.store.files import allocated, reserve, write_at, written


def test_what_is_reserved_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 4 * MIB)
    reserved = reserve(fd, 4 * MIB)
    assert written(path) == 0
    os.pwrite(fd, os.urandom(MIB), MIB)
    os.fsync(fd)
    os.close(fd)
    assert written(path) == MIB
    assert allocated(path) >= (4 * MIB if reserved else MIB)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert written(tmp_path / "none") == allocated(tmp_path / "none") == 0


def test_a_disk_that_fails_is_no_end_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")

    def broken(fd: int, position: int, whence: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "lseek", broken)
    with pytest.raises(OSError, match="Input/output"):
        written(path)


@pytest.mark.parametrize(
    "library",
    [
        SimpleNamespace(),
        SimpleNamespace(fallocate64=lambda *_: -1),
        SimpleNamespace(fallocate64=lambda *_: 0),
    ],
    ids=["not Linux", "a file system without it", "one that only says so"],
)
def test_where_nothing_can_be_reserved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: object
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    with (tmp_path / "file").open("wb") as file:
        os.ftruncate(file.fileno(), MIB)
        assert not reserve(file.fileno(), MIB)


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 30))
def test_parts_are_written_whatever_the_system_takes_at_a_time(parts: list[bytes], most: int) -> None:
    whole = bytearray()

    def taking_few(fd: int, views: list[memoryview], offset: int) -> int:
        data = b"".join(views)[:most]
        assert offset == 7 + len(whole)
        whole.extend(data)
        return len(data)

    with patch("os.pwritev", taking_few):
        write_at(-1, 7, *parts)
    assert whole == b"".join(parts)
