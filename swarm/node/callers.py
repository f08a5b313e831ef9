"""Who is at the other end of the control socket, and what of the node he may see. The kernel says who it is.

The node's own user and root may do everything. Members of the socket's group use the node as well: they fetch
with their own tokens, make their views with their own rights, are told nothing of private repositories, which
may be their colleagues', and remove nothing, as others may use it (`Guest`). Nobody else is heard.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from swarm.errors import NotAllowed, NotFound

if TYPE_CHECKING:
    from swarm.node.api import ModelRow, NodeApi, PeerRow, Removed, Report, Status, WhyReport
    from swarm.transfer.requests import GetRequest, GetResult, RepoName, Roots

LOCAL_PEERCRED: Final = 1
"""Option of level 0 that gives a `struct xucred` (unix(4) of macOS and the BSDs)."""

UCRED: Final = struct.Struct("iII")
"""`struct ucred` of unix(7): pid, uid, gid."""

XUCRED: Final = struct.Struct("=IIhxx16I")
"""`struct xucred`: version, uid, number of groups, groups."""

GroupsOf = Callable[[int, int], Sequence[int]]


class Caller(NamedTuple):
    """A process on this machine."""

    uid: int
    gid: int

    @property
    def is_owner(self) -> bool:
        return self.uid in (0, os.geteuid())


def caller_of(connection: socket.socket) -> Caller | None:
    """The process at the other end; None where the kernel does not tell."""
    if sys.platform == "linux":
        _, uid, gid = UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
        return Caller(uid, gid)
    try:
        told = connection.getsockopt(0, LOCAL_PEERCRED, XUCRED.size)
        _, uid, _, gid, *_ = XUCRED.unpack(told)
    except (OSError, struct.error):
        return None
    return Caller(uid, gid)


def groups_of(uid: int, gid: int) -> Sequence[int]:
    """All groups of a user."""
    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return [gid]


def may_call(caller: Caller, group: int, groups_of: GroupsOf = groups_of) -> bool:
    """Whether a process may ask: the node's user's, root's, or that of a member of the socket's group."""
    return caller.is_owner or caller.gid == group or group in groups_of(caller.uid, caller.gid)


def may_serve(caller: Caller, owner: int) -> bool:
    """Whether a process may be the node of a home with this owner: others are told no token."""
    return caller.is_owner or caller.uid == owner


class Guest:
    """A node as members of its group see it: without what it holds of private repositories, and with
    endpoints of theirs believed in what concerns themselves only (`swarm.node.access`)."""

    def __init__(self, api: NodeApi) -> None:
        self._api = api

    async def get(self, request: GetRequest, report: Report) -> GetResult:
        return await self._api.get(request._replace(guest=True), report)

    async def status(self) -> Status:
        status = await self._api.status()
        return {**status, "snapshots": _without_private(status["snapshots"])}

    async def peers(self) -> list[PeerRow]:
        return await self._api.peers()

    async def models(self) -> list[ModelRow]:
        return _without_private(await self._api.models())

    async def why(self, name: RepoName) -> list[WhyReport]:
        await self._check(name)
        return await self._api.why(name)

    async def remove(self, name: RepoName) -> Removed:
        raise NotAllowed(
            "This node is another user's: only that user and root remove what it holds.",
            "Ask them, or set SWARM_HOME to a folder of your own.",
        )

    async def add_roots(self, roots: Roots) -> None:
        await self._api.add_roots(roots)

    async def _check(self, name: RepoName) -> None:
        """NotFound for what is held of a private repository, as for what is not held at all."""
        wanted = (name.hub, name.repo_type, name.repo)
        seen = {(row["hub"], row["repo_type"], row["repo"]) for row in await self.models()}
        if wanted not in seen:
            raise NotFound(f"Nothing of {name.repo} is held here.", "`swarm models` lists what is.")


def _without_private(rows: list[ModelRow]) -> list[ModelRow]:
    return [row for row in rows if not row["private"]]
