"""What a model is: one immutable snapshot of one repository, and the blobs and chunks it comes down to.

A `Snapshot` lists files by path with the publisher's digest of each. Its canonical encoding is the
manifest; the BLAKE3 of that encoding is the snapshot's key, which is also the topic two nodes meet
under. Nodes that heard the same from the hub compute the same key; a node that was told something
else computes another and meets nobody, and a private snapshot's key cannot be guessed.

Files with the same digest and size are one `Blob`. Chunks are numbered through the blobs in the order
in which they first appear in the file list, so that a whole snapshot has one have-map. Peers only
ever name chunk numbers; paths are checked here, once, for everybody (docs/protocol.md, "Manifest").
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final, Literal

from blake3 import blake3

from protocol import codec
from protocol.chunks import Bytes, WrongBytes, chunk_count, chunk_length
from protocol.ids import SnapshotKey
from protocol.limits import (
    MAX_CHUNKS,
    MAX_FILES,
    MAX_MANIFEST,
    MAX_NAME,
    MAX_PATH,
    MAX_PATH_SEGMENT,
    MAX_PATH_SEGMENTS,
)

Algorithm = Literal["sha256", "git-sha1"]
RepoType = Literal["model", "dataset", "space"]

DIGEST_LENGTHS: Final[dict[str, int]] = {"sha256": 32, "git-sha1": 20}
REPO_TYPES: Final = ("model", "dataset", "space")
MAX_SIZE: Final = 1 << 53
"""Largest file: what JSON of any hub can say exactly."""

RESERVED_NAMES: Final = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)
"""Device names of Windows, with or without an ending: a view may lie on a share that Windows reads."""

UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\]")
"""Control characters, and the backslash that is a separator elsewhere."""


class BadManifest(ValueError):
    """The description of a snapshot breaks a rule; the message names the rule and the file."""


@dataclass(frozen=True, slots=True, order=True)
class Blob:
    """Content as its publisher names it: algorithm, digest (raw bytes), size in bytes.

    `git-sha1` is the git blob id, SHA-1 over "blob <size>\\0" and the content.
    """

    algorithm: Algorithm
    digest: bytes
    size: int

    def __post_init__(self) -> None:
        if DIGEST_LENGTHS.get(self.algorithm) != len(self.digest):
            raise BadManifest(f"no digest of kind {self.algorithm!r} has {len(self.digest)} bytes")
        if type(self.size) is not int or not 0 <= self.size <= MAX_SIZE:
            raise BadManifest(f"no file has {self.size} bytes")

    @property
    def chunk_length(self) -> int:
        return chunk_length(self.size)

    @property
    def chunk_count(self) -> int:
        return chunk_count(self.size)

    def span(self, index: int) -> tuple[int, int]:
        """(offset, length) in bytes of this blob's chunk number `index`."""
        offset = index * self.chunk_length
        if not 0 <= offset < self.size:
            raise IndexError(index)
        return offset, min(self.chunk_length, self.size - offset)

    def hasher(self) -> hashlib._Hash:
        """A hash object to feed the whole content to; its digest must equal `digest`."""
        if self.algorithm == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)

    def check(self, data: Bytes) -> None:
        """Raise WrongBytes unless `data` is the whole content."""
        hasher = self.hasher()
        hasher.update(data)
        if memoryview(data).nbytes != self.size or hasher.digest() != self.digest:
            raise WrongBytes(f"not the content the publisher calls {self}")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a snapshot: its path (checked by `check_path`) and what is in it."""

    path: str
    blob: Blob


@dataclass(frozen=True)
class Snapshot:
    """One immutable revision of one repository. Files are sorted by the bytes of their path.

    `commit` is what the hub calls the revision (40 hex on Hugging Face). Hub and commit name folders of
    stores and views: they keep the rules of a path of one segment. Raises BadManifest.
    """

    hub: str
    repo_type: RepoType
    repo: str
    commit: str
    files: tuple[File, ...]

    def __post_init__(self) -> None:
        for name, segments in ((self.hub, 1), (self.commit, 1), (self.repo, MAX_PATH_SEGMENTS)):
            check_path(name, segments)
            if len(name.encode()) > MAX_NAME:
                raise BadManifest(f"a name is longer than {MAX_NAME} bytes: {name[:40]!r}")
        if self.repo_type not in REPO_TYPES:
            raise BadManifest(f"no such kind of repository: {self.repo_type!r}")
        if len(self.files) > MAX_FILES:
            raise BadManifest(f"{len(self.files)} files; the limit is {MAX_FILES}")
        check_paths(file.path for file in self.files)
        object.__setattr__(self, "files", tuple(sorted(self.files, key=lambda file: file.path.encode())))
        if len({(blob.algorithm, blob.digest) for blob in self.layout.blobs}) < len(self.layout.blobs):
            raise BadManifest("two sizes for one digest")
        if self.layout.total > MAX_CHUNKS:
            raise BadManifest(f"{self.layout.total} chunks; the limit is {MAX_CHUNKS}")

    @cached_property
    def layout(self) -> Layout:
        return Layout(dict.fromkeys(file.blob for file in self.files))

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding: what travels between nodes and what the key is the digest of."""
        files = [[file.path, file.blob.algorithm, file.blob.digest, file.blob.size] for file in self.files]
        return codec.encode([self.hub, self.repo_type, self.repo, self.commit, files])

    @cached_property
    def key(self) -> SnapshotKey:
        return SnapshotKey(blake3(self.encoded).digest())

    @property
    def size(self) -> int:
        """Bytes of all files as a user sees them, duplicates counted again."""
        return sum(file.blob.size for file in self.files)


