"""Past the page cache where that is possible and fast, through it everywhere else; the bytes are the same."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chunks import Bytes
from protocol.limits import MIB
from swarm.store.descriptors import Opened
from swarm.store.direct import BLOCK, LEAST_RATE, TRIAL_BYTES, Direct

PAGES = memoryview(mmap.mmap(-1, MIB))
"""A megabyte that a disk takes as it is."""


class Stopwatch:
    """A clock on which each second look is so much after the first, by turns."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = cycle(seconds)
        self._now = 0.0
        self._looks = 0

    def __call__(self) -> float:
        self._looks += 1
        if self._looks % 2 == 0:
            self._now += next(self._seconds)
        return self._now


def made(direct: Direct, path: Path, size: int) -> Opened:
    path.write_bytes(b"")
    os.truncate(path, size)
    return direct.open(str(path), os.O_RDWR)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Direct, Opened]]:
    direct = Direct()
    file = made(direct, tmp_path / "file", 4 * MIB + 10)
    yield direct, file
    file.close()


@pytest.mark.parametrize(
    ("offset", "length"), [(0, MIB), (MIB, 3 * BLOCK), (BLOCK, 100), (4 * MIB, 10), (7, BLOCK)]
)
def test_what_was_written_is_read(opened: tuple[Direct, Opened], offset: int, length: int) -> None:
    direct, file = opened
    data = os.urandom(length)
    direct.write(file, [data], offset)
    assert os.pread(file.fd, length, offset) == data
    memory = memoryview(mmap.mmap(-1, MIB))
    assert direct.read(file, memory[:length], offset) == length
    assert memory[:length] == data


@pytest.mark.parametrize("length", [BLOCK, 100])
def test_parts_are_written_one_behind_the_other(opened: tuple[Direct, Opened], length: int) -> None:
    direct, file = opened
    parts = [os.urandom(length) for _ in range(3)]
    direct.write(file, parts, MIB)
    assert os.pread(file.fd, 3 * length, MIB) == b"".join(parts)


@given(st.integers(0, 3 * BLOCK), st.integers(0, 2 * BLOCK), st.integers(0, 100))
def test_any_memory_and_any_place_will_do(offset: int, length: int, into: int) -> None:
    direct = Direct()
    with open("/proc/self/exe", "rb") as exe:
        expected = exe.read(6 * BLOCK)
    file = direct.open("/proc/self/exe", os.O_RDONLY)
    memory = memoryview(bytearray(100 + 2 * BLOCK))[into : into + length]
    assert direct.read(file, memory, offset) == length
    assert memory == expected[offset : offset + length]
    file.close()


def test_a_read_ends_where_the_file_does(opened: tuple[Direct, Opened]) -> None:
    direct, file = opened
    assert direct.read(file, memoryview(mmap.mmap(-1, BLOCK)), 4 * MIB) == 10


@pytest.mark.parametrize(("factor", "usable"), [(0.5, False), (2.0, True)])
def test_a_disk_is_judged_by_its_first_writes(tmp_path: Path, factor: float, usable: bool) -> None:
    direct = Direct(Stopwatch(MIB / (LEAST_RATE * factor)))
    file = made(direct, tmp_path / "file", MIB)
    if file.direct < 0:
        usable = True  # nothing is ever written that way
    for _ in range(TRIAL_BYTES // MIB):
        assert direct.usable
        direct.write(file, [PAGES], 0)
    assert direct.usable == usable
    direct.write(file, [b"x" * MIB], 0)
    assert os.pread(file.fd, MIB, 0) == b"x" * MIB
    file.close()


USUAL = MIB / (2 * LEAST_RATE)
WRITES = TRIAL_BYTES // MIB


@pytest.mark.parametrize(
    ("seconds", "usable"),
    [
        ([USUAL, USUAL, 100 * USUAL], True),
        ([USUAL, 100 * USUAL, 100 * USUAL], False),
        ([*[USUAL] * WRITES, *[3 * USUAL] * WRITES], False),
        ([0.0], True),
    ],
    ids=["a thread that has to wait", "a disk that seeks", "a cache that is full", "a coarse clock"],
)
def test_most_of_the_last_writes_count(tmp_path: Path, seconds: list[float], usable: bool) -> None:
    direct = Direct(Stopwatch(*seconds))
    file = made(direct, tmp_path / "file", MIB)
    if file.direct < 0:
        usable = True
    for _ in range(2 * WRITES):
        direct.write(file, [PAGES], 0)
    assert direct.usable == usable
    file.close()


@pytest.mark.parametrize(("factor", "usable"), [(0.6, True), (0.4, False)])
def test_writes_at_the_same_time_share_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, usable: bool
) -> None:
    """Of each two writes the second begins during the first; each gets `factor` of the least rate."""
    now = 0.0
    direct = Direct(lambda: now)
    file = made(direct, tmp_path / "file", MIB)
    depth = 0

    def slow(fd: int, offset: int, *parts: Bytes) -> None:
        nonlocal now, depth
        depth += 1
        if depth == 1:
            direct.write(file, [PAGES], 0)
        else:
            now += MIB / (LEAST_RATE * factor)
        depth -= 1

    monkeypatch.setattr("swarm.store.direct.write_at", slow)
    for _ in range(TRIAL_BYTES // MIB // 2):
        direct.write(Opened(file.fd, direct=file.fd), [PAGES], 0)
    assert direct.usable == usable
    file.close()


def test_memory_of_whole_pages_is_not_copied(
    opened: tuple[Direct, Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    direct, file = opened
    memory = mmap.mmap(-1, 3 * BLOCK)
    memory[:] = os.urandom(3 * BLOCK)
    view = memoryview(memory)
    monkeypatch.setattr(direct, "buffer", None)
    direct.write(file, [view[:BLOCK], view[BLOCK:]], BLOCK)
    assert os.pread(file.fd, 3 * BLOCK, BLOCK) == view


@pytest.mark.parametrize(("code", "copied"), [(errno.EINVAL, True), (errno.ENOSPC, False)])
def test_only_memory_that_the_disk_does_not_take_is_copied(
    opened: tuple[Direct, Opened], monkeypatch: pytest.MonkeyPatch, code: int, copied: bool
) -> None:
    direct, file = opened
    written: list[bytes] = []

    def refusing(fd: int, offset: int, *parts: Bytes) -> None:
        if len(parts) > 1:
            raise OSError(code, "")
        written.extend(map(bytes, parts))

    monkeypatch.setattr("swarm.store.direct.write_at", refusing)
    parts = [b"a" * BLOCK, b"b" * BLOCK]
    file = Opened(file.fd, direct=file.fd)
    if copied:
        direct.write(file, parts, 0)
    else:
        with pytest.raises(OSError):
            direct.write(file, parts, 0)
    assert written == [b"".join(parts)] * copied


def test_it_can_be_forbidden(tmp_path: Path) -> None:
    direct = Direct(allowed=False)
    file = made(direct, tmp_path / "file", MIB)
    assert file.direct == -1
    assert not direct.usable
    file.close()


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Direct().open(str(tmp_path / "none"), os.O_RDONLY)


def test_what_is_for_the_page_cache_is_opened_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(BLOCK))
    opened = Direct().open(str(file), os.O_RDONLY, cached=True)
    try:
        assert opened.direct == -1
    finally:
        opened.close()
