"""What came with a token only, and whose tokens are known to be good for it.

A repository is private in a *domain*: that of the endpoints the operator chose (empty), or one endpoint
that somebody named for himself. Who may name an endpoint may make it say anything, so the word of a domain
counts for what it gave itself; the operator's counts for all. What members of this node's site say is a
domain too (`SITE`): it closes what nobody else spoke of, and opens nothing; who may have the same repository
of the operator's domain may have that. Content of a private repository is marked until its domain shows the
same content to everybody: whoever learnt its digest could otherwise have it from here under another name.

Blocking; runs in worker threads.
"""
# ruff: noqa: S608 - what is put into statements are constants and question marks

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from protocol.ids import SnapshotKey
from protocol.limits import KIB
from protocol.manifest import Blob, Snapshot
from swarm.store.schema import Database, batches

COMMON: Final = 64 * KIB
"""Text files up to this many bytes are not marked: a licence or `.gitattributes` is the same in thousands of
repositories, and would make each of them look private. Large content (SHA-256) always is."""

PERMIT_KEPT_SECONDS: Final = 90 * 24 * 3600.0
"""How long it is remembered at all that a token was good; whether it still counts is the node's business."""

SITE: Final = "site"
"""The domain of what members say. Domains of endpoints are URLs."""

OFFERED: Final = (
    "public AND NOT (EXISTS (SELECT 1 FROM restricted) AND EXISTS (SELECT 1 FROM part"
    " JOIN restricted ON restricted.digest = part.digest WHERE part.snapshot = snapshot.id))"
)
"""Condition on `snapshot`: anyone may have it, and nothing in it is marked."""

SHARED: Final = (
    "NOT public AND snapshot.domain = '' AND NOT EXISTS (SELECT 1 FROM part"
    " JOIN restricted ON restricted.digest = part.digest JOIN private_repo r ON r.id = restricted.repo"
    " WHERE part.snapshot = snapshot.id AND r.domain = '' GROUP BY part.digest"
    " HAVING NOT MAX((r.hub, r.repo_type, r.repo) = (snapshot.hub, snapshot.repo_type, snapshot.repo)))"
)
"""Condition on `snapshot`: private, and members of the site may have it if the operator shares such models.

What a caller's own endpoint gave is not shared, nor is content of another private repository by this name."""

REPO: Final = "hub = ? AND repo_type = ? AND repo = ?"

OPENED: Final = (
    "SELECT r.id FROM permit JOIN private_repo own ON own.id = permit.repo"
    " JOIN private_repo r ON (r.hub, r.repo_type, r.repo) = (own.hub, own.repo_type, own.repo)"
    " WHERE who = ? AND at >= ? AND (r.id = own.id OR (own.domain = '' AND r.domain = ?))"
)
"""The repositories a credential is good for: those it was accepted for, and what members say of the same."""

PUBLIC_IN: Final = (
    "SELECT digest FROM part JOIN snapshot ON snapshot.id = part.snapshot"
    " WHERE public AND published AND domain IN ('', ?)"
)


def mark(cursor: sqlite3.Cursor, snapshot: Snapshot, domain: str) -> None:
    """The domain gave this with a token: its content is marked, but for what it gives to everybody."""
    repo = (domain, snapshot.hub, snapshot.repo_type, snapshot.repo)
    cursor.execute(
        "INSERT OR IGNORE INTO private_repo (domain, hub, repo_type, repo) VALUES (?, ?, ?, ?)", repo
    )
    (number,) = cursor.execute(f"SELECT id FROM private_repo WHERE domain = ? AND {REPO}", repo).fetchone()
    for marks, portion in batches({blob.digest for blob in snapshot.layout.blobs if _is_marked(blob)}):
        open_to_all = f"{PUBLIC_IN} AND digest IN ({marks})"
        known = {digest for (digest,) in cursor.execute(open_to_all, (domain, *portion))}
        cursor.executemany(
            "INSERT OR IGNORE INTO restricted VALUES (?, ?)",
            [(digest, number) for digest in portion if digest not in known],
        )


