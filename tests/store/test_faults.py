"""What the system and sqlite say, as errors that tell people what to do."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from swarm.errors import StoreError
from swarm.store.faults import disk_faults, size_text


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "is full"),
        (errno.EDQUOT, "is full"),
        (errno.EROFS, "cannot be written"),
        (errno.EACCES, "cannot be written"),
        (errno.EIO, "failed"),
    ],
)
def test_what_the_system_says_becomes_an_error_with_advice(tmp_path: Path, number: int, message: str) -> None:
    with pytest.raises(StoreError, match=message) as raised, disk_faults(tmp_path):
        raise OSError(number, "as the system says")
    assert str(tmp_path) in raised.value.message
    assert raised.value.advice


def test_a_full_disk_says_how_much_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"free, 3\.0 GiB more needed"), disk_faults(tmp_path, 3 << 30):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (sqlite3.SQLITE_FULL, "is full"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "cannot be written"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
        (sqlite3.SQLITE_IOERR, "index of the store .* failed"),
    ],
)
def test_what_sqlite_says_becomes_an_error_too(tmp_path: Path, code: int, message: str) -> None:
    fault = sqlite3.OperationalError("as sqlite says")
    fault.sqlite_errorcode = code
    with pytest.raises(StoreError, match=message), disk_faults(tmp_path):
        raise fault


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(KeyError), disk_faults(tmp_path):
        raise KeyError


def test_sizes() -> None:
    assert size_text(3 << 20) == "3.0 MiB"
    assert size_text(5 << 29) == "2.5 GiB"
