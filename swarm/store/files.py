"""The few things done to files, so that a crash at any point leaves either the old state or the new.

Content gets its final name only when all of it is there. Large blobs are on disk (fsync) before that.
Small ones, which come by the thousand, are not: the index remembers during which boot of which machine
they were written, and they are hashed again before their first use after another boot (`complete`).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from blake3 import blake3

from protocol.chunks import Bytes
from protocol.manifest import Blob
from swarm.errors import StoreError

COMPLETE_MODE: Final = 0o444
"""A view may be a hardlink to it: whoever writes through the view would change what was verified."""

FOLDER_MODE: Final = 0o755
"""Most that folders of a store allow, whatever the umask: who can write in them can put other content in the
place of what was verified, and the group of a shared daemon is to read only."""

SECTOR: Final = 512
"""Unit of st_blocks on every system, whatever the block size."""


def write_back(fd: int, offset: int, length: int) -> None:
    """Begin to write to disk what was just written to this part of a file, and do not wait for it.

    POSIX_FADV_DONTNEED does that for dirty pages, which it leaves where they are (Linux, mm/fadvise.c).
    """
    with suppress(OSError, AttributeError):  # a system without it writes later, no more
        os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)


def write_at(fd: int, offset: int, *parts: Bytes) -> None:
    """All of these, one behind the other from `offset` on. Raises OSError."""
    rest = [memoryview(part) for part in parts]
    while rest:
        written = os.pwritev(fd, rest, offset)
        offset += written
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if written:
            rest[0] = rest[0][written:]


def reserve(fd: int, size: int) -> bool:
    """Have the file system set aside the first `size` bytes of a file; whether it did (fallocate(2)).

    Not os.posix_fallocate: where the file system cannot, that writes to each block. One that only says it did
    is found out by the blocks of the file.
    """
    try:
        call = ctypes.CDLL(None).fallocate64
    except AttributeError:  # not Linux
        return False
    done = call(fd, 0, ctypes.c_int64(0), ctypes.c_int64(size)) == 0
    return done and os.fstat(fd).st_blocks * SECTOR >= size


def move(source: str, place: str) -> None:
    """Give a file its final name, replacing what is there; makes the two folders above it."""
    try:
        os.rename(source, place)
    except FileNotFoundError:
        folder = os.path.dirname(place)
        for missing in (os.path.dirname(folder), folder):
            with suppress(FileExistsError):
                os.mkdir(missing, FOLDER_MODE)
        os.rename(source, place)


def close_to_others(folder: Path) -> None:
    """Have nobody but the owner write in a folder; one that is gone is left alone. StoreError when somebody
    else's, or one on a file system without modes, stays open."""
    with suppress(FileNotFoundError):
        if not _open_to_others(folder):
            return
        with suppress(PermissionError):
            mode = stat.S_IMODE(folder.stat().st_mode)
            folder.chmod(mode & ~0o777 | mode & FOLDER_MODE)
        if _open_to_others(folder):
            raise StoreError(
                f"Others can write in {folder}, and so replace what was verified.",
                f"Have its owner run `chmod go-w {folder}`, mount it with umask=022, or set SWARM_HOME.",
            )


def _open_to_others(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o777 & ~FOLDER_MODE)


def sync_folder(folder: str) -> None:
    """Have the names in a folder on disk. Some network file systems cannot and need not."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError:
        return
    finally:
        os.close(fd)


def flush(path: str) -> None:
    """Have the content of a file on disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_new(data: Bytes, temporary: str, *, sync: bool) -> int:
    """Write content under a temporary name; returns its mtime in ns."""
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, COMPLETE_MODE)
    try:
        os.fchmod(fd, COMPLETE_MODE)
        write_at(fd, 0, data)
        if sync:
            os.fsync(fd)
        return os.fstat(fd).st_mtime_ns
    finally:
        os.close(fd)


def allocated(path: Path) -> int:
    """Bytes a file takes on disk, 0 when there is none: of a sparse one what was written or reserved."""
    try:
        return path.stat().st_blocks * SECTOR
    except FileNotFoundError:
        return 0


def written(path: Path) -> int:
    """Bytes of a file that were written, as far as its file system tells; 0 when there is none.

    What is only reserved is a hole (lseek(2), SEEK_DATA). Where nobody knows of holes, all is data.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    count = hole = 0
    try:
        while True:
            data = os.lseek(fd, hole, os.SEEK_DATA)
            hole = os.lseek(fd, data, os.SEEK_HOLE)
            count += hole - data
    except OSError as end:
        if end.errno != errno.ENXIO:  # nothing but holes from there on
            raise
        return count
    finally:
        os.close(fd)


def hash_file(blob: Blob, path: str) -> bytes | None:
    """The packed BLAKE3 digests of its chunks if the file is what the publisher calls `blob`, else None."""
    whole = blob.hasher()
    packed = bytearray()
    size = 0
    with open(path, "rb", buffering=0) as file:
        while data := file.read(blob.chunk_length):
            whole.update(data)
            packed += blake3(data).digest()
            size += len(data)
            if size > blob.size:
                return None
    return bytes(packed) if size == blob.size and whole.digest() == blob.digest else None
