"""By which means content gets from the store into a view, on file systems that allow some of them."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path

import pytest

from swarm.errors import StoreError
from swarm.views import links
from swarm.views.links import CACHE_ORDER, FOLDER_ORDER, place
from swarm.views.values import How, ViewFile
from tests.store.samples import sample

CONTENT = sample(5000)


@pytest.fixture
def file(tmp_path: Path) -> ViewFile:
    stored = tmp_path / "stored"
    stored.write_bytes(CONTENT.data)
    stored.chmod(0o444)
    return ViewFile("a", CONTENT.blob, stored)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "view" / "deep" / "a"


class Kernel:
    """What this system can do, as far as the system calls say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.forbid_reflinks()

    def _fail(self, module: object, name: str, number: int) -> None:
        def fail(*arguments: object, **named: object) -> None:
            raise OSError(number, os.strerror(number))

        self._monkeypatch.setattr(module, name, fail)

    def forbid_hardlinks(self, number: int = errno.EPERM) -> None:
        self._fail(os, "link", number)

    def forbid_reflinks(self) -> None:
        self._fail(fcntl, "ioctl", errno.EOPNOTSUPP)

    def allow_reflinks(self) -> None:
        def clone(target: int, request: int, source: int) -> int:
            assert request == links.FICLONE
            os.write(target, os.pread(source, 1 << 20, 0))
            return 0

        self._monkeypatch.setattr(fcntl, "ioctl", clone)

    def forbid_symlinks(self) -> None:
        self._fail(os, "symlink", errno.EPERM)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def put(file: ViewFile, target: Path, order: tuple[How, ...] = CACHE_ORDER) -> How:
    scratch = target.parent.parent
    scratch.mkdir(exist_ok=True)
    how = place(file, target, order, scratch)
    assert target.read_bytes() == CONTENT.data
    assert [path.name for path in scratch.iterdir()] == [target.parent.name]
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    return how


def test_a_cache_gets_a_hardlink(file: ViewFile, target: Path, kernel: Kernel) -> None:
    assert put(file, target) == "hardlink"
    assert target.samefile(file.stored)
    assert put(file, target) == "kept"


@pytest.mark.parametrize("order", [("hardlink",), ("symlink",)])
def test_a_new_link_needs_no_other_name(
    file: ViewFile, target: Path, tmp_path: Path, order: tuple[How, ...]
) -> None:
    assert place(file, target, order, tmp_path / "no such folder") == order[0]
    assert target.samefile(file.stored)


def test_a_cache_gets_a_reflink_where_no_hardlink_may_be_made(
    file: ViewFile, target: Path, kernel: Kernel
) -> None:
    kernel.forbid_hardlinks()
    kernel.allow_reflinks()
    assert put(file, target) == "reflink"
    assert not target.samefile(file.stored)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.EMLINK])
def test_a_cache_gets_a_symlink_where_nothing_better_can_be_had(
    file: ViewFile, target: Path, kernel: Kernel, number: int
) -> None:
    kernel.forbid_hardlinks(number)
    assert put(file, target) == "symlink"
    assert target.readlink() == file.stored
    assert links.leads_into_store(target, file.stored)
    assert put(file, target) == "kept"


def test_a_copy_is_the_last_means(file: ViewFile, target: Path, kernel: Kernel) -> None:
    kernel.forbid_hardlinks()
    kernel.forbid_symlinks()
    assert put(file, target) == "copy"
    assert not target.samefile(file.stored)
    assert target.stat().st_mode & 0o200
    assert put(file, target) == "kept"


def test_a_folder_gets_files_of_its_own_if_that_costs_nothing(
    file: ViewFile, target: Path, kernel: Kernel
) -> None:
    kernel.allow_reflinks()
    assert put(file, target, FOLDER_ORDER) == "reflink"


def test_a_folder_gets_hardlinks_but_no_symlinks(file: ViewFile, target: Path, kernel: Kernel) -> None:
    assert put(file, target, FOLDER_ORDER) == "hardlink"
    target.unlink()
    kernel.forbid_hardlinks(errno.EXDEV)
    assert put(file, target, FOLDER_ORDER) == "copy"


@pytest.mark.parametrize("size", [10, 5000])
def test_other_content_is_replaced(file: ViewFile, target: Path, kernel: Kernel, size: int) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(bytes(size))
    assert put(file, target) == "hardlink"
    target.unlink()
    target.write_bytes(bytes(size))
    kernel.forbid_hardlinks()
    assert put(file, target) == "symlink"


def test_the_same_content_is_kept_where_it_could_only_be_copied(
    file: ViewFile, target: Path, kernel: Kernel
) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT.data)
    kernel.forbid_hardlinks()
    assert put(file, target) == "kept"
    assert not target.is_symlink()


def test_a_dangling_symlink_is_replaced(file: ViewFile, target: Path, kernel: Kernel) -> None:
    target.parent.mkdir(parents=True)
    target.symlink_to("nowhere")
    assert put(file, target) == "hardlink"


def test_a_disk_that_is_full_is_not_a_reason_to_try_something_else(
    file: ViewFile, target: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.forbid_hardlinks()
    kernel.forbid_symlinks()

    def full(source: Path, temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    target.parent.mkdir(parents=True)
    with pytest.raises(OSError, match="No space left"):
        place(file, target, CACHE_ORDER, target.parent)
    assert list(target.parent.iterdir()) == []


def test_content_that_is_gone_or_closed_says_so(
    file: ViewFile, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(StoreError, match="may not be read"):
            place(file, target, CACHE_ORDER, target.parent)
    file.stored.unlink()
    with pytest.raises(StoreError, match="no longer in the store"):
        place(file, target, CACHE_ORDER, target.parent)


def test_a_file_system_says_whether_it_has_symlinks(tmp_path: Path, kernel: Kernel) -> None:
    assert links.can_symlink(tmp_path)
    assert list(tmp_path.iterdir()) == []
    kernel.forbid_symlinks()
    assert not links.can_symlink(tmp_path)
