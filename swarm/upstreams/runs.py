"""An order for chunks as the ranges it takes, and ranges of bytes as chunks again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from protocol.chunks import Bytes
from protocol.manifest import Blob, Layout


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring chunks of one blob: from number `first` of the snapshot, index `index` of the blob, on."""

    blob: Blob
    first: int
    index: int
    count: int

    @property
    def start(self) -> int:
        """Offset in the blob of the first byte."""
        return self.blob.span(self.index)[0]

    @property
    def stop(self) -> int:
        """Offset in the blob after the last byte."""
        return sum(self.blob.span(self.index + self.count - 1))

    @property
    def whole(self) -> bool:
        """Whether it is the blob from end to end."""
        return self.count == self.blob.chunk_count

    def after(self, delivered: int) -> Run:
        """What is left of it after that many chunks."""
        return Run(self.blob, self.first + delivered, self.index + delivered, self.count - delivered)


def runs(layout: Layout, chunks: Sequence[int]) -> Iterator[Run]:
    """The runs that these chunks make, in the order in which they were asked for."""
    position = 0
    while position < len(chunks):
        first = chunks[position]
        blob, index = layout.locate(first)
        count = 1
        most = min(blob.chunk_count - index, len(chunks) - position)
        while count < most and chunks[position + count] == first + count:
            count += 1
        yield Run(blob, first, index, count)
        position += count


class Cutter:
    """Cuts the bytes of a run into its chunks, each in a buffer of its own."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._done = 0
        self._filled = 0
        self._buffer = self._next_buffer()

    @property
    def left(self) -> int:
        """Chunks not yet complete."""
        return self._run.count - self._done

    def feed(self, data: Bytes) -> Iterable[tuple[int, bytearray]]:
        """Take the next bytes; the (chunk number, bytes) they complete. Bytes after the last are ignored."""
        rest = memoryview(data)
        complete: list[tuple[int, bytearray]] = []
        while rest and self.left:
            taken = min(len(rest), len(self._buffer) - self._filled)
            self._buffer[self._filled : self._filled + taken] = rest[:taken]
            self._filled += taken
            rest = rest[taken:]
            if self._filled == len(self._buffer):
                complete.append((self._run.first + self._done, self._buffer))
                self._done += 1
                self._filled = 0
                self._buffer = self._next_buffer()
        return complete

    def _next_buffer(self) -> bytearray:
        if not self.left:
            return bytearray()
        return bytearray(self._run.blob.span(self._run.index + self._done)[1])
