"""Repositories for the demo hub: files with the names that git and the Hub give them, commits and refs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

Kind = Literal["model", "dataset", "space"]
JSON = Mapping[str, Any]

LFS_FROM: Final = 10_000_000
"""Bytes from which the Hub keeps a file in LFS whatever its name."""

LFS_SUFFIXES: Final = (".safetensors", ".bin", ".gguf", ".pt", ".onnx", ".parquet", ".msgpack", ".h5")
"""Endings that the Hub's default .gitattributes sends to LFS."""

BLOCK: Final = 64 * 1024
"""Bytes written at a time: small enough that a throttled hub sends smoothly."""


class Content:
    """The bytes of one file, in memory or on disk, with the names the Hub gives them."""

    def __init__(self, source: bytes | Path, *, lfs: bool) -> None:
        self._source = source
        self.lfs = lfs
        self.size = len(source) if isinstance(source, bytes) else source.stat().st_size

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` in pieces of at most BLOCK bytes."""
        if isinstance(self._source, bytes):
            for offset in range(start, stop, BLOCK):
                yield self._source[offset : min(offset + BLOCK, stop)]
            return
        with self._source.open("rb") as file:
            file.seek(start)
            while start < stop and (block := file.read(min(BLOCK, stop - start))):
                start += len(block)
                yield block

    @cached_property
    def sha256(self) -> str:
        return self._digest(hashlib.sha256())

    @cached_property
    def git_sha1(self) -> str:
        return self._digest(hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False))

    def _digest(self, hasher: hashlib._Hash) -> str:
        for block in self.blocks(0, self.size):
            hasher.update(block)
        return hasher.hexdigest()

    @cached_property
    def pointer(self) -> bytes:
        """The text that git holds in place of a file kept in LFS."""
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n"
        ).encode()

    @cached_property
    def oid(self) -> str:
        """The git blob id: of the content, or of the pointer when the file is kept in LFS."""
        return Content(self.pointer, lfs=False).git_sha1 if self.lfs else self.git_sha1

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git_sha1

    def entry(self, path: str) -> JSON:
        """What a tree says of a file with this content."""
        entry: dict[str, Any] = {"type": "file", "path": path, "size": self.size, "oid": self.oid}
        if self.lfs:
            entry["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": len(self.pointer)}
        return entry


def kept_in_lfs(path: str, size: int) -> bool:
    return size >= LFS_FROM or path.endswith(LFS_SUFFIXES)


class Repository:
    """One repository: its commits (40 hex -> files) and the branches, tags and pull requests naming them."""

    def __init__(
        self, name: str, files: Mapping[str, bytes | Path], *, kind: Kind = "model", lfs: Iterable[str] = ()
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.commits: dict[str, dict[str, Content]] = {}
        self.refs: dict[str, str] = {}
        self.commit(files, lfs=lfs)

    def commit(
        self, files: Mapping[str, bytes | Path], *, ref: str = "refs/heads/main", lfs: Iterable[str] = ()
    ) -> str:
        """Add a commit with exactly these files and point `ref` (a full name) at it; returns its id.

        lfs: paths kept in LFS beside those that `kept_in_lfs` says.
        """
        contents = {}
        for path, source in sorted(files.items()):
            size = len(source) if isinstance(source, bytes) else source.stat().st_size
            contents[path] = Content(source, lfs=path in set(lfs) or kept_in_lfs(path, size))
        told = json.dumps([self.name, ref, [[path, content.etag] for path, content in contents.items()]])
        commit = hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()
        self.commits[commit] = contents
        self.refs[ref] = commit
        return commit

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch, tag, other ref, commit id or unambiguous start of one stands for."""
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in self.refs:
                return self.refs[name]
        if not re.fullmatch("[0-9a-f]{7,40}", revision):
            return None
        found = [commit for commit in self.commits if commit.startswith(revision)]
        return found[0] if len(found) == 1 else None


def tree_entries(contents: Mapping[str, Content], folder: str, *, recursive: bool) -> Sequence[JSON]:
    """Files and folders below `folder`, or directly in it, by path."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, JSON] = {}
    for path, content in contents.items():
        if not path.startswith(prefix):
            continue
        cuts = [end for end, char in enumerate(path) if char == "/" and end > len(prefix)]
        for end in cuts if recursive else cuts[:1]:
            oid = hashlib.sha1(path[:end].encode(), usedforsecurity=False).hexdigest()
            entries[path[:end]] = {"type": "directory", "path": path[:end], "size": 0, "oid": oid}
        if recursive or not cuts:
            entries[path] = content.entry(path)
    return [entries[path] for path in sorted(entries)]