def unmark(cursor: sqlite3.Cursor, snapshot: Snapshot, domain: str) -> None:
    """The domain gives this to everybody."""
    theirs = "" if not domain else " AND repo IN (SELECT id FROM private_repo WHERE domain = ?)"
    for marks, portion in batches({blob.digest for blob in snapshot.layout.blobs}):
        cursor.execute(
            f"DELETE FROM restricted WHERE digest IN ({marks}){theirs}",
            (*portion, domain) if domain else portion,
        )


def forget_unneeded(cursor: sqlite3.Cursor) -> None:
    """Snapshots were removed: marks stay on what others name, under whatever name."""
    cursor.execute("DELETE FROM restricted WHERE digest NOT IN (SELECT digest FROM part)")
    cursor.execute(
        "DELETE FROM private_repo WHERE id NOT IN (SELECT repo FROM restricted)"
        " AND (hub, repo_type, repo) NOT IN (SELECT hub, repo_type, repo FROM snapshot)"
    )


def _is_marked(blob: Blob) -> bool:
    return blob.size > (0 if blob.algorithm == "sha256" else COMMON)


class Access:
    """The tables `private_repo`, `restricted` and `permit`. `who` is a hash of a credential, 32 bytes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def permit(self, who: bytes, domain: str, hub: str, repo_type: str, repo: str, now: float) -> None:
        """The domain just gave this private repository for this credential."""
        with self._database.transaction() as cursor:
            cursor.execute("DELETE FROM permit WHERE at < ?", (now - PERMIT_KEPT_SECONDS,))
            cursor.execute(
                "INSERT OR REPLACE INTO permit SELECT ?, id, ? FROM private_repo"
                f" WHERE domain = ? AND {REPO}",
                (who, now, domain, hub, repo_type, repo),
            )

    def revoke(
        self, whos: Collection[bytes], domains: Collection[str], hub: str, repo_type: str, repo: str
    ) -> None:
        """These domains just refused the repository to these credentials."""
        with self._database.transaction() as cursor:
            cursor.executemany(
                "DELETE FROM permit WHERE who = ? AND repo IN"
                f" (SELECT id FROM private_repo WHERE domain = ? AND {REPO})",
                [(who, domain, hub, repo_type, repo) for who in whos for domain in domains],
            )

    def withdraw(self, hub: str, repo_type: str, repo: str) -> None:
        """Nothing of the repository is public any more."""
        with self._database.transaction() as cursor:
            cursor.execute(f"UPDATE snapshot SET public = 0 WHERE {REPO}", (hub, repo_type, repo))

    def withheld(
        self, key: SnapshotKey, blobs: Iterable[Blob], whos: Collection[bytes], since: float
    ) -> bool:
        """Whether some of this was had with a token, and none of these credentials was good for it since."""
        good = {repo for who in whos for (repo,) in self._database.rows(OPENED, who, since, SITE)}
        private = self._database.rows(
            "SELECT private_repo.domain, private_repo.id FROM private_repo"
            " JOIN snapshot USING (hub, repo_type, repo) WHERE snapshot.key = ? AND NOT snapshot.public",
            bytes(key),
        )
        if _closed(private, good):
            return True
        if not self._database.rows("SELECT 1 FROM restricted LIMIT 1"):
            return False
        for marks, portion in batches({blob.digest for blob in blobs}):
            held_by: dict[bytes, list[tuple[str, int]]] = {}
            statement = (
                "SELECT digest, domain, id FROM restricted JOIN private_repo ON id = restricted.repo"
                f" WHERE digest IN ({marks})"
            )
            for digest, domain, repo in self._database.rows(statement, *portion):
                held_by.setdefault(digest, []).append((domain, repo))
            if any(_closed(repos, good) for repos in held_by.values()):
                return True
        return False


def _closed(repos: Sequence[tuple[str, int]], good: Collection[int]) -> bool:
    """Whether credentials for the `good` repositories do not open what came of these (domain, repository).

    One repository of a domain is enough. The operator's domain decides alone; of others each has to agree, as
    any of them may be there only to pretend that the content is its own.
    """
    domains = {domain for domain, _ in repos}
    deciding = domains & {""} or domains
    return any(all(repo not in good for at, repo in repos if at == domain) for domain in deciding)