def decode_snapshot(encoded: Bytes) -> Snapshot:
    """The snapshot with this encoding; BadManifest or codec.BadEncoding when it is not one."""
    if memoryview(encoded).nbytes > MAX_MANIFEST:
        raise BadManifest(f"a manifest is at most {MAX_MANIFEST} bytes")
    match codec.decode(encoded, max_items=8 * MAX_FILES):
        case [str(hub), str(repo_type), str(repo), str(commit), list(rows)] if repo_type in REPO_TYPES:
            files = tuple(_decode_file(row) for row in rows)
            snapshot = Snapshot(hub, repo_type, repo, commit, files)  # type: ignore[arg-type]  # a REPO_TYPE
        case _:
            raise BadManifest("not a manifest")
    if snapshot.encoded != bytes(encoded):
        raise BadManifest("a manifest that is not in its canonical form")
    return snapshot


def _decode_file(row: object) -> File:
    match row:
        case [str(path), ("sha256" | "git-sha1") as algorithm, bytes(digest), int(size)]:
            return File(path, Blob(algorithm, digest, size))
        case _:
            raise BadManifest("not a file entry")


class Layout:
    """Where each chunk number of a snapshot lies. Blobs without bytes have no chunk."""

    def __init__(self, blobs: Iterable[Blob]) -> None:
        self.blobs = tuple(blobs)
        self._starts = [0, *accumulate(blob.chunk_count for blob in self.blobs)]
        self._numbers = {blob: number for number, blob in enumerate(self.blobs)}

    @property
    def total(self) -> int:
        """Number of chunks."""
        return self._starts[-1]

    def chunks_of(self, blob: Blob) -> range:
        """The chunk numbers of a blob; KeyError when it is not in the snapshot."""
        number = self._numbers[blob]
        return range(self._starts[number], self._starts[number + 1])

    def locate(self, chunk: int) -> tuple[Blob, int]:
        """(blob, index of the chunk within it); IndexError when there is no such chunk."""
        if not 0 <= chunk < self.total:
            raise IndexError(chunk)
        number = bisect_right(self._starts, chunk) - 1
        return self.blobs[number], chunk - self._starts[number]

    def length(self, chunk: int) -> int:
        """Bytes in this chunk."""
        blob, index = self.locate(chunk)
        return blob.span(index)[1]


def check_path(path: str, most: int = MAX_PATH_SEGMENTS) -> None:
    """BadManifest unless `path` stays inside its folder on every file system a view may lie on.

    It has at most `most` segments.
    """
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH:
        raise BadManifest(f"a path is longer than {MAX_PATH} bytes: {path[:40]!r}…")
    segments = path.split("/")
    if len(segments) > most:
        raise BadManifest(f"the path {path[:40]!r}… has more than {most} parts")
    for segment in segments:
        fault = _segment_fault(segment)
        if fault:
            raise BadManifest(f"the path {path!r} {fault}")


def _segment_fault(segment: str) -> str | None:
    if segment in ("", ".", ".."):
        return "is absolute or has an empty, '.' or '..' part"
    if UNSAFE.search(segment):
        return "has a control character or a backslash"
    try:
        length = len(segment.encode())
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if length > MAX_PATH_SEGMENT:
        return f"has a part longer than {MAX_PATH_SEGMENT} bytes"
    if segment.split(".")[0].rstrip(" ").lower() in RESERVED_NAMES:
        return "has a part that is a device name"
    return None


_ROOT: Final = 0
_FILE: Final = -1


def _folded(name: str) -> str:
    """The same for names that some file system takes for one: those equal but for case, or for how letters
    are composed: canonical caseless matching (Unicode 3.13, D145), but for its last step, which does nothing.
    """
    return unicodedata.normalize("NFD", name).casefold()


def _spelt(one: str, other: str) -> str:
    """Both, so that a reader sees the difference: escaped where they look the same."""
    same = one != other and unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    return f"{one!a} and {other!a}" if same else f"{one!r} and {other!r}"


def check_paths(paths: Iterable[str]) -> None:
    """`check_path` for each, and no two that clash: as a file and a folder, or as equal once `_folded`.

    Takes memory and time in proportion to the length of all paths together, however deep they are.
    """
    entries: dict[tuple[int, str], tuple[str, int]] = {}  # (folder, folded name) -> name, folder or _FILE
    for path in paths:
        check_path(path)
        *folders, name = path.split("/")
        place = _ROOT
        for folder in folders:
            spelt, place = entries.setdefault((place, _folded(folder)), (folder, len(entries) + 1))
            if place == _FILE:
                raise BadManifest(f"{spelt!r} is both a file and a folder on the way to {path!r}")
            if spelt != folder:
                raise BadManifest(f"the folders {_spelt(spelt, folder)} clash on the way to {path!r}")
        key = (place, _folded(name))
        if key in entries:
            other, kind = entries[key]
            raise BadManifest(
                f"the paths {_spelt(other, path)} clash"
                if kind == _FILE
                else f"{path!r} is both a file and a folder"
            )
        entries[key] = (path, _FILE)
