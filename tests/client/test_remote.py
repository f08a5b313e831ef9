"""A node in another process: over a real socket, with a server that behaves or does not."""

import os
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio

from swarm.client import remote
from swarm.client.remote import NodeGone, NoNode, RemoteNode
from swarm.errors import NotFound, StoreError, SwarmError
from swarm.node import control, socketfile, wire
from swarm.node.api import Report
from swarm.transfer.requests import GetRequest, GetResult, Progress, RepoName
from tests.node.fakes import MODEL, PROGRESS, RESULT, ROOTS, STATUS, WHY, FakeNode, never
from tests.node.test_callers import PYTHON

REQUEST = GetRequest("hf", "ns/name", token="secret")


@asynccontextmanager
async def served(node: FakeNode, path: Path) -> AsyncIterator[RemoteNode]:
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, node, path)
        yield RemoteNode(path)
        nursery.cancel_scope.cancel()


def ask_everything(there: RemoteNode, seen: list[Progress]) -> None:
    there.probe()
    assert there.get(REQUEST, seen.append) == RESULT
    assert there.status() == STATUS
    assert there.peers() == STATUS["peers"]
    assert there.models() == [MODEL]
    assert there.why(RepoName("hf", "model", "ns/name")) == [WHY]
    assert there.remove(RepoName("hf", "model", "ns/name")) == {"snapshots": 1, "bytes": 7}
    there.add_roots(ROOTS)


async def test_every_question(tmp_path: Path) -> None:
    node = FakeNode()
    seen: list[Progress] = []
    async with served(node, tmp_path / "control.sock") as there:
        await trio.to_thread.run_sync(ask_everything, there, seen)
    assert node.roots == ROOTS
    assert seen == [PROGRESS]
    assert node.requests == [REQUEST]


async def test_errors_arrive_as_they_were_raised(tmp_path: Path) -> None:
    async with served(FakeNode(), tmp_path / "control.sock") as there:
        with pytest.raises(NotFound) as caught:
            await trio.to_thread.run_sync(there.why, RepoName("hf", "model", "ns/other"))
    assert caught.value.advice == "Fetch it."


class Interrupted(BaseException):
    """What a signal handler may raise in the middle of a call."""


async def test_interrupting_a_call_cancels_it_over_there(tmp_path: Path) -> None:
    async def reports_for_ever(request: GetRequest, report: Report) -> GetResult:
        report(PROGRESS)
        return await never()

    def interrupt(progress: Progress) -> None:
        raise Interrupted

    node = FakeNode(reports_for_ever)
    async with served(node, tmp_path / "control.sock") as there:
        with pytest.raises(Interrupted):
            await trio.to_thread.run_sync(there.get, REQUEST, interrupt)
        await node.cancelled.wait()


def test_no_socket_is_no_node(tmp_path: Path) -> None:
    with pytest.raises(NoNode):
        RemoteNode(tmp_path / "control.sock").probe()


def test_what_a_killed_node_left_behind_is_no_node(tmp_path: Path) -> None:
    socketfile.bind(tmp_path / "control.sock").close()
    with pytest.raises(NoNode):
        RemoteNode(tmp_path / "control.sock").status()


async def test_a_node_in_a_home_with_a_long_path(tmp_path: Path) -> None:
    async with served(FakeNode(), tmp_path / ("x" * 120) / "control.sock") as there:
        assert await trio.to_thread.run_sync(there.status) == STATUS


SERVE = """
import os, socket, sys
os.setuid(54321)
with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(sys.argv[1])
    os.chmod(sys.argv[1], 0o666)
    listening.listen()
    print("listens", flush=True)
    connection, _ = listening.accept()
    print(connection.recv(1000))
"""
"""A program of another user, who can write in the home: it shows what it is told."""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user")
async def test_a_token_is_not_told_to_another_users_socket() -> None:
    with TemporaryDirectory(prefix="lanswarm-") as folder:
        os.chmod(folder, 0o777)
        path = Path(folder) / "control.sock"
        async with trio.open_nursery() as nursery:
            thief = await nursery.start(
                partial(trio.run_process, [PYTHON, "-c", SERVE, str(path)], stdout=subprocess.PIPE)
            )
            assert await line(thief.stdout) == b"listens\n"
            with pytest.raises(StoreError, match="but user 54321's"):
                await trio.to_thread.run_sync(RemoteNode(path).get, REQUEST, print)
            assert await line(thief.stdout) == b"b''\n"


async def line(stream: trio.abc.ReceiveStream) -> bytes:
    """What is written up to the end of a line, in however many pieces."""
    found = b""
    while not found.endswith(b"\n") and (more := await stream.receive_some()):
        found += more
    return found


Behaviour = Callable[[trio.SocketStream], Awaitable[None]]


async def asked(path: Path, behave: Behaviour) -> object:
    """What a status call makes of a server that behaves like this."""
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(socketfile.bind(path)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, behave, [listener])
        try:
            return await trio.to_thread.run_sync(RemoteNode(path).status)
        finally:
            nursery.cancel_scope.cancel()


async def hangs_up(stream: trio.SocketStream) -> None:
    async with stream:
        await stream.receive_some()
        await stream.send_all(wire.encode({"alive": True}))


async def talks_nonsense(stream: trio.SocketStream) -> None:
    async with stream:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\n")


async def test_a_node_that_stops_before_it_answered(tmp_path: Path) -> None:
    with pytest.RaisesGroup(NodeGone, flatten_subgroups=True):
        await asked(tmp_path / "control.sock", hangs_up)


async def test_a_node_of_another_version(tmp_path: Path) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(SwarmError, match="makes no sense"), flatten_subgroups=True):
        await asked(tmp_path / "control.sock", talks_nonsense)


def test_a_node_that_is_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SILENCE_SECONDS", 0.01)
    with socketfile.bind(tmp_path / "control.sock"), pytest.raises(SwarmError, match="does not answer"):
        RemoteNode(tmp_path / "control.sock").status()


def test_a_node_that_takes_no_more_calls(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socketfile.bind(path) as listening, socket.socket(socket.AF_UNIX) as first:
        listening.listen(0)
        first.connect(str(path))
        with pytest.raises(SwarmError, match="does not answer"):
            RemoteNode(path).status()
