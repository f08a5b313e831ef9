"""The command as a process: signals, pipes that close, and what is loaded when."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from swarm.node import control
from swarm.node.api import Report
from swarm.transfer.requests import GetRequest, GetResult
from tests.cli.command import environment
from tests.node.fakes import PROGRESS, RESULT, FakeNode, never

HEAVY = {"trio", "httpx", "rich", "zeroconf", "cryptography", "asyncio"}

UNUSED = HEAVY | {"logging", "msgpack", "ssl"}
"""What a daemon does for a command that asks it."""

SLOW = frozenset({"dataclasses", "hashlib", "blake3"})
"""What takes milliseconds to load, and is needed for the files of a `get` at the earliest."""

LOADED = """
import sys
from swarm.cli import main
try:
    main(sys.argv[2:])
except SystemExit:
    pass
print(sorted({*sys.argv[1].split()} & {*sys.modules}))
"""
"""Runs a command, and prints last which of these modules (separated by blanks) it has loaded."""

PROCESS_SECONDS = 30
"""A process of ours is done long before; if not, the test fails and does not hang."""


@asynccontextmanager
async def daemon(tmp_path: Path, node: FakeNode) -> AsyncIterator[None]:
    """A daemon of the home that `environment` names, as far as a client can tell."""
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, node, tmp_path / "home" / "control.sock")
        yield
        nursery.cancel_scope.cancel()


def words(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "swarm", *arguments]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupting_a_get(tmp_path: Path, number: signal.Signals) -> None:
    node = FakeNode(never)
    env = os.environ | environment(tmp_path)
    with trio.fail_after(PROCESS_SECONDS):
        async with daemon(tmp_path, node), trio.open_nursery() as nursery:
            run = partial(
                trio.run_process, words("get", "ns/name"), stderr=subprocess.PIPE, env=env, check=False
            )
            process: trio.Process = await nursery.start(run)
            await node.called.wait()
            process.send_signal(number)
            assert process.stderr is not None
            said = b""
            while data := await process.stderr.receive_some():
                said += data
            assert await process.wait() == 130
            await node.cancelled.wait()
    assert said.decode() == "Interrupted; what was verified stays.\n"


async def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        async with daemon(tmp_path, FakeNode()):
            with trio.fail_after(PROCESS_SECONDS):
                done = await trio.run_process(
                    words("models"),
                    stdout=writer,
                    capture_stderr=True,
                    env=os.environ | environment(tmp_path),
                    check=False,
                )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


async def test_messages_in_chinese(tmp_path: Path) -> None:
    node = FakeNode()
    node.models_held = []
    env = os.environ | environment(tmp_path) | {"LANG": "zh_CN.UTF-8", "LC_ALL": "", "PYTHONUTF8": "1"}
    async with daemon(tmp_path, node):
        with trio.fail_after(PROCESS_SECONDS):
            done = await trio.run_process(words("models"), capture_stdout=True, env=env)
    assert done.stdout.decode() == "存储是空的。\n"


@pytest.mark.parametrize("line", ["--version", "--help", "get --help", "gett", "get a/b/c"])
def test_nothing_heavy_is_loaded_before_a_command_runs(line: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, " ".join(HEAVY), *line.split()],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment(tmp_path),
        timeout=PROCESS_SECONDS,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("line", "unused"),
    [
        ("get ns/name", UNUSED),
        ("get ns/name --json --quiet", UNUSED),
        ("status", UNUSED | SLOW),
        ("models --json", UNUSED | SLOW),
    ],
)
async def test_who_asks_a_daemon_loads_no_node(line: str, unused: frozenset[str], tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    stored.write_bytes(b"12345")
    result = RESULT._replace(files=(RESULT.files[0]._replace(stored=str(stored)),))

    async def gets(request: GetRequest, report: Report) -> GetResult:
        report(PROGRESS)
        return result

    async with daemon(tmp_path, FakeNode(gets)):
        with trio.fail_after(PROCESS_SECONDS):
            done = await trio.run_process(
                [sys.executable, "-c", LOADED, " ".join(unused), *line.split()],
                capture_stdout=True,
                env=os.environ | environment(tmp_path),
            )
    *said, loaded = done.stdout.decode().splitlines()
    assert said
    assert loaded == "[]"


def without_privileges() -> list[str]:
    """What to put before a command so that file modes bind it, even for root."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root may open anything, and there is no setpriv (util-linux) to do without that")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def test_a_home_of_another_user(tmp_path: Path) -> None:
    """A socket that may not be dialled is told apart from none at all."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(home / "control.sock"))
        listening.listen()
        (home / "control.sock").chmod(0)
        done = subprocess.run(
            [*without_privileges(), *words("status")],
            capture_output=True,
            text=True,
            env=os.environ | environment(tmp_path),
            timeout=PROCESS_SECONDS,
            check=False,
        )
    assert done.returncode == 7
    assert "belongs to another user" in done.stderr


async def test_one_daemon_a_home(tmp_path: Path) -> None:
    env = os.environ | environment(tmp_path) | {"SWARM_LISTEN": "127.0.0.1:0", "SWARM_MDNS": "off"}
    with trio.fail_after(PROCESS_SECONDS):
        async with trio.open_nursery() as nursery:
            run = partial(trio.run_process, words("daemon", "--json"), stdout=subprocess.PIPE, env=env)
            first: trio.Process = await nursery.start(run)
            assert first.stdout is not None
            status = json.loads(await first.stdout.receive_some())
            second = await trio.run_process(words("daemon"), capture_stderr=True, env=env, check=False)
            asked = await trio.run_process(words("status", "--json"), capture_stdout=True, env=env)
            first.send_signal(signal.SIGTERM)
            assert await first.wait() == 0
    assert second.returncode == 7
    assert b"in use" in second.stderr
    assert json.loads(asked.stdout)["node"] == status["node"]
    assert not (tmp_path / "home" / "control.sock").exists()
