"""The cache of huggingface_hub, filled so that its clients find a snapshot without asking anybody.

    {cache}/CACHEDIR.TAG                                 so that backups leave the cache out
    {cache}/{type}s--{org}--{name}/blobs/{hex}           content by the publisher's digest
                                   snapshots/{commit}/…  relative symlinks to it
                                   refs/{name}           what a branch or tag means, without a newline
                                   trees/{commit}.json   the whole listing, as hub >= 1.22 keeps it

Order: content, links, listing, name: whoever follows the name finds everything. Where symlinks cannot be
made the content itself lies under `snapshots`, as the client does there. The listing is written only
when it is known to be whole: by it the client tells a partial snapshot from a complete one.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Final

from protocol.blobs import Blob, File
from protocol.paths import check_path, check_paths
from protocol.terms import BadManifest, RepoType
from swarm.views.faults import view_faults
from swarm.views.links import CACHE_ORDER, can_symlink, leads_into_store, link, place, replacing
from swarm.views.values import How, ViewFile, ViewReport

TAG: Final = "Signature: 8a477f597d28d172789f06886806bc55\n# What is here can be had again.\n"
"""The signature is what counts (bford.info/cachedir)."""

TREES_VERSION: Final = 1
"""format_version of trees/{commit}.json in huggingface_hub 1.22 to 2.4."""

TREES_MODE: Final = 0o600
"""The client makes this file by mkstemp."""


@dataclass(frozen=True, slots=True)
class SnapshotId:
    """What the client calls a snapshot."""

    repo_type: RepoType
    repo: str
    commit: str

    def __post_init__(self) -> None:
        check_path(self.repo)
        check_path(self.commit)
        if "/" in self.commit:
            raise BadManifest(f"no commit is called {self.commit!r}")

    @property
    def folder(self) -> str:
        """The repository's folder in the cache."""
        return f"{self.repo_type}s--{self.repo.replace('/', '--')}"


def build(
    cache: Path,
    snapshot: SnapshotId,
    files: Sequence[ViewFile],
    ref: str | None = None,
    listing: Iterable[File] | None = None,
    *,
    symlinks: bool = True,
) -> ViewReport:
    """Lay these files out in a cache; the report's folder is what `snapshot_download` returns.

    `ref`: the branch or tag that was asked for, None for a commit. `listing`: all files of the snapshot,
    None when they are not known. Raises StoreError; what was placed by then stays.
    """
    check_paths(file.path for file in files)
    if ref is not None:
        check_path(ref)
    view = _View(cache, snapshot)
    with view_faults(cache):
        view.begin(symlinks)
        for file in files:
            view.add(file)
        if listing is not None:
            view.write_listing(listing)
        if ref is not None:
            view.write_ref(ref)
    return ViewReport(view.folder, dict(view.how), tuple(view.symlinks))


class _View:
    """One repository's folder while it is filled."""

    def __init__(self, cache: Path, snapshot: SnapshotId) -> None:
        self._cache = cache
        self._snapshot = snapshot
        self._repo = cache / snapshot.folder
        self._placed: set[Blob] = set()
        self._symlinks = True
        self.folder = self._repo / "snapshots" / snapshot.commit
        self.how: Counter[How] = Counter()
        self.symlinks: list[tuple[Blob, Path]] = []

    def begin(self, symlinks: bool) -> None:
        for folder in (self.folder, self._repo / "blobs", self._repo / "refs"):
            folder.mkdir(parents=True, exist_ok=True)
        tag = self._cache / "CACHEDIR.TAG"
        if not tag.exists():
            self._write(tag, TAG)
        self._symlinks = symlinks and can_symlink(self._repo)

    def add(self, file: ViewFile) -> None:
        """Content in `blobs` and a relative symlink to it in `snapshots`, or content in `snapshots`."""
        pointer = self.folder / file.path
        if not self._symlinks:
            self._place(file, pointer)
            return
        name = file.blob.digest.hex()
        if file.blob not in self._placed:
            self._placed.add(file.blob)
            self._place(file, self._repo / "blobs" / name)
        text = f"{'../' * (2 + file.path.count('/'))}blobs/{name}"
        if _link_text(pointer) != text:
            link(lambda at: at.symlink_to(text), pointer, self._repo)

    def write_listing(self, listing: Iterable[File]) -> None:
        path = self._repo / "trees" / f"{self._snapshot.commit}.json"
        entries = {file.path: _entry(file.blob) for file in sorted(listing, key=lambda file: file.path)}
        if not _lists(path, entries):
            text = json.dumps({"format_version": TREES_VERSION, "files": entries}, indent=1)
            self._write(path, text, TREES_MODE)

    def write_ref(self, ref: str) -> None:
        path = self._repo / "refs" / ref
        if not path.is_file() or path.read_text() != self._snapshot.commit:
            self._write(path, self._snapshot.commit)

    def _place(self, file: ViewFile, target: Path) -> None:
        how = place(file, target, CACHE_ORDER, self._repo)
        self.how[how] += 1
        if leads_into_store(target, file.stored):
            self.symlinks.append((file.blob, target))

    def _write(self, path: Path, text: str, mode: int = 0o666) -> None:
        scratch = self._repo if path.is_relative_to(self._repo) else self._cache
        with replacing(path, scratch) as temporary:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with open(fd, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(fd)


def _link_text(path: Path) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _entry(blob: Blob) -> dict[str, object]:
    """What the hub's tree says of a file. `blob_id` of an LFS file is that of its pointer."""
    if blob.algorithm == "git-sha1":
        return {"size": blob.size, "blob_id": blob.digest.hex()}
    digest = blob.digest.hex()
    return {"size": blob.size, "blob_id": _pointer_id(blob), "lfs_sha256": digest, "lfs_size": blob.size}


def _pointer_id(blob: Blob) -> str:
    """Git's id of the pointer that stands for an LFS file (git-lfs specification, "The Pointer")."""
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{blob.digest.hex()}\nsize {blob.size}\n"
    ).encode()
    return sha1(b"blob %d\0" % len(pointer) + pointer, usedforsecurity=False).hexdigest()


def _lists(path: Path, entries: dict[str, dict[str, object]]) -> bool:
    """Whether a listing that the client wrote says the same; what more it says is left alone."""
    try:
        found = json.loads(path.read_bytes())
        return (
            found["format_version"] == TREES_VERSION
            and {
                name: {key: entry.get(key) for key in entries.get(name, {})}
                for name, entry in found["files"].items()
            }
            == entries
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False
