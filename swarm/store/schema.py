"""The index: one sqlite file, used by one connection behind a lock, in worker threads.

No WAL, which needs shared memory that network file systems lack, and no locks of sqlite's own
(`nolock`), which some of them lack too: `ownership` has settled that this process alone is here. The
default rollback journal with synchronous=FULL survives kill -9 and power cuts.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from protocol.ids import private_topic
from swarm.errors import StoreError

VERSION: Final = 2
"""Raised with every change of the tables (`UPGRADES`); kept in sqlite's user_version."""

BATCH: Final = 10_000
"""Values in one IN list; sqlite allows 32,766 variables a statement (sqlite.org/limits.html)."""

TABLES: Final = """
CREATE TABLE source (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));
-- complete content. digests: 32 bytes BLAKE3 a chunk; stamp: mtime in ns when it was last known good;
-- boot: '' when it is on disk for certain, else the boot of the machine that wrote it
CREATE TABLE blob (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL,
    stamp INTEGER NOT NULL, boot TEXT NOT NULL, digests BLOB NOT NULL);
CREATE TABLE provenance (blob INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,
    source INTEGER NOT NULL REFERENCES source, bytes INTEGER NOT NULL,
    PRIMARY KEY (blob, source)) WITHOUT ROWID;
-- published: its publisher's hub said so, not only peers
CREATE TABLE snapshot (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, hub TEXT NOT NULL,
    repo_type TEXT NOT NULL, repo TEXT NOT NULL, revision TEXT NOT NULL, public INTEGER NOT NULL,
    published INTEGER NOT NULL, seen_at REAL NOT NULL, manifest BLOB NOT NULL);
CREATE INDEX snapshot_repo ON snapshot (hub, repo_type, repo);
-- names of revisions ("main"), as last told
CREATE TABLE name (hub TEXT NOT NULL, repo_type TEXT NOT NULL, repo TEXT NOT NULL, name TEXT NOT NULL,
    snapshot INTEGER NOT NULL REFERENCES snapshot ON DELETE CASCADE,
    PRIMARY KEY (hub, repo_type, repo, name)) WITHOUT ROWID;
CREATE INDEX name_snapshot ON name (snapshot);
-- the content of a snapshot, each once. marked: the completion marker
CREATE TABLE part (snapshot INTEGER NOT NULL REFERENCES snapshot ON DELETE CASCADE, digest BLOB NOT NULL,
    size INTEGER NOT NULL, marked INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (snapshot, digest)) WITHOUT ROWID;
CREATE INDEX part_digest ON part (digest);
-- files whose row is gone and that are still to be unlinked
CREATE TABLE doomed (digest BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE root (path TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX root_digest ON root (digest);
CREATE TABLE incident (id INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    what TEXT NOT NULL, digest BLOB, size INTEGER, chunk INTEGER);
CREATE INDEX incident_digest ON incident (digest);
"""

UPGRADES: Final = {
    2: """
-- whose word it is that a snapshot is public: '' the operator's endpoints', else that of the one named here
ALTER TABLE snapshot ADD COLUMN domain TEXT NOT NULL DEFAULT '';
-- repositories that were given with a token only, what came of them, and whom they were given to
CREATE TABLE private_repo (id INTEGER PRIMARY KEY, domain TEXT NOT NULL, hub TEXT NOT NULL,
    repo_type TEXT NOT NULL, repo TEXT NOT NULL, UNIQUE (hub, repo_type, repo, domain));
CREATE TABLE restricted (digest BLOB NOT NULL,
    repo INTEGER NOT NULL REFERENCES private_repo ON DELETE CASCADE,
    PRIMARY KEY (digest, repo)) WITHOUT ROWID;
CREATE INDEX restricted_repo ON restricted (repo);
-- who: a hash of the credential. at: when it was last good
CREATE TABLE permit (who BLOB NOT NULL, repo INTEGER NOT NULL REFERENCES private_repo ON DELETE CASCADE,
    at REAL NOT NULL, PRIMARY KEY (who, repo)) WITHOUT ROWID;
INSERT INTO private_repo (domain, hub, repo_type, repo)
    SELECT DISTINCT '', hub, repo_type, repo FROM snapshot WHERE NOT public;
INSERT INTO restricted SELECT DISTINCT part.digest, private_repo.id FROM part
    JOIN snapshot ON snapshot.id = part.snapshot JOIN private_repo USING (hub, repo_type, repo)
    WHERE NOT public AND part.size > 65536 AND part.digest NOT IN (SELECT digest FROM part
        JOIN snapshot ON snapshot.id = part.snapshot WHERE public AND published);
""",
}
"""What each version changed; a new store goes through all of them."""


class Database:
    """One connection, one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the file. Raises sqlite3.Error, StoreError when a later version wrote it."""
        uri = f"file:{quote(str(path))}?nolock=1"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        self._connection.create_function("private_topic", 1, private_topic, deterministic=True)
        self._lock = threading.RLock()
        try:
            self._prepare(path)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: Path) -> None:
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA synchronous = FULL")
        (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        if found > VERSION:
            raise StoreError(
                f"The store {path.parent} was written by a later lanswarm",
                "Install that version here too, or set SWARM_HOME to another folder.",
            )
        for version in range(found + 1, VERSION + 1):
            with self.transaction() as cursor:
                for statement in UPGRADES.get(version, TABLES).split(";\n"):
                    cursor.execute(statement)
                cursor.execute(f"PRAGMA user_version = {version}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """All that is done with the cursor happens, or nothing. No other thread is inside meanwhile."""
        with self._lock:
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
            finally:
                cursor.close()

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of one query."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def batches(values: Iterable[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
    """Values in portions for `… IN ({marks})`: the marks, and the values they stand for."""
    rest = iter(values)
    while portion := list(islice(rest, BATCH)):
        yield ",".join("?" * len(portion)), portion
