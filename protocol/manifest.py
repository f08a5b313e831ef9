"""What a model is: one immutable snapshot of one repository, and the blobs and chunks it comes down to.

A `Snapshot` lists files by path with the publisher's digest of each. Its canonical encoding is the
manifest; the BLAKE3 of that encoding is the snapshot's key, which is also the topic two nodes meet
under. Nodes that heard the same from the hub compute the same key; a node that was told something
else computes another and meets nobody, and a private snapshot's key cannot be guessed.

Files with the same digest and size are one `Blob`. Chunks are numbered through the blobs in the order
in which they first appear in the file list, so that a whole snapshot has one have-map. Peers only
ever name chunk numbers (docs/protocol.md, "Manifest"). Words, blobs and paths are in files of their own,
and to be had from here as well.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from blake3 import blake3

from protocol import codec
from protocol.blobs import MAX_SIZE, Blob, File
from protocol.chunks import Bytes
from protocol.ids import SnapshotKey
from protocol.limits import MAX_CHUNKS, MAX_FILES, MAX_MANIFEST, MAX_NAME, MAX_PATH_SEGMENTS
from protocol.paths import check_path, check_paths
from protocol.terms import REPO_TYPES, Algorithm, BadManifest, RepoType

__all__ = [
    "MAX_SIZE",
    "REPO_TYPES",
    "Algorithm",
    "BadManifest",
    "Blob",
    "File",
    "Layout",
    "RepoType",
    "Snapshot",
    "check_path",
    "check_paths",
    "decode_snapshot",
]


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
