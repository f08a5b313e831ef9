"""What can be asked of a node, and what it answers: the words between the CLI, the client and a transfer.

Plain values only (text, numbers, tuples of the same), so that they cross the control socket as JSON
unchanged. Digests are hex, sizes are bytes, times are seconds. Named tuples, here and wherever else a command
that only asks a daemon comes by: to load and make dataclasses takes as long as starting Python does.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from protocol.terms import Algorithm, RepoType
from swarm.sources import Source, SourceKind

Phase = Literal["resolving", "waiting", "fetching", "checking", "done"]
"""Asking what the snapshot is; waiting for a source; bytes move; whole files are checked; over."""

Verified = Literal["publisher", "manifest"]
"""What the bytes were checked against: the publisher's digests from the hub, or a trusted manifest."""


class RepoName(NamedTuple):
    """A repository as a user names it; `revision` None means whatever is held of it."""

    hub: str
    repo_type: RepoType
    repo: str
    revision: str | None = None


class GetRequest(NamedTuple):
    """Fetch a snapshot, or the files of it that are named or match.

    `files` are exact paths (NotFound when one is missing); `include` and `exclude` are fnmatch
    patterns over the path, as huggingface_hub has them; all empty means every file. `revision` None
    is the hub's default branch. `endpoints` empty means the node's own; `token` None means none.
    `guest`: the caller is not the node's owner; the node sets this itself.
    """

    hub: str
    repo: str
    repo_type: RepoType = "model"
    revision: str | None = None
    files: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    token: str | None = None
    offline: bool = False
    guest: bool = False

    def __repr__(self) -> str:
        return f"GetRequest({self.hub}:{self.repo_type}:{self.repo}@{self.revision})"


class FileProgress(NamedTuple):
    """One file of the order: verified bytes of `size`."""

    path: str
    bytes: int
    size: int


class SourceProgress(NamedTuple):
    """A source in use: bytes had from it so far in this order, and bytes a second just now."""

    source: Source
    bytes: int
    rate: float


class Progress(NamedTuple):
    """Where an order stands. `total` is 0 until the snapshot is known.

    `files` are those that changed since the report before; `sources` are all of them. `message` is a
    one-off note for people ("upstream X failed, going on with Y"), lines joined by newlines.
    """

    phase: Phase
    bytes: int = 0
    total: int = 0
    files: tuple[FileProgress, ...] = ()
    sources: tuple[SourceProgress, ...] = ()
    message: str = ""

    def then(self, later: Progress) -> Progress:
        """One report that says what this and the later one say: for a reader slower than the writer."""
        files = {file.path: file for file in (*self.files, *later.files)}
        message = "\n".join(filter(None, (self.message, later.message)))
        return later._replace(files=tuple(files.values()), message=message)


class ListedFile(NamedTuple):
    """One file of a snapshot as its publisher lists it."""

    path: str
    algorithm: Algorithm
    digest: str
    size: int


class GotFile(NamedTuple):
    """One file that was asked for, verified, and where in the store it lies (absolute path)."""

    path: str
    algorithm: Algorithm
    digest: str
    size: int
    stored: str


class Root(NamedTuple):
    """A symlink (absolute path) that leads to content of the store: removing that would break it."""

    path: str
    algorithm: Algorithm
    digest: str
    size: int


class Roots(NamedTuple):
    """Symlinks that a view came to have."""

    links: tuple[Root, ...]


class SourceBytes(NamedTuple):
    """How many bytes of an order came from one source."""

    kind: SourceKind
    name: str
    bytes: int


class GetResult(NamedTuple):
    """A finished order. `repo` is the name to file it under, `ref` the branch or tag as asked (None
    for a commit); `all_files` is the publisher's listing; `bytes` counts the files that were asked for,
    `sources` tells where they came from, those that were in the store already as kind "local".
    """

    hub: str
    repo: str
    repo_type: RepoType
    commit: str
    ref: str | None
    files: tuple[GotFile, ...]
    all_files: tuple[ListedFile, ...]
    bytes: int
    seconds: float
    sources: tuple[SourceBytes, ...]
    verified: Verified

    @property
    def listing_complete(self) -> bool:
        """Whether `files` is the whole snapshot."""
        return len(self.files) == len(self.all_files)
