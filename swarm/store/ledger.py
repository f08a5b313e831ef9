"""What can be told afterwards: where bytes came from, what went wrong, and who still points in here.

Blocking; runs in worker threads.
"""
# ruff: noqa: S608 - what is put into statements are constants and question marks

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from protocol.manifest import Blob
from swarm.sources.interface import Source
from swarm.store.layout import DIGEST_ALGORITHMS, StoreLayout
from swarm.store.schema import Database, batches
from swarm.store.values import Incident

MAX_INCIDENTS: Final = 10_000
"""Incidents remembered; the oldest go first. A lying peer cannot fill the disk with its lies."""


class Ledger:
    """The tables `provenance`, `incident` and `root`."""

    def __init__(self, database: Database, layout: StoreLayout) -> None:
        self._database = database
        self._layout = layout

    def provenance(self, blobs: Iterable[Blob]) -> dict[Blob, dict[Source, int]]:
        """Bytes of each complete blob by who sent them."""
        wanted = {blob.digest: blob for blob in blobs}
        told: dict[Blob, dict[Source, int]] = {}
        for marks, portion in batches(wanted):
            rows = self._database.rows(
                "SELECT digest, kind, name, bytes FROM blob JOIN provenance ON provenance.blob = blob.id"
                f" JOIN source ON source.id = provenance.source WHERE digest IN ({marks})",
                *portion,
            )
            for digest, kind, name, count in rows:
                told.setdefault(wanted[digest], {})[Source(kind, name)] = count
        return told

    def note(self, incident: Incident) -> None:
        blob = incident.blob
        with self._database.transaction() as cursor:
            cursor.execute(
                "INSERT INTO incident (at, kind, name, what, digest, size, chunk)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(incident.when, incident.source.kind, incident.source.name, incident.what),
                    *((blob.digest, blob.size) if blob else (None, None)),
                    incident.chunk,
                ),
            )
            cursor.execute("DELETE FROM incident WHERE id <= ?", ((cursor.lastrowid or 0) - MAX_INCIDENTS,))

    def incidents(self, blobs: Sequence[Blob] | None) -> list[Incident]:
        """In the order in which they were noted; None: all of them."""
        columns = "id, at, kind, name, what, digest, size, chunk"
        if blobs is None:
            rows = self._database.rows(f"SELECT {columns} FROM incident ORDER BY id")
            return [_incident(row[1:]) for row in rows]
        found = []
        for marks, portion in batches({blob.digest for blob in blobs}):
            statement = f"SELECT {columns} FROM incident WHERE digest IN ({marks})"
            found += self._database.rows(statement, *portion)
        return [_incident(row[1:]) for row in sorted(found)]

    def add_root(self, blob: Blob, path: Path) -> None:
        with self._database.transaction() as cursor:
            cursor.execute("INSERT OR REPLACE INTO root VALUES (?, ?)", (os.path.abspath(path), blob.digest))

    def roots(self) -> dict[Path, bytes]:
        """Registered symlinks that lead into the store now: digest of the content by path of the link."""
        rows = self._database.rows("SELECT path, digest FROM root ORDER BY path")
        return {Path(path): digest for path, digest in rows if self._leads_to(path, digest)}

    def _leads_to(self, path: str, digest: bytes) -> bool:
        try:
            target = os.path.join(os.path.dirname(path), os.readlink(path))
        except OSError:
            return False
        place = self._layout.blob(DIGEST_ALGORITHMS[len(digest)], digest)
        return os.path.realpath(target) == os.path.realpath(place)


def _incident(row: tuple[float, str, str, str, bytes | None, int | None, int | None]) -> Incident:
    when, kind, name, what, digest, size, chunk = row
    blob = None
    if digest is not None and size is not None:
        blob = Blob(DIGEST_ALGORITHMS[len(digest)], digest, size)
    return Incident(when, Source(kind, name), what, blob, chunk)  # type: ignore[arg-type]  # as `note` wrote it
