"""Blobs from their first chunk to their last: arriving, complete, removed.

Puts `Partials` (arriving) and `CompleteBlobs` (complete) together, so that a blob is never both and never
lost between them. Blocking; runs in worker threads.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from blake3 import blake3

from protocol.chunks import Bytes, WrongBytes
from protocol.ids import ID_LENGTH, ChunkDigest, NodeId
from protocol.manifest import Blob
from swarm.errors import StoreError
from swarm.sources.interface import Source
from swarm.store.complete import CompleteBlobs, Verified, renamed
from swarm.store.descriptors import Descriptors
from swarm.store.direct import Direct
from swarm.store.faults import disk_faults
from swarm.store.files import write_new
from swarm.store.layout import DIGEST_ALGORITHMS, StoreLayout
from swarm.store.partial import Gone, Partial, Put
from swarm.store.partials import Partials
from swarm.store.room import Room
from swarm.store.schema import Database
from swarm.store.values import Held, Mismatch, Unverified

BEGINNING: Final = 16
"""Blobs that may begin, or be hashed because the index does not know them, at one time."""

UNLINKED_AT_ONCE: Final = 256
"""Files removed in one transaction: others get to the index in between."""


class WholeBlob:
    """All bytes of a blob of one chunk or none; raises WrongBytes when they are not the publisher's."""

    __slots__ = ("blob", "data")

    def __init__(self, blob: Blob, data: Bytes) -> None:
        if blob.chunk_count > 1:
            raise ValueError(f"{blob} has more than one chunk")
        blob.check(data)
        self.blob = blob
        self.data = data


