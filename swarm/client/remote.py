"""A node in another process of this machine, asked over its control socket.

`RemoteNode` is a `NodeApi` like the node itself, so that whoever asks need not know which of the two
it is. Each call is a connection of its own; cancelling it hangs up, which cancels it over there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeVar, cast

import trio

from swarm.errors import StoreError, SwarmError
from swarm.node import callers, wire
from swarm.node.api import ModelRow, PeerRow, Removed, Report, Status, WhyReport
from swarm.node.socketfile import socket_place
from swarm.transfer.requests import GetRequest, GetResult, Progress, RepoName, Roots

SILENCE_SECONDS: Final = 30.0
"""A node says every few seconds that it is alive; one silent for this long is stuck or stopped."""

READ_BYTES: Final = 1 << 18
"""Bytes read at once."""

T = TypeVar("T")


class NoNode(Exception):
    """No process serves this socket: none runs, or it was killed and left the file behind."""


class NodeGone(Exception):
    """The node stopped before it had answered. What it verified stays in the store; ask again."""


class RemoteNode:
    """The node that serves the control socket `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def probe(self) -> None:
        """Raise NoNode unless someone listens."""
        await (await self._dial()).aclose()

    async def get(self, request: GetRequest, report: Report) -> GetResult:
        return _understood(GetResult, await self._call("get", wire.plain(request), report))

    async def status(self) -> Status:
        return cast(Status, await self._call("status"))

    async def peers(self) -> list[PeerRow]:
        return cast(list[PeerRow], await self._call("peers"))

    async def models(self) -> list[ModelRow]:
        return cast(list[ModelRow], await self._call("models"))

    async def why(self, name: RepoName) -> list[WhyReport]:
        return cast(list[WhyReport], await self._call("why", wire.plain(name)))

    async def remove(self, name: RepoName) -> Removed:
        return cast(Removed, await self._call("remove", wire.plain(name)))

    async def add_roots(self, roots: Roots) -> None:
        await self._call("add_roots", wire.plain(roots))

    async def _dial(self) -> trio.abc.Stream:
        try:
            stream = await trio.open_unix_socket(str(socket_place(self._path)))
            owner = self._path.parent.stat().st_uid
        except PermissionError:
            raise StoreError(
                f"The node in {self._path.parent} belongs to another user.",
                "Set SWARM_HOME to a folder of your own.",
            ) from None
        except OSError as error:
            raise NoNode(str(error)) from None
        served_by = callers.caller_of(stream.socket)  # type: ignore[arg-type]  # trio's has `getsockopt`, too
        if served_by is not None and not callers.may_serve(served_by, owner):
            await stream.aclose()
            raise StoreError(
                f"What answers in {self._path.parent} is not its owner's node, but user {served_by.uid}'s.",
                "Tell the owner, who should look at the rights of that folder, or set SWARM_HOME.",
            )
        return stream

    async def _call(
        self, name: str, parameters: dict[str, Any] | None = None, report: Report | None = None
    ) -> Any:
        """The result of one call. Raises what the node raised, NoNode or NodeGone."""
        async with await self._dial() as stream:
            try:
                await stream.send_all(wire.encode({"call": name} | (parameters or {})))
                return await result_of(stream, report)
            except wire.BadLine as error:
                raise _other_version(error) from None
            except trio.BrokenResourceError:
                raise NodeGone from None


async def result_of(stream: trio.abc.Stream, report: Report | None) -> Any:
    """What the node answers last, passing on what it says before that."""
    lines = wire.Lines(wire.MAX_ANSWER)
    while data := await _read(stream):
        for line in lines.feed(data):
            match wire.decode(line):
                case {"event": event} if report is not None:
                    report(wire.build(Progress, event))
                case {"result": result}:
                    return result
                case {"error": told}:
                    raise wire.told_error(told)
    raise NodeGone


async def _read(stream: trio.abc.Stream) -> bytes:
    with trio.move_on_after(SILENCE_SECONDS):
        return bytes(await stream.receive_some(READ_BYTES))
    raise SwarmError("The node does not answer.", "Stop the daemon and start it again.")


def _understood(cls: type[T], value: object) -> T:
    try:
        return wire.build(cls, value)
    except wire.BadLine as error:
        raise _other_version(error) from None


def _other_version(error: wire.BadLine) -> SwarmError:
    return SwarmError(
        f"The daemon's answer makes no sense to this version of swarm: {error}.",
        "If lanswarm was upgraded while the daemon ran, restart the daemon.",
    )
