"""Open files, kept open while they are likely to be used again, at most so many at a time.

A chunk is read or written by one positioned call; opening its file each time would cost more than
that on a network file system, and keeping every file of a large snapshot open would use up the
process's descriptors. Least recently used goes first; a descriptor in use is never closed.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

MAX_DESCRIPTORS: Final = 128
"""Opened twice each, a quarter of the usual limit of 1024 a process; sockets need the others."""


class Opened(NamedTuple):
    """An open file. `stamp`: what its opener wants to be reminded of, such as its mtime when opened.

    `direct`: the same file opened past the page cache, or -1.
    """

    fd: int
    stamp: int = 0
    direct: int = -1

    def close(self) -> None:
        os.close(self.fd)
        if self.direct >= 0:
            os.close(self.direct)


class _Entry:
    __slots__ = ("dropped", "opened", "users")

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.users = 0
        self.dropped = False


class Descriptors:
    """A bounded cache of descriptors by key. Safe to use from many threads."""

    def __init__(self, limit: int = MAX_DESCRIPTORS) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries

    @contextmanager
    def use(self, key: Hashable, opener: Callable[[], Opened]) -> Iterator[Opened]:
        """The open file under this key, opened by `opener` when there is none yet."""
        entry = self._acquire(key, opener)
        try:
            yield entry.opened
        finally:
            self._release(entry)

    def drop(self, key: Hashable) -> None:
        """Forget a key; its descriptor is closed as soon as nobody uses it."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                _retire(entry)

    def close(self) -> None:
        """Close everything that is not in use, and the rest when its user is done."""
        with self._lock:
            while self._entries:
                _retire(self._entries.popitem()[1])

    def _acquire(self, key: Hashable, opener: Callable[[], Opened]) -> _Entry:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                entry.users += 1
                return entry
        opened = opener()
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(opened)
                entry.users = 1
                self._shrink()
                return entry
            entry.users += 1
        opened.close()
        return entry

    def _shrink(self) -> None:
        while len(self._entries) > self._limit:
            _retire(self._entries.popitem(last=False)[1])

    def _release(self, entry: _Entry) -> None:
        with self._lock:
            entry.users -= 1
            if entry.dropped and not entry.users:
                entry.opened.close()


def _retire(entry: _Entry) -> None:
    entry.dropped = True
    if not entry.users:
        entry.opened.close()
