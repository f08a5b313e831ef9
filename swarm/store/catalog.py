"""Snapshots the store knows: their manifests, names, completion markers, and what only they need.

Blocking; runs in worker threads.
"""
# ruff: noqa: S608 - what is put into statements are constants and question marks

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from protocol.ids import SnapshotKey
from protocol.manifest import Snapshot, decode_snapshot
from protocol.standing import Audience
from swarm.errors import StoreError
from swarm.store import access
from swarm.store.schema import Database, batches
from swarm.store.values import Stored, Summary

DECODED: Final = 8
"""Manifests kept decoded: those of the transfers a node has at one time. A large one takes a second."""

_decode = lru_cache(maxsize=DECODED)(decode_snapshot)

REPO: Final = access.REPO

COLUMNS: Final = "SELECT id, public, published, seen_at, manifest FROM snapshot"


class Catalog:
    """The tables `snapshot`, `name` and `part`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remember(
        self,
        snapshot: Snapshot,
        public: bool,
        published: bool,
        revisions: Sequence[str],
        now: float,
        domain: str = "",
    ) -> None:
        """Enter a snapshot, or note that it was seen again; `revisions` name it from now on.

        Whether it is public, and what the names mean that the operator's endpoints told, no other domain
        changes, nor do peers (`access`); but what only they said is public, members may say is not. Of what
        only peers told, another domain may say that it is not public, and nothing else: it is others' too.
        """
        published = published or bool(domain)
        repo = (snapshot.hub, snapshot.repo_type, snapshot.repo)
        with self._database.transaction() as cursor:
            known = cursor.execute(
                "SELECT id, published, domain FROM snapshot WHERE key = ?", (snapshot.key,)
            ).fetchone()
            if known is None:
                number = _insert(cursor, snapshot, public, published, now, domain)
            else:
                number, was_published, before = known
                cursor.execute("UPDATE snapshot SET seen_at = ? WHERE id = ?", (now, number))
                if published and (domain in ("", before) or not (was_published or public)):
                    cursor.execute(
                        "UPDATE snapshot SET public = ?, published = 1, domain = ? WHERE id = ?",
                        (public, domain, number),
                    )
                elif not (published or was_published or public):
                    cursor.execute("UPDATE snapshot SET public = 0 WHERE id = ?", (number,))
            if published:
                (access.unmark if public else access.mark)(cursor, snapshot, domain)
            elif not public:
                access.mark(cursor, snapshot, access.SITE)
            cursor.executemany(
                "INSERT INTO name VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET snapshot = excluded.snapshot WHERE ? = '' OR NOT EXISTS"
                " (SELECT 1 FROM snapshot WHERE id = name.snapshot AND domain = '')",
                [(*repo, name, number, domain) for name in revisions],
            )

    def snapshot(self, key: SnapshotKey) -> Stored | None:
        rows = self._database.rows(f"{COLUMNS} WHERE key = ?", bytes(key))
        return self._stored(*rows[0]) if rows else None

    def offered(self, key: SnapshotKey) -> Stored | None:
        """The snapshot with this key if strangers may have it. One that is private takes as long as none."""
        rows = self._database.rows(f"{COLUMNS} WHERE key = ? AND {access.OFFERED}", bytes(key))
        return self._stored(*rows[0]) if rows else None

    def shared(self, topic: SnapshotKey) -> Stored | None:
        """The private snapshot that has this topic within a site, if it may be shared there."""
        condition = f"NOT public AND private_topic(key) = ? AND {access.SHARED}"
        rows = self._database.rows(f"{COLUMNS} WHERE {condition}", bytes(topic))
        return self._stored(*rows[0]) if rows else None

    def audience(self, key: SnapshotKey) -> Audience:
        """Whom the snapshot with this key may be offered to, at most."""
        rows = self._database.rows(
            f"SELECT {access.OFFERED}, {access.SHARED} FROM snapshot WHERE key = ?", bytes(key)
        )
        match rows:
            case [(1, _)]:
                return "everyone"
            case [(_, 1)]:
                return "members"
        return "nobody"

    def find(
        self, hub: str, repo_type: str, repo: str, revision: str, domains: Collection[str]
    ) -> Stored | None:
        """The snapshot last remembered under this name, else the last seen one of this commit, among those
        that one of these domains, or peers, told of."""
        marks = ",".join("?" * len(domains))
        return self._find((hub, repo_type, repo, revision), f"domain IN ({marks})", domains)

    def find_offered(
        self, hub: str, repo_type: str, repo: str, revision: str, members: bool
    ) -> Stored | None:
        """The same among those that strangers, or members of the site, may have. What somebody's own endpoint
        calls by a name is told to nobody."""
        condition = f"({access.OFFERED} OR {access.SHARED})" if members else access.OFFERED
        return self._find((hub, repo_type, repo, revision), f"domain = '' AND {condition}", ())

    def _find(self, asked: tuple[str, ...], condition: str, values: Collection[str]) -> Stored | None:
        named = self._database.rows(
            f"{COLUMNS} WHERE id = (SELECT snapshot FROM name WHERE {REPO} AND name = ?) AND {condition}",
            *(*asked, *values),
        )
        rows = named or self._database.rows(
            f"{COLUMNS} WHERE {REPO} AND revision = ? AND {condition} ORDER BY seen_at DESC, id DESC LIMIT 1",
            *(*asked, *values),
        )
        return self._stored(*rows[0]) if rows else None

    def summaries(self, partial: Mapping[bytes, int]) -> list[Summary]:
        """Every snapshot, last seen first. `partial`: bytes held of incomplete content, by digest."""
        rows = self._database.rows(
            "SELECT s.id, s.key, s.hub, s.repo_type, s.repo, s.revision, s.seen_at, s.public,"
            " EXISTS (SELECT 1 FROM private_repo r"
            " WHERE (r.hub, r.repo_type, r.repo) = (s.hub, s.repo_type, s.repo)),"
            " TOTAL(p.size), TOTAL(CASE WHEN b.id IS NOT NULL THEN p.size END),"
            " TOTAL(p.digest IS NOT NULL AND (b.id IS NULL OR NOT p.marked))"
            " FROM snapshot s LEFT JOIN part p ON p.snapshot = s.id"
            " LEFT JOIN blob b ON b.digest = p.digest AND b.size = p.size"
            " GROUP BY s.id ORDER BY s.seen_at DESC, s.id DESC"
        )
        held = self._partly_held(partial)
        return [
            Summary(
                key=SnapshotKey(key),
                hub=hub,
                repo_type=repo_type,
                repo=repo,
                commit=commit,
                revisions=self._names(number),
                public=bool(public),
                private=bool(private),
                bytes=int(size),
                held=int(complete) + held.get(number, 0),
                complete=not unmarked,
                seen_at=seen_at,
            )
            for number, key, hub, repo_type, repo, commit, seen_at, public, private, *sums in rows
            for size, complete, unmarked in [sums]
        ]

    def mark(self, key: SnapshotKey, paths: Collection[str]) -> None:
        """Note that these files are complete. Raises StoreError, and marks none, when one is not."""
        stored = self.snapshot(key)
        if stored is None:
            raise StoreError("A snapshot that the store was not told of cannot be complete", "Run it again.")
        wanted = set(paths)
        blobs = {file.blob.digest for file in stored.snapshot.files if file.path in wanted}
        with self._database.transaction() as cursor:
            (number,) = cursor.execute("SELECT id FROM snapshot WHERE key = ?", (key,)).fetchone()
            marked = 0
            for marks, portion in batches(blobs):
                cursor.execute(
                    "UPDATE part SET marked = 1 WHERE snapshot = ? AND EXISTS (SELECT 1 FROM blob"
                    f" WHERE blob.digest = part.digest AND blob.size = part.size) AND digest IN ({marks})",
                    (number, *portion),
                )
                marked += cursor.rowcount
            if marked < len(blobs):
                raise StoreError(
                    f"{len(blobs) - marked} files of {stored.snapshot.repo} are no longer in the store",
                    "Something deleted or changed them. Run it again: they are fetched anew.",
                )

    def remove(self, hub: str, repo_type: str, repo: str, keep: Iterable[bytes]) -> dict[bytes, int]:
        """Forget a repository. Its content that nothing else needs is doomed: size by digest.

        `keep`: digests that stay whatever happens. Content that was never complete is in the answer too.
        """
        with self._database.transaction() as cursor:
            doomed: dict[bytes, int] = dict(
                cursor.execute(
                    f"WITH ours AS (SELECT id FROM snapshot WHERE {REPO})"
                    " SELECT digest, size FROM part WHERE snapshot IN ours AND digest NOT IN"
                    " (SELECT digest FROM part WHERE snapshot NOT IN ours)",
                    (hub, repo_type, repo),
                )
            )
            for digest in keep:
                doomed.pop(digest, None)
            cursor.execute(f"DELETE FROM snapshot WHERE {REPO}", (hub, repo_type, repo))
            access.forget_unneeded(cursor)
            cursor.executemany("DELETE FROM blob WHERE digest = ?", [(digest,) for digest in doomed])
            cursor.executemany("INSERT OR IGNORE INTO doomed VALUES (?)", [(digest,) for digest in doomed])
        return doomed

    def _stored(self, number: int, public: int, published: int, seen_at: float, manifest: bytes) -> Stored:
        snapshot = _decode(manifest)
        digests = {
            digest
            for (digest,) in self._database.rows(
                "SELECT part.digest FROM part JOIN blob ON blob.digest = part.digest"
                " AND blob.size = part.size WHERE snapshot = ? AND marked",
                number,
            )
        }
        marked = frozenset(file.path for file in snapshot.files if file.blob.digest in digests)
        return Stored(snapshot, bool(public), bool(published), self._names(number), seen_at, marked)

    def _names(self, number: int) -> tuple[str, ...]:
        rows = self._database.rows("SELECT name FROM name WHERE snapshot = ? ORDER BY name", number)
        return tuple(name for (name,) in rows)

    def _partly_held(self, partial: Mapping[bytes, int]) -> dict[int, int]:
        """Bytes of incomplete content by snapshot number."""
        held: dict[int, int] = {}
        for marks, portion in batches(partial):
            statement = f"SELECT snapshot, digest FROM part WHERE digest IN ({marks})"
            for number, digest in self._database.rows(statement, *portion):
                held[number] = held.get(number, 0) + partial[digest]
        return held


def _insert(
    cursor: sqlite3.Cursor, snapshot: Snapshot, public: bool, published: bool, now: float, domain: str
) -> int:
    cursor.execute(
        "INSERT INTO snapshot (key, hub, repo_type, repo, revision, public, published, seen_at, manifest,"
        " domain) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(snapshot.key, snapshot.hub, snapshot.repo_type, snapshot.repo, snapshot.commit),
            *(public, published, now, snapshot.encoded, domain),
        ),
    )
    number = cursor.lastrowid
    assert number is not None
    cursor.executemany(
        "INSERT OR IGNORE INTO part (snapshot, digest, size) VALUES (?, ?, ?)",
        [(number, blob.digest, blob.size) for blob in snapshot.layout.blobs],
    )
    return number
