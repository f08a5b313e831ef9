"""Turns what the operating system says about a view's folder into errors people can act on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm.errors import StoreError


@contextmanager
def view_faults(folder: Path) -> Iterator[None]:
    """Raise StoreError for whatever OSError happens inside while `folder` is filled."""
    try:
        yield
    except OSError as fault:
        raise StoreError(f"{folder} cannot be filled: {fault}", _advice(fault)) from fault


def _advice(fault: OSError) -> str:
    match fault.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "Free some room there or choose another folder; the store has everything already."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "Choose a folder you may write (--to DIR, HF_HUB_CACHE), or mend its owner or mode."
        case errno.EISDIR | errno.ENOTDIR | errno.EEXIST:
            return "Something else is in the way there: move it, or choose another folder."
        case errno.ENOENT:
            return "Something deleted it meanwhile: run it again."
        case _:
            return "Check that disk; the store has everything already."
