"""Files that make whoever reads them this node, or its owner: for the owner's eyes only, or refused."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from swarm.errors import StoreError
from swarm.sites.files import hand_over

OTHERS: Final = 0o077
"""What nobody but the owner may do, in the bits of a file's mode."""

MAX_BYTES: Final = 4096
"""More than any of these files has."""


def load(path: Path, made: str) -> str:
    """What is in the file, which gets `made` as its content if there is none yet.

    StoreError when it is open to others, or cannot be read or made.
    """
    try:
        if not path.exists():
            create(path, made)
        with path.open(encoding="ascii") as file:
            if os.fstat(file.fileno()).st_mode & OTHERS:
                raise StoreError(
                    f"{path} can be read by others.", f"Run `chmod 600 {path}`, if it is still yours alone."
                )
            return file.read(MAX_BYTES)
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {error.strerror}.", "Check SWARM_HOME.") from error


def create(path: Path, text: str) -> None:
    """Write it under another name and link it into place, so that two that start at once agree on one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    hand_over(temporary)
    with suppress(FileExistsError):
        os.link(temporary, path)
    temporary.unlink()
