"""Keeps the disk from filling up to the last byte.

On a disk that is full to the last byte the store could not even be opened to remove something: the
owner's record and the index need a little. So content stops short of that.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

from protocol.limits import MIB
from swarm.store.faults import full
from swarm.store.files import reserve

RESERVE: Final = 16 * MIB
"""Left free for the index and its journal while a large repository is removed."""

STRIDE: Final = 64 * MIB
"""Bytes written between two looks at the file system; others who write there meanwhile are noticed late,
and then by the write that fails."""


class Room:
    """Counts what is written under `root`. Safe to use from many threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._left = 0

    def take(self, count: int, needed: int) -> None:
        """Before `count` bytes are written. Raises StoreError when they would use up the reserve.

        `needed`: bytes to come in all, for the message.
        """
        with self._lock:
            if self._left < count:
                self._left = self._look(count, needed)
            self._left -= count

    def reserve(self, fd: int, size: int) -> bool:
        """Have room set aside for all of a file, if there is enough and its file system can; whether it is.

        Nothing that is written to that file needs to be taken then.
        """
        with self._lock:
            stat = os.statvfs(self._root)
            if stat.f_bavail * stat.f_frsize < size + RESERVE:
                return False
            self._left = 0
            return reserve(fd, size)

    def _look(self, count: int, needed: int) -> int:
        stat = os.statvfs(self._root)
        free = stat.f_bavail * stat.f_frsize
        if stat.f_blocks and free < count + RESERVE:
            raise full(self._root, needed)
        return max(count, min(STRIDE, free - RESERVE))
