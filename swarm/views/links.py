"""Gets content from the store to where a view wants it, without taking its room twice if possible.

    hardlink   same file system, and the user owns the file or may write it (fs.protected_hardlinks)
    reflink    same file system, if it shares blocks (Btrfs, XFS, bcachefs; ioctl_ficlone(2))
    symlink    any; the store has to be told, see `ViewReport.symlinks`
    copy       any; takes its room again

What has content of its own is made under a temporary name and renamed, so that nobody ever sees half a file.
So is a link that replaces something; a new one comes into being whole.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from protocol.blobs import Blob
from swarm.errors import StoreError
from swarm.views.values import How, ViewFile

CACHE_ORDER: Final[tuple[How, ...]] = ("hardlink", "reflink", "symlink", "copy")
"""For a cache, whose files nobody edits."""

FOLDER_ORDER: Final[tuple[How, ...]] = ("reflink", "hardlink", "copy")
"""For a folder the user named: its files should be the user's own if that costs nothing. No symlinks:
whoever names a folder on another disk wants the content there."""

FICLONE: Final = 0x40049409
"""_IOW(0x94, 9, int) of linux/fs.h."""

IMPOSSIBLE: Final = frozenset(
    {
        errno.EXDEV,
        errno.EPERM,
        errno.EACCES,
        errno.EMLINK,
        errno.EINVAL,
        errno.ENOTTY,
        errno.ENOSYS,
        errno.EOPNOTSUPP,
        errno.ENOTSUP,
    }
)
"""What a system says when this kind of link cannot be made here, though another may."""

PIECE: Final = 1 << 20
"""Bytes hashed at a time."""


def place(file: ViewFile, target: Path, order: Sequence[How], scratch: Path) -> How:
    """Make `target` the content of `file`, by the first means in `order` that works.

    A target that already is the stored file is kept. One that is a file of its own is kept if only a symlink
    or a copy could replace it and it hashes to what it should. `scratch`: a folder on the target's
    file system for temporary names. Raises OSError of the last means, StoreError when the stored file
    cannot be read.
    """
    if is_same(target, file.stored):
        return "kept"
    if not os.access(file.stored, os.R_OK):
        raise _unreadable(file.stored)
    refused: OSError | None = None
    for how in order:
        if how in ("symlink", "copy") and _holds(target, file.blob):
            return "kept"
        try:
            _make(how, file.stored, target, scratch)
        except OSError as fault:
            if fault.errno not in IMPOSSIBLE:
                raise
            refused = fault
        else:
            return how
    assert refused is not None
    raise refused


def is_same(target: Path, stored: Path) -> bool:
    """Whether both names lead to one file."""
    try:
        return os.path.samefile(target, stored)
    except OSError:
        return False


def leads_into_store(target: Path, stored: Path) -> bool:
    """Whether `target` is a symlink to the stored file."""
    return target.is_symlink() and os.path.realpath(target) == os.path.realpath(stored)


def can_symlink(folder: Path) -> bool:
    """Whether this file system has symlinks."""
    probe = _temporary(folder)
    try:
        probe.symlink_to("nowhere")
    except OSError as fault:
        if fault.errno in IMPOSSIBLE:
            return False
        raise
    probe.unlink()
    return True


def link(make: Callable[[Path], None], target: Path, scratch: Path) -> None:
    """Have `make` make a link there, in place of what has that name. `scratch` as above. Raises OSError."""
    try:
        try:
            make(target)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            make(target)
    except FileExistsError:
        with replacing(target, scratch) as temporary:
            make(temporary)


@contextmanager
def replacing(target: Path, scratch: Path) -> Iterator[Path]:
    """A name in `scratch`; what is made under it replaces `target` if all goes well, else is removed."""
    temporary = _temporary(scratch)
    try:
        yield temporary
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(folder: Path) -> Path:
    """A name there that nobody has, and that tells whose it is."""
    return folder / f".lanswarm-{os.urandom(8).hex()}"


def _make(how: How, stored: Path, target: Path, scratch: Path) -> None:
    if how in _LINKS:
        link(partial(_LINKS[how], stored), target, scratch)
    else:
        with replacing(target, scratch) as temporary:
            _FILES[how](stored, temporary)


def _reflink(stored: Path, temporary: Path) -> None:
    with stored.open("rb") as source, temporary.open("wb") as target:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())


def _copy(stored: Path, temporary: Path) -> None:
    import shutil  # loads every compression there is

    shutil.copyfile(stored, temporary)


def _hardlink(stored: Path, target: Path) -> None:
    os.link(stored, target)


def _symlink(stored: Path, target: Path) -> None:
    target.symlink_to(stored.absolute())


_LINKS: Final[dict[How, Callable[[Path, Path], None]]] = {"hardlink": _hardlink, "symlink": _symlink}
_FILES: Final[dict[How, Callable[[Path, Path], None]]] = {"reflink": _reflink, "copy": _copy}


def _holds(target: Path, blob: Blob) -> bool:
    """Whether a regular file has exactly the content of `blob`."""
    try:
        if target.is_symlink() or target.stat().st_size != blob.size:
            return False
        hasher = blob.hasher()
        with target.open("rb") as file:
            while data := file.read(PIECE):
                hasher.update(data)
    except OSError:
        return False
    return hasher.digest() == blob.digest


def _unreadable(stored: Path) -> StoreError:
    if not stored.exists():
        return StoreError(f"{stored} is no longer in the store", "Run it again: it is fetched anew.")
    return StoreError(
        f"{stored} may not be read by you",
        "Let its owner open the store to you, or use a SWARM_HOME of your own.",
    )
