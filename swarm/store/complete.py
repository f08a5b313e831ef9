"""Complete blobs: what the index says of them, held against the files themselves.

A row says that the file was verified. It is believed while the file has the size and the mtime of that
moment and cannot have been lost with an unwritten page cache since. Otherwise (somebody wrote through a
hardlink, deleted or truncated it, or the power went) the file is hashed again, and forgotten if it is
not what its publisher calls it. Blocking; runs in worker threads.
"""
# ruff: noqa: S608 - what is put into statements are question marks

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from protocol.chunks import Bytes
from protocol.ids import ID_LENGTH
from protocol.manifest import Blob
from swarm.sources.interface import Source
from swarm.store.descriptors import Descriptors, Opened
from swarm.store.direct import Direct
from swarm.store.files import flush, hash_file, move, sync_folder
from swarm.store.layout import StoreLayout
from swarm.store.schema import Database, batches
from swarm.store.values import Held


@dataclass(frozen=True, slots=True)
class Verified:
    """Content that was hashed and waits to be entered.

    `move`: gives the file its final name. `boot`: empty when the bytes are on disk for certain.
    """

    blob: Blob
    packed: bytes
    stamp: int
    boot: str
    provenance: Mapping[Source, int]
    move: Callable[[str], None]


class CompleteBlobs:
    """The table `blob` and the folder `blobs`. `lost` is told of each that turned out to be damaged."""

    def __init__(
        self,
        database: Database,
        layout: StoreLayout,
        descriptors: Descriptors,
        direct: Direct,
        boot: str,
        lost: Callable[[Blob, str], None],
    ) -> None:
        self._database = database
        self._layout = layout
        self._descriptors = descriptors
        self._direct = direct
        self._boot = boot
        self._lost = lost
        self._cached: set[Blob] = set()

    def place(self, blob: Blob) -> str:
        return self._layout.blob(blob.algorithm, blob.digest)

    def look_up(self, blobs: Iterable[Blob]) -> dict[Blob, Held]:
        """Those of the blobs that are complete."""
        wanted = {blob.digest: blob for blob in blobs}
        found: dict[Blob, Held] = {}
        for marks, portion in batches(wanted):
            rows = self._database.rows(
                f"SELECT digest, size, stamp, boot, digests FROM blob WHERE digest IN ({marks})",
                *portion,
            )
            for digest, size, stamp, boot, packed in rows:
                blob = wanted[digest]
                if size == blob.size and (self._is_sound(blob, stamp, boot) or self._recheck(blob, stamp)):
                    found[blob] = Held(True, (1 << len(packed) // ID_LENGTH) - 1, packed)
        return found

    def enter(self, items: Sequence[Verified]) -> None:
        """Give files their final names and enter them, in one transaction."""
        with self._database.transaction() as cursor:
            for item in items:
                item.move(self.place(item.blob))
                cursor.execute("DELETE FROM doomed WHERE digest = ?", (item.blob.digest,))
                _insert(cursor, item)
            if any(not item.boot for item in items):
                for folder in {os.path.dirname(self.place(item.blob)) for item in items}:
                    sync_folder(folder)

    def cached(self, blob: Blob) -> None:
        """The blob went through the page cache, which may still have it."""
        self._cached.add(blob)

    def take_stray(self, blob: Blob, provenance: Callable[[], Mapping[Source, int]]) -> bool:
        """Enter a file that lies in its place unknown to the index, as after a crash. False: there is none.

        A file that is not what it should be is deleted.
        """
        place = self.place(blob)
        if not os.path.exists(place):
            return False
        stamp = os.stat(place).st_mtime_ns
        packed = hash_file(blob, place)
        if packed is None:
            os.unlink(place)
            return False
        flush(place)
        told = provenance() or {Source("local", place): blob.size}
        self.enter([Verified(blob, packed, stamp, "", told, lambda _: None)])
        return True

    def read(self, blob: Blob, index: int, memory: memoryview, at: int = 0) -> Bytes | None:
        """The bytes of a chunk from `at` on, which fill `memory`; None when the blob is not complete."""
        offset = blob.span(index)[0] + at
        data = self._read(blob, offset, memory)
        return data if data is not None else self._read(blob, offset, memory)

    def _read(self, blob: Blob, offset: int, memory: memoryview) -> Bytes | None:
        """As `read`, but also None when the file was touched since it was opened; it is closed then."""
        try:
            with self._descriptors.use(blob, lambda: self._open(blob)) as opened:
                found = self._direct.read(opened, memory, offset)
                if found == len(memory) and os.fstat(opened.fd).st_mtime_ns == opened.stamp:
                    return memory
        except FileNotFoundError:
            return None
        self._descriptors.drop(blob)
        return None

    def unlink(self, blob: Blob) -> bool:
        """Delete a file whose row is gone; whether there was one."""
        self._descriptors.drop(blob)
        self._cached.discard(blob)
        try:
            os.unlink(self.place(blob))
        except FileNotFoundError:
            return False
        return True

    def _open(self, blob: Blob) -> Opened:
        """Opened before it is looked up: a change from then on shows in its mtime at the next read."""
        opened = self._direct.open(self.place(blob), os.O_RDONLY, cached=blob in self._cached)
        stamp = os.fstat(opened.fd).st_mtime_ns
        try:
            if blob in self.look_up([blob]):
                return opened._replace(stamp=stamp)
        except BaseException:
            opened.close()
            raise
        opened.close()
        raise FileNotFoundError(blob)

    def _is_sound(self, blob: Blob, stamp: int, boot: str) -> bool:
        """Whether a file is as it was when it was verified, and was on disk or in this boot's page cache."""
        if boot and boot != self._boot:
            return False
        try:
            stat = os.stat(self._layout.blob(blob.algorithm, blob.digest))
        except FileNotFoundError:
            return False
        return stat.st_mtime_ns == stamp and stat.st_size == blob.size

    def _recheck(self, blob: Blob, stamp: int) -> bool:
        """Hash a file that may have changed since it had the mtime `stamp`; forget it if it is wrong."""
        place = self.place(blob)
        self._descriptors.drop(blob)
        try:
            now = os.stat(place).st_mtime_ns
            right = hash_file(blob, place) is not None
            flush(place)
        except FileNotFoundError:
            right, now = False, 0
        with self._database.transaction() as cursor:
            row = (blob.digest, stamp)
            if right:
                cursor.execute(
                    "UPDATE blob SET stamp = ?, boot = '' WHERE digest = ? AND stamp = ?", (now, *row)
                )
                return True
            cursor.execute("DELETE FROM blob WHERE digest = ? AND stamp = ?", row)
            if not cursor.rowcount:
                return False
            cursor.execute("UPDATE part SET marked = 0 WHERE digest = ?", (blob.digest,))
            if os.path.exists(place):
                os.unlink(place)
        self._lost(blob, place)
        return False


def _insert(cursor: sqlite3.Cursor, item: Verified) -> None:
    cursor.execute(
        "INSERT OR REPLACE INTO blob (digest, size, stamp, boot, digests) VALUES (?, ?, ?, ?, ?)",
        (item.blob.digest, item.blob.size, item.stamp, item.boot, item.packed),
    )
    row = cursor.lastrowid
    for source, count in item.provenance.items():
        cursor.execute("INSERT OR IGNORE INTO source (kind, name) VALUES (?, ?)", (source.kind, source.name))
        cursor.execute(
            "INSERT INTO provenance SELECT ?, id, ? FROM source WHERE kind = ? AND name = ?",
            (row, count, source.kind, source.name),
        )


def renamed(temporary: str) -> Callable[[str], None]:
    """The `Verified.move` of a file that lies under a temporary name."""
    return lambda place: move(temporary, place)
