"""Small files: whole or not at all, made once, and nobody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Barrier, Thread

import pytest

from swarm.errors import StoreError
from swarm.sites import files


def test_what_is_written_is_read_and_is_the_owners(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write(path, "one")
    files.write(path, "zwei ü")
    assert files.read(path) == "zwei ü"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files.names(tmp_path) == ["a"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert files.read(tmp_path / "a") is None
    assert files.read_secret(tmp_path / "a") is None
    assert files.names(tmp_path / "none") == []


def test_a_secret_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write(path, "secret")
    assert files.read_secret(path) == "secret"
    path.chmod(0o640)
    with pytest.raises(StoreError, match="read by others") as caught:
        files.read_secret(path)
    assert f"chmod 600 {path}" in caught.value.advice


def test_of_several_that_create_one_does(tmp_path: Path) -> None:
    made: list[bool] = []
    together = Barrier(8)

    def create(number: int) -> None:
        together.wait()
        made.append(files.create_once(tmp_path / "a", str(number)))

    threads = [Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]
    assert files.names(tmp_path) == ["a"]


def test_of_several_that_make_a_secret_all_read_the_same(tmp_path: Path) -> None:
    read: list[str] = []
    together = Barrier(8)

    def make(number: int) -> None:
        together.wait()
        read.append(files.read_or_make_secret(tmp_path / "a", str(number)))

    threads = [Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == [read[0]] * 8
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    (tmp_path / "a").chmod(0o604)
    with pytest.raises(StoreError, match="read by others"):
        files.read_or_make_secret(tmp_path / "a", "another")


def test_folders_are_the_owners(tmp_path: Path) -> None:
    files.make_folder(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    files.make_folder(tmp_path / "a" / "b")


def test_what_root_makes_belongs_to_the_owner_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: owners.setdefault(path.name, (uid, gid)))
    found = tmp_path.stat()
    files.make_folder(tmp_path / "new")
    files.write(tmp_path / "a", "")
    temporary = next(name for name in owners if name.startswith(".a."))
    assert owners == {"new": (found.st_uid, found.st_gid), temporary: (found.st_uid, found.st_gid)}
    owners.clear()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    files.write(tmp_path / "a", "")
    assert owners == {}


@pytest.mark.parametrize("act", [files.read, files.names, files.make_folder])
def test_what_the_system_refuses_is_told(tmp_path: Path, act: object) -> None:
    files.write(tmp_path / "a", "")
    with pytest.raises(StoreError, match="cannot be used"):
        act(tmp_path / "a" / "b")  # type: ignore[operator]  # any of the three


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match="damaged"):
        files.read(tmp_path / "a")
