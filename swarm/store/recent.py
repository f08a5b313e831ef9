"""The chunks stored last, in memory: neighbours ask for them within a second or two.

What went to disk past the page cache (`direct`) would otherwise be read back for each of them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from protocol.chunks import Chunk
from protocol.limits import MIB
from protocol.manifest import Blob

RECENT_BYTES: Final = 24 * MIB
"""A second at 200 Mbit/s, and six of the largest chunks."""


class Recent:
    """At most RECENT_BYTES of verified chunks, the oldest goes first. Safe to use from many threads."""

    def __init__(self, limit: int = RECENT_BYTES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._chunks: OrderedDict[tuple[Blob, int], Chunk] = OrderedDict()
        self._bytes = 0

    def add(self, blob: Blob, index: int, chunk: Chunk) -> None:
        """Keep a chunk that was stored just now."""
        with self._lock:
            self._drop(blob, index)
            self._chunks[blob, index] = chunk
            self._bytes += len(chunk)
            while self._bytes > self._limit:
                _, oldest = self._chunks.popitem(last=False)
                self._bytes -= len(oldest)

    def get(self, blob: Blob, index: int) -> Chunk | None:
        """The chunk, if it is among the last."""
        return self._chunks.get((blob, index))

    def forget(self, blob: Blob) -> None:
        """The blob is complete or gone: what is left of it is read from disk."""
        with self._lock:
            for index in [index for of, index in self._chunks if of == blob]:
                self._drop(blob, index)

    def _drop(self, blob: Blob, index: int) -> None:
        chunk = self._chunks.pop((blob, index), None)
        if chunk is not None:
            self._bytes -= len(chunk)
