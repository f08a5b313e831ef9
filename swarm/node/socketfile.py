"""The file of the control socket: where it lies, and how it is made and taken away.

A socket's path has a short limit in every kernel. Where the home's path is longer, the socket lies in a
private folder of the temporary directory, and a symlink in the home points there. What takes that much to
load is loaded there alone, as clients come here, too.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

MAX_SOCKET_PATH: Final = 100
"""Bytes of a socket's path: the kernels' limits are 107 (Linux) and 103 (macOS)."""

SHORT_PREFIX: Final = "lanswarm-"
"""How the private folder's name begins."""


def bind(path: Path) -> socket.socket:
    """A listening socket at `path`, or at a short place that `path` is a symlink to."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    clear(path)
    place = path
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        import tempfile

        place = Path(tempfile.mkdtemp(prefix=SHORT_PREFIX)) / path.name
        path.symlink_to(place)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(os.fspath(place))
        place.chmod(0o660)
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


def clear(path: Path) -> None:
    """Remove the socket, and the short folder it lies in if `path` only points there."""
    place = socket_place(path)
    with suppress(OSError):
        path.unlink(missing_ok=True)
    if place != path and place.parent.name.startswith(SHORT_PREFIX):
        import shutil

        shutil.rmtree(place.parent, ignore_errors=True)


def socket_place(path: Path) -> Path:
    """Where the socket that is found by `path` really lies."""
    try:
        return path.readlink() if stat.S_ISLNK(path.lstat().st_mode) else path
    except OSError:
        return path
