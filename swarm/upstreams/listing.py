"""Reads what the Hugging Face API says of a repository: its info, pages of its tree, the next page.

Shapes are those of `GET /api/models/{id}/revision/{rev}?blobs=true` and of
`GET /api/models/{id}/tree/{rev}?recursive=true` (Hub API documentation). A file kept in LFS is named by the
SHA-256 of its content (`lfs.sha256` in an info, `lfs.oid` in a tree); any other by its git blob id (`blobId`,
`oid`). An entry without either cannot be checked and spoils the listing.

An info lists all files at once; a tree comes in pages. A hub or mirror that knows nothing of `blobs` gives an
info that names the files and no more: then the tree is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from protocol.manifest import BadManifest, Blob, File
from swarm.upstreams.endpoint import Endpoint, origin
from swarm.upstreams.trouble import BadAnswer

MAX_SIBLINGS: Final = 50_000
"""Files from which on an info may not name all: clients of the hub then read the tree as well."""

COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Info:
    """What the hub says of a revision. open: no token and no accepted licence is needed, says the hub.

    files: all of them, None when it does not say what each of them is.
    """

    name: str
    commit: str
    open: bool
    files: tuple[File, ...] | None = None


def parse_info(value: object) -> Info:
    """BadAnswer when there is no commit in it."""
    match value:
        case {"sha": str(commit)} if COMMIT.fullmatch(commit):
            assert isinstance(value, Mapping)
            closed = bool(value.get("private")) or bool(value.get("gated"))
            return Info(str(value.get("id") or ""), commit, not closed, _siblings(value.get("siblings")))
        case _:
            raise BadAnswer("no commit in what it says of the revision; is this the base URL of a hub?")


def _siblings(value: object) -> tuple[File, ...] | None:
    """The files of an info; None for any that does not tell all of all files, which the tree then has to."""
    if not isinstance(value, list) or not 0 < len(value) < MAX_SIBLINGS:
        return None
    try:
        return tuple(_parse_sibling(entry) for entry in value)
    except (BadAnswer, BadManifest):
        return None


def _parse_sibling(entry: object) -> File:
    match entry:
        case {"rfilename": str(path), "lfs": {"sha256": str(digest), "size": int(size)}}:
            return File(path, _blob(path, "sha256", digest, size))
        case {"rfilename": str(path), "blobId": str(digest), "size": int(size), **rest} if not rest.get(
            "lfs"
        ):
            return File(path, _blob(path, "git-sha1", digest, size))
        case _:
            raise BadAnswer("a file without size and digest")


def parse_page(value: object) -> list[File]:
    """The files of one page of a tree; folders and submodules are left out. BadAnswer, BadManifest."""
    if not isinstance(value, list):
        raise BadAnswer("a listing that is no list")
    return [_parse_file(entry) for entry in value if not _is_other(entry)]


def _is_other(entry: object) -> bool:
    return isinstance(entry, Mapping) and entry.get("type") != "file"


def _parse_file(entry: object) -> File:
    match entry:
        case {"path": str(path), "lfs": {"oid": str(digest), "size": int(size)}}:
            return File(path, _blob(path, "sha256", digest.removeprefix("sha256:"), size))
        case {"path": str(), "lfs": {}}:
            raise BadAnswer("a listing entry of a large file without its SHA-256")
        case {"path": str(path), "oid": str(digest), "size": int(size)}:
            return File(path, _blob(path, "git-sha1", digest, size))
        case _:
            raise BadAnswer("a listing entry without path, size and digest")


def _blob(path: str, algorithm: str, digest: str, size: int) -> Blob:
    try:
        raw = bytes.fromhex(digest)
        return Blob("sha256", raw, size) if algorithm == "sha256" else Blob("git-sha1", raw, size)
    except (ValueError, BadManifest) as error:
        raise BadAnswer(f"no usable digest or size for {path!r}") from error


def next_page(endpoint: Endpoint, asked: str, answered: httpx.URL, headers: Mapping[str, str]) -> str | None:
    """The URL of the next page by `Link: <…>; rel="next"` (RFC 8288), or None after the last.

    asked: the URL of the page as it was asked for; answered: where the answer came from in the end.
    A link that leads to another origin, as a plain proxy passes it on, is taken back to this endpoint:
    the page it names is the query.
    """
    found = re.search(r'<([^>]*)>\s*;[^,]*\brel="?next\b', headers.get("link", ""))
    if not found:
        return None
    try:
        target = answered.join(found[1])
    except (httpx.InvalidURL, ValueError) as error:
        raise BadAnswer("a link to the next page that is not a URL") from error
    if origin(target) == endpoint.origin:
        return str(target)
    return str(httpx.URL(asked).copy_with(query=target.query))
