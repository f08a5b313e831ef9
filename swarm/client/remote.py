"""A node in another process of this machine, asked over its control socket.

Each call is a connection of its own and blocks until the node has answered. An interruption (whatever a
signal handler raises) hangs up, which cancels the call over there.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from swarm.errors import StoreError, SwarmError
from swarm.node import callers, wire
from swarm.node.callers import Caller
from swarm.node.socketfile import socket_place
from swarm.transfer.requests import GetRequest, GetResult, Progress, RepoName, Roots

if TYPE_CHECKING:
    from swarm.node.api import ModelRow, PeerRow, Removed, Report, Status, WhyReport

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

    def probe(self) -> None:
        """Raise NoNode unless someone listens."""
        with self._dialled():
            return

    def get(self, request: GetRequest, report: Report) -> GetResult:
        return _understood(GetResult, self._call("get", wire.plain(request), report))

    def status(self) -> Status:
        answer: Status = self._call("status")
        return answer

    def peers(self) -> list[PeerRow]:
        answer: list[PeerRow] = self._call("peers")
        return answer

    def models(self) -> list[ModelRow]:
        answer: list[ModelRow] = self._call("models")
        return answer

    def why(self, name: RepoName) -> list[WhyReport]:
        answer: list[WhyReport] = self._call("why", wire.plain(name))
        return answer

    def remove(self, name: RepoName) -> Removed:
        answer: Removed = self._call("remove", wire.plain(name))
        return answer

    def add_roots(self, roots: Roots) -> None:
        self._call("add_roots", wire.plain(roots))

    @contextmanager
    def _dialled(self) -> Iterator[socket.socket]:
        """A connection with the node of this home, and with nobody else."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SILENCE_SECONDS)
            try:
                connection.connect(str(socket_place(self._path)))
                owner = self._path.parent.stat().st_uid
            except PermissionError:
                raise StoreError(
                    f"The node in {self._path.parent} belongs to another user.",
                    "Set SWARM_HOME to a folder of your own.",
                ) from None
            except BlockingIOError:  # it listens, but takes none of those that wait
                raise _silent() from None
            except OSError as error:
                raise NoNode(str(error)) from None
            self._check_server(callers.caller_of(connection), owner)
            yield connection

    def _check_server(self, served_by: Caller | None, owner: int) -> None:
        if served_by is not None and not callers.may_serve(served_by, owner):
            raise StoreError(
                f"What answers in {self._path.parent} is not its owner's node, but user {served_by.uid}'s.",
                "Tell the owner, who should look at the rights of that folder, or set SWARM_HOME.",
            )

    def _call(self, name: str, parameters: dict[str, Any] | None = None, report: Report | None = None) -> Any:
        """The result of one call. Raises what the node raised, NoNode or NodeGone."""
        with self._dialled() as connection:
            try:
                with _its_silence():
                    connection.sendall(wire.encode({"call": name} | (parameters or {})))
                return result_of(connection, report)
            except wire.BadLine as error:
                raise _other_version(error) from None


def result_of(connection: socket.socket, report: Report | None) -> Any:
    """What the node answers last, passing on what it says before that."""
    lines = wire.Lines(wire.MAX_ANSWER)
    while data := _read(connection):
        for line in lines.feed(data):
            match wire.decode(line):
                case {"event": event} if report is not None:
                    report(wire.build(Progress, event))
                case {"result": result}:
                    return result
                case {"error": told}:
                    raise wire.told_error(told)
    raise NodeGone


def _read(connection: socket.socket) -> bytes:
    with _its_silence():
        return connection.recv(READ_BYTES)


@contextmanager
def _its_silence() -> Iterator[None]:
    """A node that is stuck, or that hangs up, while a connection waits for it."""
    try:
        yield
    except TimeoutError:
        raise _silent() from None
    except OSError:
        raise NodeGone from None


def _silent() -> SwarmError:
    return SwarmError("The node does not answer.", "Stop the daemon and start it again.")


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
