"""Turns what the operating system and sqlite say into errors people can act on.

The one place where an errno becomes a StoreError: every function that runs in a worker thread does
its disk work under `disk_faults`.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from protocol.limits import GIB, MIB
from swarm.errors import StoreError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FORBIDDEN: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA})
UNWRITABLE: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN})
PRIMARY_CODE: Final = 0xFF
"""The low byte of an extended sqlite result code is the primary one (sqlite.org/rescode.html)."""


@contextmanager
def disk_faults(root: Path, needed: int = 0) -> Iterator[None]:
    """Raise StoreError for whatever OSError or sqlite3.Error happens inside.

    `needed`: bytes that were still to be written, for the message when the disk is full.
    """
    try:
        yield
    except OSError as fault:
        if fault.errno in FULL:
            raise full(root, needed) from fault
        if fault.errno in FORBIDDEN:
            raise unwritable(root, fault.strerror or "") from fault
        raise StoreError(
            f"The disk under the store {root} failed: {fault}", "Check the disk; what was verified stays."
        ) from fault
    except sqlite3.Error as fault:
        raise _index_fault(root, needed, fault) from fault


def _index_fault(root: Path, needed: int, fault: sqlite3.Error) -> StoreError:
    code = getattr(fault, "sqlite_errorcode", 0) & PRIMARY_CODE
    if code == sqlite3.SQLITE_FULL:
        return full(root, needed)
    if code in UNWRITABLE:
        return unwritable(root, str(fault))
    if code in DAMAGED:
        return StoreError(
            f"The index of the store {root} is damaged: {fault}",
            "Stop lanswarm, move index.sqlite away and start again: "
            "what lies in the store is found and checked when it is asked for.",
        )
    return StoreError(
        f"The index of the store {root} failed: {fault}", "Check the disk; what was verified stays."
    )


def full(root: Path, needed: int) -> StoreError:
    """The disk has no room, or the user's share of it is used up."""
    more = f", {size_text(needed)} more needed" if needed else ""
    return StoreError(
        f"The disk under the store {root} is full: {size_text(free_bytes(root))} free{more}",
        "Free some room (`swarm models`, `swarm rm REPO`) or set SWARM_HOME to a larger disk, "
        "and run it again: what was verified stays.",
    )


def unwritable(root: Path, reason: str) -> StoreError:
    """The store cannot be written by this user, or by anybody."""
    return StoreError(
        f"The store {root} cannot be written: {reason}",
        "Set SWARM_HOME to a folder you may write, or mend its owner, its mode or how it is mounted.",
    )


def free_bytes(root: Path) -> int:
    """Bytes this user may still write under `root`; 0 when that cannot be told."""
    try:
        stat = os.statvfs(root)
    except OSError:
        return 0
    return stat.f_bavail * stat.f_frsize


def size_text(size: int) -> str:
    """A size for a message: GiB from one GiB on, else MiB."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.1f} MiB"
