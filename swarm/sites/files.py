"""Small files that several processes read and write: whole or not at all, and the owner's alone.

A daemon and commands share the folder of a site without a lock (locks cannot be relied on everywhere): each
file is written under another name and moved into place, and what must happen once is a file that is created
once (`create_once`).
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from swarm.errors import StoreError

OTHERS: Final = 0o077
"""What nobody but the owner may do with a secret, in the bits of a file's mode."""

MAX_FILE: Final = 1 << 20
"""Bytes of any of these files: the longest, a revocation list as text, has a tenth of it."""


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Tell of what the system refuses as a StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {error.strerror or error}.", "Check SWARM_HOME.") from error


def write(path: Path, text: str) -> None:
    """Put this text in place of what is there. Raises StoreError."""
    with usable(path):
        temporary = _written(path, text)
        os.replace(temporary, path)


def create_once(path: Path, text: str) -> bool:
    """Make a new file; False when there is one already, made by whoever. Raises StoreError."""
    with usable(path):
        temporary = _written(path, text)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True


def read(path: Path) -> str | None:
    """What is in the file; None when there is none. Raises StoreError."""
    return _read(path)


def read_secret(path: Path) -> str | None:
    """The same, for a file that nobody but its owner may read: refused otherwise."""
    return _read(path, refused=OTHERS)


def read_or_make_secret(path: Path, made: str) -> str:
    """The same, of a file that gets `made` as its content if there is none yet: two at once agree on one."""
    if (text := read_secret(path)) is None:
        create_once(path, made)
        text = read_secret(path)
    return text or ""


def _read(path: Path, refused: int = 0) -> str | None:
    """`refused`: bits of the mode with which it is not read."""
    with usable(path):
        try:
            with path.open(encoding="utf-8") as file:
                if os.fstat(file.fileno()).st_mode & refused:
                    raise StoreError(
                        f"{path} can be read by others.",
                        f"Run `chmod 600 {path}`, if it is still yours alone.",
                    )
                return file.read(MAX_FILE)
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise StoreError(f"{path} is damaged.", "Restore it from a copy.") from error


def read_json(path: Path) -> dict[str, object] | None:
    """The JSON object in the file; None when there is no file. StoreError, or ValueError if it is none."""
    text = read(path)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def names(folder: Path) -> list[str]:
    """What is in a folder, sorted, but for files being written; nothing when it is not there."""
    with usable(folder):
        try:
            return sorted(name for name in os.listdir(folder) if not name.startswith("."))
        except FileNotFoundError:
            return []


def make_folder(folder: Path) -> None:
    """Have a folder that is the owner's alone. Raises StoreError."""
    with usable(folder):
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            hand_over(folder)


def _written(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    hand_over(temporary)
    return temporary


def hand_over(path: Path) -> None:
    """What root makes in a folder of somebody else is theirs: playbooks run as root, daemons do not."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
