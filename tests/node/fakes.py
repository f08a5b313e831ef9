"""A node that answers from what a test puts in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from swarm.errors import NotFound
from swarm.node.api import ModelRow, PeerRow, Removed, Report, SiteRow, Status, WhyReport
from swarm.sources import Source
from swarm.transfer.requests import (
    FileProgress,
    GetRequest,
    GetResult,
    GotFile,
    ListedFile,
    Progress,
    RepoName,
    Root,
    Roots,
    SourceBytes,
    SourceProgress,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"

RESULT = GetResult(
    hub="hf",
    repo="ns/name",
    repo_type="model",
    commit=COMMIT,
    ref="main",
    files=(GotFile("a.bin", "sha256", "00" * 32, 5, "/store/a"),),
    all_files=(ListedFile("a.bin", "sha256", "00" * 32, 5), ListedFile("b", "git-sha1", "11" * 20, 1)),
    bytes=5,
    seconds=1.5,
    sources=(SourceBytes("peer", "node-1", 4), SourceBytes("upstream", "https://hub", 1)),
    verified="publisher",
)

PROGRESS = Progress(
    "fetching",
    bytes=2,
    total=5,
    files=(FileProgress("a.bin", 2, 5),),
    sources=(SourceProgress(Source("peer", "node-1"), 2, 1.0),),
    message="upstream https://other failed",
)

STATUS: Status = {
    "node": "abcdefghijklmnop",
    "version": "0.1.0",
    "uptime": 61.0,
    "listen": ["10.0.0.1:7677"],
    "peers": [
        {
            "node": "node-1",
            "address": "10.0.0.2:7677",
            "via": "mdns",
            "sent": 1,
            "received": 2,
            "standing": "open",
        }
    ],
    "snapshots": [],
    "store": {"bytes": 5, "quota": 0},
    "site": None,
}

SITE: SiteRow = {
    "site": "s",
    "name": "lab",
    "rights": "founder",
    "issued": 1,
    "expires": 2,
    "serve_open": False,
    "share_private": False,
    "members": 3,
    "troubles": [],
}

WHY: WhyReport = {
    "hub": "hf",
    "repo_type": "model",
    "repo": "ns/name",
    "commit": COMMIT,
    "files": [
        {
            "path": "a.bin",
            "bytes": 5,
            "sources": [
                {"kind": "peer", "name": "peerpeerpeerpeer", "bytes": 4},
                {"kind": "upstream", "name": "https://hub", "bytes": 1},
            ],
        }
    ],
    "sources": [{"kind": "peer", "name": "peerpeerpeerpeer", "bytes": 4}],
    "incidents": [
        {"when": 1.0, "kind": "peer", "name": "liarliarliar", "what": "sent wrong bytes", "path": "a.bin"}
    ],
}

MODEL: ModelRow = {
    "hub": "hf",
    "repo_type": "dataset",
    "repo": "ns/name",
    "commit": COMMIT,
    "revisions": ["main"],
    "bytes": 1000,
    "held": 500,
    "complete": False,
    "private": False,
    "when": 1.0,
}


ROOTS = Roots((Root("/cache/blobs/a", "sha256", "00" * 32, 5),))


class FakeNode:
    """Answers with the values above; `on_get` decides what a get does."""

    def __init__(self, on_get: Callable[[GetRequest, Report], Awaitable[GetResult]] | None = None) -> None:
        self.on_get = on_get or self._reports_once
        self.requests: list[GetRequest] = []
        self.roots = Roots(())
        self.called = trio.Event()
        self.cancelled = trio.Event()
        self.models_held: list[ModelRow] = [MODEL]
        self.removed: list[RepoName] = []
        self.site: SiteRow | None = None

    async def get(self, request: GetRequest, report: Report) -> GetResult:
        self.requests.append(request)
        self.called.set()
        try:
            return await self.on_get(request, report)
        except trio.Cancelled:
            self.cancelled.set()
            raise

    async def _reports_once(self, request: GetRequest, report: Report) -> GetResult:
        report(PROGRESS)
        await trio.lowlevel.checkpoint()
        return RESULT

    async def status(self) -> Status:
        return {**STATUS, "site": self.site}

    async def peers(self) -> list[PeerRow]:
        return STATUS["peers"]

    async def models(self) -> list[ModelRow]:
        return self.models_held

    async def why(self, name: RepoName) -> list[WhyReport]:
        if name.repo != "ns/name":
            raise NotFound(f"Nothing of {name.repo} is held", "Fetch it.")
        return [WHY]

    async def add_roots(self, roots: Roots) -> None:
        self.roots = roots

    async def remove(self, name: RepoName) -> Removed:
        self.removed.append(name)
        return {"snapshots": 1, "bytes": 7}


async def never(*_: Any) -> GetResult:
    """A get that does not end by itself."""
    await trio.sleep_forever()
    raise AssertionError
