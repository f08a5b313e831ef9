"""One blob that is still arriving: a sparse data file, and a journal of what was stored in it.

A put is one positioned write of each run of chunks and one of each journal record, no fsync. After
kill -9 the page cache still has both; after a power cut the journal may name chunks whose bytes never
reached the disk. Either way `load` hashes every chunk the journal names and keeps what verifies.

A chunk that is held is never written again until it was discarded. So what was hashed is what lies in the
file, and a copy that arrives late can do no harm. The hash of the whole takes a chunk as soon as it may be
written, lest it has nothing to do while the disk is busy; if that fails it begins anew. Blocking; runs in
worker threads. One lock guards the state, another the hash, so that one chunk is written while another is
hashed; it is taken first where both are. Who finds another hashing leaves that to it and to those that come
after, unless much is left: threads that wait for one another in turn hash half as fast. Writing and reading
need no lock. Where the
file system has set aside room for the file, the disk gets two writes at a time, lest it waits for a thread
that waits for a processor; where it has not, Linux lets one thread at a time write to a file, and those that
wait would spin.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple

from blake3 import blake3

from protocol.chunks import LARGEST_CHUNK, Bytes, Chunk
from protocol.ids import ID_LENGTH, ChunkDigest, NodeId
from protocol.limits import MIB
from protocol.manifest import Blob
from swarm.sources.interface import Source
from swarm.store import journal
from swarm.store.descriptors import Descriptors, Opened
from swarm.store.direct import Direct
from swarm.store.files import COMPLETE_MODE, allocated, move, write_at, written
from swarm.store.layout import StoreLayout
from swarm.store.recent import Recent
from swarm.store.room import Room
from swarm.store.values import NO_DIGEST, Held, Mismatch
from swarm.store.whole import WholeHash

HASHED_PER_PUT: Final = 2
"""Chunks that a put may feed to the hash of the whole blob for each that it brings, before it is written or
after: that one when it is the next, and one that came out of order, so that little is left to do when the
last chunk is there."""

UNHASHED_BYTES: Final = 8 * MIB
"""So much may be left to be hashed until a put waits for its turn: it is in memory still (`recent`)."""

WRITES_AT_ONCE: Final = 2
"""To one file, if its room is reserved: one is on its way to the disk while another is made ready."""

PARTIAL_MODE: Final = 0o644
"""Content still arriving is written by its owner only; the umask takes away more."""


class Put(NamedTuple):
    """A chunk to store, `at` its number in the blob, and who vouched for it."""

    at: int
    chunk: Chunk
    voucher: NodeId | None


class Gone(Exception):
    """The partial blob was committed or removed."""


class Partial:
    """See above. Nothing is on disk before the first `put`; `load` must come before anything else."""

    def __init__(
        self,
        blob: Blob,
        layout: StoreLayout,
        descriptors: Descriptors,
        direct: Direct,
        room: Room,
        recent: Recent,
    ) -> None:
        self.blob = blob
        self.cached = False
        """Fetched from an upstream, at least its first chunk: it goes through the page cache (`direct`)."""
        self.gone = False
        """Committed or removed: nothing is stored in it any more."""
        self._data, self._journal = layout.data(blob), layout.journal(blob)
        self._descriptors = descriptors
        self._direct = direct
        self._room = room
        self._recent = recent
        self._span = blob.span
        self._lock = threading.Condition(threading.Lock())
        self._writing: dict[int, Chunk] = {}
        self._writers = threading.Semaphore(1)
        self._reserved = False
        self._whole = WholeHash(blob)
        self._loaded = False
        self._deleted = False
        self._bits = 0
        self._held_bytes = 0
        self._packed = bytearray(ID_LENGTH * self.blob.chunk_count)
        self._entries: dict[int, journal.Entry] = {}
        self._names: dict[int, Source | NodeId] = {}
        self._numbers: dict[Source | NodeId, int] = {}
        self._end = 0

    # --- what is there ------------------------------------------------------------------------------

    def held(self) -> Held:
        with self._lock:
            return Held(False, self._bits, bytes(self._packed))

    def holds(self, index: int) -> bool:
        return index in self._entries

    def at_hand(self, index: int, digest: ChunkDigest | None = None) -> Bytes | None:
        """A chunk, if it is in memory and has no other digest.

        (What is in the page cache nobody tells; a disk may have to seek.)
        """
        chunk = self._in_memory(index)
        return chunk.data if chunk is not None and digest in (None, chunk.digest) else None

    @property
    def _unhashed(self) -> int:
        """Bytes that are there and not in the hash of the whole."""
        return self._held_bytes - self._whole.count * self.blob.chunk_length

    @property
    def missing(self) -> int:
        """Bytes that are not there yet."""
        return self.blob.size - self._held_bytes

    def claims(self) -> list[tuple[int, ChunkDigest, NodeId | None]]:
        """(chunk, digest, who vouched for it) in the order of the chunks."""
        with self._lock:
            return [(i, e.digest, self._voucher(e)) for i, e in sorted(self._entries.items())]

    def sources(self) -> dict[int, Source]:
        """Who sent each chunk that is held."""
        with self._lock:
            return {index: self._source(entry) for index, entry in sorted(self._entries.items())}

    def provenance(self) -> dict[Source, int]:
        """Bytes held, by who sent them."""
        count: Counter[Source] = Counter()
        for index, source in self.sources().items():
            count[source] += self._span(index)[1]
        return dict(count)

    def read(
        self, index: int, memory: memoryview, digest: ChunkDigest | None = None, at: int = 0
    ) -> Bytes | None:
        """As many bytes of a chunk as `memory` has, from `at` on; they lie there unless they were in memory.

        None when it is not held, has another digest, or went while it was read.
        """
        entry = self._entries.get(index)
        if entry is None or digest not in (None, entry.digest):
            return None
        try:
            data = self._bytes(index, entry, memory, at)
        except FileNotFoundError:
            return None
        same = self._entries.get(index) is entry and not self.gone
        return data if same and len(data) == len(memory) else None

    # --- changes ------------------------------------------------------------------------------------

    def load(self) -> None:
        """Take up what an earlier process left: hash what its journal names, keep what verifies."""
        if self._loaded:
            return
        with self._lock:
            if self._loaded:
                return
            found = journal.replay(self.blob, self._read_journal())
            if found.end and self._data.exists():
                self._adopt(found)
            self._loaded = True

    def put(self, chunks: Sequence[Put], source: Source) -> None:
        """Store chunks, but for those that are held; nothing when the blob has been committed or removed."""
        for index, chunk, _ in chunks:
            if len(chunk) != self._span(index)[1]:
                raise ValueError(
                    f"chunk {index} of {self.blob} has {self._span(index)[1]} bytes, not {len(chunk)}"
                )
        if not self._reserved:
            self._room.take(sum(len(put.chunk) for put in chunks), self.missing)
        with self._lock:
            if self.gone:
                return
            new = [put for put in chunks if put.at not in self._entries]
            if new and not self._end:
                self.cached = source.kind == "upstream"
                self._create()
        for run in _runs(new):
            self._write(run, source)

    def discard(self, indexes: Iterable[int]) -> None:
        """Forget chunks that were found wrong; they can be put again."""
        with self._whole.lock, self._lock:
            wrong = sorted({index for index in indexes if index in self._entries})
            if self.gone or not wrong:
                return
            self._append(b"".join(map(journal.dropped, wrong)))
            for index in wrong:
                self._lose(index)
            if wrong[0] < self._whole.count:
                self._whole.restart()

    def seal(self) -> int:
        """Check that the content is the publisher's and have it on disk; returns its mtime in ns.

        All of it must be there. Raises Mismatch (every chunk stays), Gone.
        """
        with self._whole.lock:
            self._check_here()
            self._hash_ahead(self.blob.chunk_count)
            if not self._whole.right:
                raise Mismatch(self.blob)
            with self._content() as file:
                os.fchmod(file.fd, COMPLETE_MODE)
                os.fsync(file.fd)
                return os.fstat(file.fd).st_mtime_ns

    def hand_over(self, place: str) -> None:
        """Give the sealed content its final name; from here on nothing can be put or discarded.

        Raises Gone.
        """
        with self._whole.lock, self._lock:
            self._check_here()
            move(str(self._data), place)
            self.gone = True

    def close(self) -> None:
        """Close the files; what is in them stays."""
        for path in (self._data, self._journal):
            self._descriptors.drop(path)
        self._recent.forget(self.blob)

    def delete(self) -> int:
        """Remove what is left of the files; returns the bytes of content that went."""
        with self._whole.lock, self._lock:
            if self._deleted:
                return 0
            freed = min(written(self._data), self.blob.size)
            self.gone = self._deleted = True
            self.close()
            self._journal.unlink(missing_ok=True)
            self._data.unlink(missing_ok=True)
            return freed

    # --- inside -------------------------------------------------------------------------------------

    def _write(self, run: Sequence[Put], source: Source) -> None:
        """Store chunks that follow one another, but for those that somebody else has stored by now."""
        with self._claimed(run) as new:
            to_hash = HASHED_PER_PUT * len(new)
            to_hash -= self._hash_some(to_hash, wait=False)
            for rest in _runs(new):
                try:
                    with self._writers, self._content() as file:
                        self._direct.write(file, [put.chunk.data for put in rest], self._span(rest[0].at)[0])
                except FileNotFoundError:
                    if not self.gone:
                        raise
                    return
                with self._lock:
                    if not self.gone:
                        self._written(rest, source, recent=file.direct >= 0 or self.cached)
            self._hash_some(to_hash, wait=self._unhashed > UNHASHED_BYTES)

    @contextmanager
    def _claimed(self, puts: Sequence[Put]) -> Iterator[Sequence[Put]]:
        """Those that are not held, which nobody else writes until this is done with."""
        with self._lock:
            while any(put.at in self._writing for put in puts):
                self._lock.wait()
            new = [] if self.gone else [put for put in puts if put.at not in self._entries]
            self._writing |= {put.at: put.chunk for put in new}
        try:
            yield new
        finally:
            if all(put.at in self._entries for put in new):
                with self._lock:
                    self._no_longer_writing(new)
            else:
                with self._whole.lock, self._lock:
                    if new[0].at < self._whole.count:
                        self._whole.restart()
                    self._no_longer_writing(new)

    def _hash_some(self, count: int, *, wait: bool) -> int:
        """Feed the hash up to so many chunks, unless another does, which may be waited for; how many."""
        if not count or not self._whole.lock.acquire(blocking=wait):
            return 0
        try:
            before = self._whole.count
            self._hash_ahead(count)
            return self._whole.count - before
        finally:
            self._whole.lock.release()

    # --- inside, under the lock ---------------------------------------------------------------------

    def _check_here(self) -> None:
        """Under the name of one that is gone may lie another's file by now."""
        if self.gone or not self._data.exists():
            raise Gone(self.blob)

    def _written(self, run: Sequence[Put], source: Source, *, recent: bool) -> None:
        number = self._number(source)
        entries = [(put, journal.Entry(put.chunk.digest, number, self._number(put.voucher))) for put in run]
        self._append(b"".join(journal.stored(put.at, entry) for put, entry in entries))
        for put, entry in entries:
            self._keep(put.at, entry)
            if recent:
                self._recent.add(self.blob, put.at, put.chunk)

    def _create(self) -> None:
        self.close()
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        for path, size in ((self._data, self.blob.size), (self._journal, 0)):
            fd = os.open(path, flags, PARTIAL_MODE)
            os.ftruncate(fd, size)
            os.close(fd)
        with self._content() as file:
            self._now_reserved(file.direct >= 0 and self._room.reserve(file.fd, self.blob.size))
        self._append(journal.header(self.blob))

    def _now_reserved(self, reserved: bool) -> None:
        """Whether the file has all its room; before anything is written to it."""
        self._reserved = reserved
        self._writers = threading.Semaphore(WRITES_AT_ONCE if reserved else 1)

    def _adopt(self, found: journal.Replay) -> None:
        self._end = found.end
        self._names = found.names
        self._numbers = {value: number for number, value in found.names.items()}
        os.truncate(self._journal, self._end)
        self._now_reserved(allocated(self._data) >= self.blob.size)
        for index, entry in sorted(found.entries.items()):
            with self._direct.buffer() as buffer, memoryview(buffer) as memory:
                right = blake3(self._read(index, self._fitting(index, memory))).digest() == entry.digest
            if right:
                self._keep(index, entry)

    def _keep(self, index: int, entry: journal.Entry) -> None:
        self._entries[index] = entry
        self._packed[index * ID_LENGTH : (index + 1) * ID_LENGTH] = entry.digest
        self._bits |= 1 << index
        self._held_bytes += self._span(index)[1]

    def _lose(self, index: int) -> None:
        del self._entries[index]
        self._packed[index * ID_LENGTH : (index + 1) * ID_LENGTH] = NO_DIGEST
        self._bits &= ~(1 << index)
        self._held_bytes -= self._span(index)[1]

    def _number(self, value: Source | NodeId | None) -> int:
        if value is None:
            return journal.NO_VOUCHER
        number = self._numbers.get(value)
        if number is None:
            number = max(self._names, default=0) + 1
            self._append(journal.name(number, value))
            self._numbers[value] = number
            self._names[number] = value
        return number

    def _append(self, record: bytes) -> None:
        """Written at a known place: what a full disk cut short is overwritten by the next record."""
        with self._descriptors.use(self._journal, self._open_journal) as file:
            write_at(file.fd, self._end, record)
        self._end += len(record)

    def _no_longer_writing(self, puts: Sequence[Put]) -> None:
        for put in puts:
            del self._writing[put.at]
        self._lock.notify_all()

    def _hash_ahead(self, count: int) -> None:
        """Under its lock: feed the hash up to so many chunks that are held or being written."""
        while count > 0 and not self.gone:
            first = self._whole.count
            if chunks := self._in_a_row(first, count):
                self._whole.feed(chunks)
            elif first in self._entries:
                with self._direct.buffer() as buffer, memoryview(buffer) as memory:
                    self._whole.feed_bytes(self._read(first, self._fitting(first, memory)))
            else:
                return
            count -= max(len(chunks), 1)

    def _in_a_row(self, first: int, most: int) -> list[Chunk]:
        """So many at most from `first` on, up to one that is not in memory."""
        chunks: list[Chunk] = []
        while len(chunks) < most and (chunk := self._to_hash(first + len(chunks))) is not None:
            chunks.append(chunk)
        return chunks

    def _to_hash(self, index: int) -> Chunk | None:
        """A chunk that is being written, or is held and still in memory."""
        writing = self._writing.get(index)
        return writing if writing is not None else self._in_memory(index)

    def _in_memory(self, index: int) -> Chunk | None:
        """A chunk that is held, if it is among those stored last."""
        entry, chunk = self._entries.get(index), self._recent.get(self.blob, index)
        same = entry is not None and chunk is not None and chunk.digest == entry.digest
        return chunk if same else None

    def _fitting(self, index: int, memory: memoryview) -> memoryview:
        return memory[: self._span(index)[1]]

    def _bytes(self, index: int, entry: journal.Entry, memory: memoryview, at: int = 0) -> Bytes:
        if (data := self.at_hand(index, entry.digest)) is not None:
            return memoryview(data)[at : at + len(memory)]
        return self._read(index, memory, at)

    def _source(self, entry: journal.Entry) -> Source:
        value = self._names[entry.source]
        assert isinstance(value, Source)
        return value

    def _voucher(self, entry: journal.Entry) -> NodeId | None:
        value = self._names.get(entry.voucher)
        assert not isinstance(value, Source)
        return value

    def _read_journal(self) -> bytes:
        try:
            return self._journal.read_bytes()
        except FileNotFoundError:
            return b""

    def _read(self, index: int, memory: memoryview, at: int = 0) -> memoryview:
        with self._content() as file:
            return memory[: self._direct.read(file, memory, self._span(index)[0] + at)]

    def _content(self) -> AbstractContextManager[Opened]:
        return self._descriptors.use(self._data, self._open_data)

    def _open_data(self) -> Opened:
        return self._direct.open(str(self._data), os.O_RDWR, cached=self.cached)

    def _open_journal(self) -> Opened:
        return Opened(os.open(self._journal, os.O_RDWR | os.O_CLOEXEC))


def _runs(puts: Sequence[Put]) -> Iterator[Sequence[Put]]:
    """The chunks in pieces that follow one another, each of LARGEST_CHUNK at most: for one write."""
    first, length = 0, 0
    for at, put in enumerate(puts):
        if at > first and (put.at != puts[at - 1].at + 1 or length + len(put.chunk) > LARGEST_CHUNK):
            yield puts[first:at]
            first, length = at, 0
        length += len(put.chunk)
    if puts:
        yield puts[first:]
