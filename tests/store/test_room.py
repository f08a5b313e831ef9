"""Room that is left on a disk, and how often the file system is asked for it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from protocol.limits import MIB
from swarm.errors import StoreError
from swarm.store.room import RESERVE, Room


class Disk:
    """Stands for os.statvfs: `free` bytes in blocks of 1 MiB."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int, blocks: int = 1000) -> None:
        self.free = free
        self.looks = 0
        self.blocks = blocks
        monkeypatch.setattr(os, "statvfs", self)

    def __call__(self, path: object) -> SimpleNamespace:
        self.looks += 1
        return SimpleNamespace(f_bavail=self.free // MIB, f_frsize=MIB, f_blocks=self.blocks)


def test_the_reserve_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, RESERVE + 4 * MIB)
    room = Room(Path("/store"))
    for _ in range(4):
        room.take(MIB, 0)
    disk.free = RESERVE
    with pytest.raises(StoreError, match=r"16\.0 MiB free, 7\.0 MiB more needed"):
        room.take(MIB, 7 * MIB)


def test_the_file_system_is_asked_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, 1 << 40)
    room = Room(Path("/store"))
    for _ in range(128):
        room.take(MIB, 0)
    assert disk.looks == 2


@pytest.mark.parametrize(
    ("free", "can"), [(RESERVE + 4 * MIB, True), (RESERVE + 3 * MIB, True), (1 << 40, False)]
)
def test_room_is_reserved_if_the_reserve_stays(monkeypatch: pytest.MonkeyPatch, free: int, can: bool) -> None:
    Disk(monkeypatch, free)
    asked: list[int] = []

    def reserve(fd: int, size: int) -> bool:
        asked.append(size)
        return can

    monkeypatch.setattr("swarm.store.room.reserve", reserve)
    room = Room(Path("/store"))
    fits = free >= RESERVE + 4 * MIB
    assert room.reserve(0, 4 * MIB) == (fits and can)
    assert asked == [4 * MIB] * fits


def test_the_file_system_is_asked_anew_after_something_was_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, 1 << 40)
    monkeypatch.setattr("swarm.store.room.reserve", lambda fd, size: True)
    room = Room(Path("/store"))
    room.take(MIB, 0)
    room.reserve(0, 4 * MIB)
    disk.free = RESERVE
    with pytest.raises(StoreError):
        room.take(MIB, 0)


def test_a_file_system_that_does_not_say_is_believed_to_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    Disk(monkeypatch, 0, blocks=0)
    Room(Path("/store")).take(MIB, 0)
