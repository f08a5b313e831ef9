"""The hash of a whole blob, fed as its chunks come.

Chunks that came in one frame lie one behind the other in memory and are fed as one: after each call into the
hash a thread waits for the interpreter, and where several want that it takes as long as to hash half a
mebibyte.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from ctypes import addressof, c_char

from protocol.chunks import Bytes, Chunk
from protocol.manifest import Blob


class WholeHash:
    """Of `blob`. `count`: the chunks that were fed. All of it is used under `lock`."""

    def __init__(self, blob: Blob) -> None:
        self.lock = threading.Lock()
        self._blob = blob
        self.restart()

    def restart(self) -> None:
        """Begin anew, as something that was fed is wrong."""
        self._hash = self._blob.hasher()
        self.count = 0

    def feed(self, chunks: Sequence[Chunk]) -> None:
        """The next chunks, in their order."""
        for run in joined([chunk.memory for chunk in chunks]):
            self._hash.update(run)
        self.count += len(chunks)

    def feed_bytes(self, data: Bytes) -> None:
        """The next chunk, as it was read from disk."""
        self._hash.update(data)
        self.count += 1

    @property
    def right(self) -> bool:
        """Whether what was fed is what the publisher says it is."""
        return self._hash.digest() == self._blob.digest


def joined(views: Sequence[memoryview]) -> Iterator[memoryview]:
    """The same bytes, those that lie one behind the other in the same memory in one piece."""
    memory: memoryview | None = None
    start = end = 0
    for view in views:
        place = _place(view)
        if memory is not None and memory.obj is view.obj and place == end:
            end += view.nbytes
            continue
        if memory is not None:
            yield memory[start:end]
            memory = None
        if place is None:
            yield view
        else:
            memory, start, end = memoryview(view.obj).cast("B"), place, place + view.nbytes
    if memory is not None:
        yield memory[start:end]


def _place(view: memoryview) -> int | None:
    """Where in its memory a view begins; None if it is for reading only, which does not tell, or empty."""
    if view.readonly or not view.nbytes:
        return None
    memory = memoryview(view.obj).cast("B")
    return addressof(c_char.from_buffer(view)) - addressof(c_char.from_buffer(memory))