class Content:
    """See above. `boot`: which boot of this machine it is, empty when that cannot be told."""

    def __init__(
        self, database: Database, layout: StoreLayout, boot: str, damaged: Callable[[Blob, str], None]
    ) -> None:
        self._database = database
        self._layout = layout
        self._boot = boot
        self._descriptors = Descriptors()
        direct = Direct()
        self._room = Room(layout.root)
        self._partials = Partials(layout, self._descriptors, direct, self._room)
        self._complete = CompleteBlobs(database, layout, self._descriptors, direct, boot, damaged)
        self._numbers = itertools.count(1)
        self._beginning = [threading.Lock() for _ in range(BEGINNING)]

    # --- what is there ------------------------------------------------------------------------------

    def held(self, blobs: Iterable[Blob]) -> dict[Blob, Held]:
        blobs = tuple(blobs)
        complete = self._complete.look_up(blobs)
        return {blob: complete.get(blob) or self._partly_held(blob) for blob in blobs}

    def _partly_held(self, blob: Blob) -> Held:
        partial = self._partials.get(blob)
        return partial.held() if partial else Held(False, 0, bytes(ID_LENGTH * blob.chunk_count))

    def resume(self, blob: Blob) -> Held:
        partial = self._open(blob)
        return partial.held() if partial else self.held([blob])[blob]

    def _open(self, blob: Blob) -> Partial | None:
        """The partial blob, with what an earlier process left of it; None when the blob is complete."""
        partial = self._partials.get(blob) or self._begin(blob)
        if partial:
            partial.load()
        return partial

    def _begin(self, blob: Blob) -> Partial | None:
        """A partial blob that nobody uses yet. One that was in use until now is complete or removed."""
        with self._beginning[blob.digest[0] % len(self._beginning)]:
            partial = self._partials.get(blob)
            if partial is None and not self._complete.look_up([blob]) and not self._take_stray(blob):
                partial = self._partials.make(blob)
            return partial

    def _take_stray(self, blob: Blob) -> bool:
        taken = self._complete.take_stray(blob, lambda: self._partials.left_provenance(blob))
        if taken:
            self._partials.delete(blob)
        return taken

    def read(self, blob: Blob, index: int) -> bytes | None:
        memory = memoryview(bytearray(blob.span(index)[1]))
        data = self.read_into(blob, index, None, memory)
        return None if data is None else bytes(data)

    def read_into(
        self, blob: Blob, index: int, digest: ChunkDigest | None, memory: memoryview, at: int = 0
    ) -> Bytes | None:
        """As many bytes of a chunk as `memory` has, from `at` on.

        `digest`: what a chunk of a partial blob must have; those of a complete one do not change.
        """
        partial = self._partials.get(blob)
        data = partial.read(index, memory, digest, at) if partial else None
        return data if data is not None else self._complete.read(blob, index, memory, at)

    def at_hand(self, blob: Blob, index: int, digest: ChunkDigest | None = None) -> Bytes | None:
        """A chunk, if it is in memory as far as can be told without looking at the disk."""
        partial = self._partials.get(blob)
        return partial.at_hand(index, digest) if partial else None

    def claims(self, blob: Blob) -> list[tuple[int, ChunkDigest, NodeId | None]]:
        partial = self._partials.get(blob)
        if partial:
            return partial.claims()
        digests = self.held([blob])[blob].digests
        return [(index, digest, None) for index, digest in enumerate(digests) if digest is not None]

    def sources(self, blob: Blob) -> dict[int, Source]:
        partial = self._partials.get(blob)
        return partial.sources() if partial else {}

    def partly_provided(self, blob: Blob) -> dict[Source, int]:
        partial = self._partials.get(blob)
        return partial.provenance() if partial else {}

    def partial_bytes(self) -> Mapping[bytes, int]:
        """Bytes on disk of content still arriving, by its digest, as far as the file system says."""
        return self._partials.bytes_on_disk()

    # --- changes ------------------------------------------------------------------------------------

    def put(self, blob: Blob, chunks: Sequence[Put], source: Source) -> None:
        partial = self._open(blob)
        if partial and (new := [put for put in chunks if not partial.holds(put.at)]):
            with disk_faults(self._layout.root, partial.missing):
                partial.put(new, source)

    def put_verified(self, items: Sequence[Unverified], source: Source) -> list[ChunkDigest | WrongBytes]:
        found: list[ChunkDigest | WrongBytes] = []
        puts: dict[Blob, list[Put]] = {}
        for blob, index, verify in items:
            try:
                chunk, voucher = verify()
            except WrongBytes as wrong:
                found.append(wrong)
                break
            found.append(chunk.digest)
            puts.setdefault(blob, []).append(Put(index, chunk, voucher))
        for blob, chunks in puts.items():
            self.put(blob, chunks, source)
        return found

    def put_whole(self, items: Sequence[tuple[WholeBlob, Source]]) -> None:
        fresh: dict[Blob, Verified] = {}
        known = self._complete.look_up({whole.blob for whole, _ in items})
        with self._temporaries() as new:
            for whole, source in items:
                if whole.blob not in known and whole.blob not in fresh:
                    fresh[whole.blob] = self._write(whole, source, new())
            self._complete.enter(tuple(fresh.values()))
        for blob in fresh:
            self._partials.delete(blob)

    @contextmanager
    def _temporaries(self) -> Iterator[Callable[[], Path]]:
        """Names for new files; if things go wrong, those that still have them are removed."""
        given: list[Path] = []

        def new() -> Path:
            given.append(self._layout.new(next(self._numbers)))
            return given[-1]

        try:
            yield new
        except BaseException:
            for path in given:
                path.unlink(missing_ok=True)
            raise

    def _write(self, whole: WholeBlob, source: Source, temporary: Path) -> Verified:
        blob, data = whole.blob, whole.data
        self._room.take(blob.size, blob.size)
        with disk_faults(self._layout.root, blob.size):
            stamp = write_new(data, str(temporary), sync=not self._boot)
        packed = blake3(data).digest() if blob.chunk_count else b""
        return Verified(blob, packed, stamp, self._boot, {source: blob.size}, renamed(str(temporary)))

    def discard(self, blob: Blob, indexes: Iterable[int]) -> None:
        partial = self._open(blob)
        if partial:
            partial.discard(indexes)

    def commit(self, blob: Blob) -> str:
        """Two calls at once are fine: the one that comes second finds the file in its place."""
        place = self._complete.place(blob)
        if not blob.chunk_count:
            try:
                whole = WholeBlob(blob, b"")
            except WrongBytes as fault:
                raise Mismatch(blob) from fault
            self.put_whole([(whole, Source("local", place))])
            return place
        partial = self._open(blob)
        if partial is None:
            return place
        if partial.missing:
            raise StoreError(f"{blob} is not all there", "Run it again: what is missing is fetched.")
        try:
            self._enter(partial)
        except Gone as fault:
            if self._complete.look_up([blob]):
                return place
            self._partials.delete(blob)
            raise StoreError(f"{blob} was deleted while it arrived", "Run it again.") from fault
        self._partials.delete(blob)
        return place

    def _enter(self, partial: Partial) -> None:
        stamp = partial.seal()
        packed, provenance = partial.held().packed, partial.provenance()
        if partial.cached:
            self._complete.cached(partial.blob)
        try:
            self._complete.enter([Verified(partial.blob, packed, stamp, "", provenance, partial.hand_over)])
        except BaseException:
            if partial.gone:
                self._partials.leave(partial.blob)
            raise

    def unlink(self, doomed: Mapping[bytes, int]) -> int:
        """Remove content that the index has given up; returns the bytes freed."""
        freed = self._partials.delete_all(doomed)
        return freed + self.sweep(doomed)

    def sweep(self, sizes: Mapping[bytes, int]) -> int:
        """Unlink what is marked as doomed, also by an earlier process; bytes of those with a known size."""
        freed = 0
        while rows := self._database.rows("SELECT digest FROM doomed LIMIT ?", UNLINKED_AT_ONCE):
            with self._database.transaction() as cursor:
                for (digest,) in rows:
                    kept = cursor.execute("SELECT 1 FROM blob WHERE digest = ?", (digest,)).fetchone()
                    blob = Blob(DIGEST_ALGORITHMS[len(digest)], digest, sizes.get(digest, 0))
                    if not kept and self._complete.unlink(blob):
                        freed += blob.size
                    cursor.execute("DELETE FROM doomed WHERE digest = ?", (digest,))
        return freed

    def close(self) -> None:
        self._descriptors.close()
