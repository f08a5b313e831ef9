"""What a node can be asked, and the form of its answers: by its own process or over the control socket.

The answers are what `--json` prints, so their keys are part of the interface scripts rely on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypedDict

from swarm.transfer.requests import GetRequest, GetResult, Progress, RepoName, Roots


class PeerRow(TypedDict):
    """One peer with a link: bytes sent to it and received from it since the link came up, and whether it is
    a member of this node's site or open."""

    node: str
    address: str
    via: str
    sent: int
    received: int
    standing: str


class ModelRow(TypedDict):
    """One snapshot in the store: its size in bytes, how many of them are held, when it came (unix time).

    `private`: its hub wanted a token for it.
    """

    hub: str
    repo_type: str
    repo: str
    commit: str
    revisions: list[str]
    bytes: int
    held: int
    complete: bool
    private: bool
    when: float


class StoreRow(TypedDict):
    """Bytes in the store and the limit set for them (0: none)."""

    bytes: int
    quota: int


class TroubleRow(TypedDict):
    """A node of the same site that is refused: why, and how many seconds its clock is ahead of ours."""

    node: str
    cause: str
    ahead: int


class SiteRow(TypedDict):
    """This node's site as it runs: times are unix, `members` those it has links with, `share_private` whether
    it shares private models with those that do the same."""

    site: str
    name: str
    rights: str
    issued: int
    expires: int
    serve_open: bool
    share_private: bool
    members: int
    troubles: list[TroubleRow]


class Status(TypedDict):
    """What `swarm status --json` prints. `uptime` is seconds; `listen` and `address` are host:port; `site` is
    None for a node of no site."""

    node: str
    version: str
    uptime: float
    listen: list[str]
    peers: list[PeerRow]
    snapshots: list[ModelRow]
    store: StoreRow
    site: SiteRow | None


class SourceRow(TypedDict):
    """Bytes that came from one source."""

    kind: str
    name: str
    bytes: int


class FileOrigin(TypedDict):
    """Where the bytes of one file came from."""

    path: str
    bytes: int
    sources: list[SourceRow]


class IncidentRow(TypedDict):
    """Something that went wrong with a source: when (unix), who, what, and the file if it was about one."""

    when: float
    kind: str
    name: str
    what: str
    path: str | None


class WhyReport(TypedDict):
    """What `swarm why --json` prints: one entry a snapshot of the repository that is held."""

    hub: str
    repo_type: str
    repo: str
    commit: str
    files: list[FileOrigin]
    sources: list[SourceRow]
    incidents: list[IncidentRow]


class Removed(TypedDict):
    """What was removed: how many snapshots, and how many bytes that freed."""

    snapshots: int
    bytes: int


Report = Callable[[Progress], None]


class NodeApi(Protocol):
    """What a node can be asked, by its own process or over the control socket. Each raises SwarmError."""

    async def get(self, request: GetRequest, report: Report) -> GetResult:
        """Carry out one order; `report` is called in the event loop, whenever something changed."""
        ...

    async def status(self) -> Status: ...

    async def peers(self) -> list[PeerRow]: ...

    async def models(self) -> list[ModelRow]: ...

    async def why(self, name: RepoName) -> list[WhyReport]:
        """NotFound when nothing of the repository is held."""
        ...

    async def remove(self, name: RepoName) -> Removed:
        """NotFound when nothing of the repository is held."""
        ...

    async def add_roots(self, roots: Roots) -> None:
        """Remember that these links lead into the store (`Store.add_root`)."""
        ...
