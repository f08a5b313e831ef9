"""A daemon, and the commands that ask it: what they print is the result alone, and what scripts rely on."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from protocol.limits import MIB
from swarm import __version__
from swarm.cli.demo_repo import Repository
from tests.command.hubs import REPO, CommandHub, model, size_of
from tests.command.machine import JSON, Daemon, Machine, contents, finished

RATE = 4e6
"""Bytes a second of each connection, where something has to happen while a get runs."""


@pytest.fixture
def daemon(machine: Machine) -> Iterator[Daemon]:
    with machine.daemon() as running:
        yield running


@pytest.fixture
def neighbour(tmp_path: Path, hub: CommandHub, daemon: Daemon) -> Iterator[Machine]:
    """Another machine, whose daemon was told of the first."""
    other = Machine(tmp_path / "neighbour", hub.url, {"SWARM_PEERS": daemon.address})
    with other.daemon():
        yield other


def ask(machine: Machine, *words: str) -> JSON:
    """The one object that a command prints with --json; nothing is said beside it."""
    done = machine.swarm(*words, "--json")
    assert (done.code, done.err) == (0, "")
    return done.json


def rows(machine: Machine, *words: str) -> list[JSON]:
    """The same for a command that prints a list."""
    done = machine.swarm(*words, "--json")
    assert (done.code, done.err) == (0, "")
    found: list[JSON] = json.loads(done.out)
    return found


# --- stdout is the result alone ---


def test_get_prints_the_folder_and_nothing_else(machine: Machine, files: dict[str, bytes]) -> None:
    done = machine.swarm("get", REPO, "--quiet")
    assert done.err == ""
    assert contents(done.folder) == files


def test_get_json_ends_with_one_object(machine: Machine, hub: CommandHub, files: dict[str, bytes]) -> None:
    done = machine.swarm("get", REPO, "--json", "--quiet")
    assert done.err == ""
    answer = done.json
    assert contents(Path(answer.pop("snapshot"))) == files
    assert answer.pop("seconds") > 0
    assert len(answer.pop("commit")) == 40
    assert answer.pop("sources") == [{"kind": "upstream", "name": hub.url, "bytes": size_of(files)}]
    assert answer == {
        "hub": "hf",
        "repo_type": "model",
        "repo": REPO,
        "files": len(files),
        "bytes": size_of(files),
        "verified": "publisher",
        "links": {"hardlink": len(files)},
    }


@pytest.mark.parametrize("words", [("status",), ("peers",), ("models",), ("why", REPO)], ids=" ".join)
def test_what_people_read_goes_to_stdout(machine: Machine, daemon: Daemon, words: tuple[str, ...]) -> None:
    assert machine.swarm("get", REPO).code == 0
    done = machine.swarm(*words)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\n")


def test_a_quiet_daemon_says_nothing(machine: Machine) -> None:
    with machine.start("daemon", "--json", "--quiet") as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert machine.swarm("get", REPO).code == 0
        process.send_signal(signal.SIGTERM)
        done = finished(process)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert told["version"] == __version__


# --- what a daemon tells ---


def test_status(machine: Machine, daemon: Daemon, files: dict[str, bytes]) -> None:
    empty = ask(machine, "status")
    assert (empty["peers"], empty["snapshots"], empty["store"]["bytes"]) == ([], [], 0)
    machine.swarm("get", REPO)
    status = ask(machine, "status")
    assert status["node"] == daemon.status["node"]
    assert status["version"] == __version__
    assert status["listen"] == [daemon.address]
    assert status["uptime"] > empty["uptime"]
    assert status["store"] == {"bytes": size_of(files), "quota": 0}
    (held,) = status["snapshots"]
    assert (held["repo"], held["revisions"], held["complete"]) == (REPO, ["main"], True)
    assert held["held"] == held["bytes"] == size_of(files)
    assert rows(machine, "models") == [held]


def test_two_daemons_share_and_account_for_it(
    machine: Machine, neighbour: Machine, daemon: Daemon, hub: CommandHub, files: dict[str, bytes]
) -> None:
    machine.swarm("get", REPO)
    answer = ask(neighbour, "get", REPO, "--quiet")
    assert contents(Path(answer["snapshot"])) == files
    assert hub.total == size_of(files)
    source = {"kind": "peer", "name": daemon.status["node"], "bytes": size_of(files)}
    assert answer["sources"] == [source]

    (here,), (there,) = rows(machine, "peers"), rows(neighbour, "peers")
    assert there["node"] == daemon.status["node"] == ask(machine, "status")["node"]
    assert (there["via"], there["address"]) == ("static", daemon.address)
    assert here["node"] == ask(neighbour, "status")["node"]
    assert there["received"] == here["sent"] >= size_of(files)

    (report,) = rows(neighbour, "why", REPO)
    assert report["incidents"] == []
    assert {file["path"]: file["bytes"] for file in report["files"]} == {
        path: len(data) for path, data in files.items()
    }
    for file in report["files"]:
        if file["bytes"]:
            assert file["sources"] == [source | {"bytes": file["bytes"]}]
    assert daemon.status["node"][:8] in neighbour.swarm("why", REPO).out


def test_with_the_hub_gone_the_neighbour_serves(
    machine: Machine, neighbour: Machine, hub: CommandHub, files: dict[str, bytes]
) -> None:
    machine.swarm("get", REPO)
    hub.stop()
    answer = ask(neighbour, "get", REPO, "--offline", "--quiet")
    assert contents(Path(answer["snapshot"])) == files
    assert {row["kind"] for row in answer["sources"]} == {"peer"}
    assert answer["verified"] == "manifest"


# --- rm ---


def test_rm(machine: Machine, daemon: Daemon, files: dict[str, bytes]) -> None:
    """The store is empty afterwards; what was linked into the cache stays whole."""
    folder = machine.swarm("get", REPO).folder
    removed = ask(machine, "rm", REPO)
    assert removed == {"hub": "hf", "repo": REPO, "snapshots": 1, "bytes": size_of(files)}
    assert contents(folder) == files
    assert rows(machine, "models") == []
    assert ask(machine, "status")["store"]["bytes"] == 0
    assert not [path for path in (machine.home / "store" / "blobs").rglob("*") if path.is_file()]
    assert machine.swarm("rm", REPO).code == 3


def test_rm_keeps_what_another_model_shares(tmp_path: Path, files: dict[str, bytes]) -> None:
    other = files | {"config.json": b"another"}
    with CommandHub(repositories=[Repository(REPO, files), Repository("ns/tuned", other)]) as hub:
        machine = Machine(tmp_path / "machine", hub.url)
        machine.swarm("get", REPO)
        machine.swarm("get", "ns/tuned")
        assert ask(machine, "rm", REPO)["bytes"] == len(files["config.json"])
        sent = hub.total
        assert contents(machine.swarm("get", "ns/tuned", "--to", str(tmp_path / "plain")).folder) == other
        assert hub.total == sent


def test_rm_while_it_is_fetched(
    machine: Machine, daemon: Daemon, hub: CommandHub, files: dict[str, bytes]
) -> None:
    """Refused, and the get is none the worse."""
    hub.faults.stall_after = 300_000
    with machine.start("get", REPO, "--quiet") as process:
        hub.wait_sent(300_000)
        refused = machine.swarm("rm", REPO)
        hub.faults.stall_after = -1
        assert (refused.code, refused.out) == (1, "")
        assert "being fetched" in refused.err
        process.send_signal(signal.SIGINT)
        assert finished(process).code == 130
    assert contents(machine.swarm("get", REPO).folder) == files


# --- several at once, and processes that end ---


def test_several_gets_without_a_daemon(machine: Machine, hub: CommandHub, files: dict[str, bytes]) -> None:
    """One becomes the node, the others are its clients, and go on when it ends."""
    hub.faults.rate = RATE
    with ExitStack() as stack:
        gets = [stack.enter_context(machine.start("get", REPO, "--quiet")) for _ in range(3)]
        done = [finished(process) for process in gets]
    assert [(one.code, one.err) for one in done] == [(0, "")] * 3
    assert {one.folder for one in done} == {done[0].folder}
    assert contents(done[0].folder) == files
    assert hub.total == size_of(files)


def test_a_daemon_that_is_stopped_under_a_get(
    machine: Machine, hub: CommandHub, files: dict[str, bytes]
) -> None:
    """The get goes on by itself, and nothing that was verified is fetched again."""
    hub.faults.rate = RATE
    with machine.daemon() as daemon, machine.start("get", REPO) as process:
        hub.wait_sent(MIB)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(60) == 0
        done = finished(process)
    assert contents(done.folder) == files
    assert hub.total <= size_of(files) + hub.in_flight()


def test_a_client_killed_under_a_daemon(
    machine: Machine, daemon: Daemon, hub: CommandHub, files: dict[str, bytes]
) -> None:
    """The daemon stops fetching for it, keeps what came, and serves the next one."""
    hub.faults.rate = RATE
    with machine.start("get", REPO) as process:
        hub.wait_sent(MIB)
        process.kill()
        process.wait()
    assert contents(machine.swarm("get", REPO).folder) == files
    assert hub.total <= size_of(files) + hub.in_flight()


def test_a_home_with_a_long_name(tmp_path: Path, hub: CommandHub, files: dict[str, bytes]) -> None:
    """Longer than the address of a unix socket may be."""
    machine = Machine(tmp_path / ("long" * 40), hub.url)
    with machine.daemon() as daemon:
        assert contents(machine.swarm("get", REPO).folder) == files
        assert ask(machine, "status")["node"] == daemon.status["node"]


def test_a_second_model_of_the_same_content_costs_nothing(tmp_path: Path) -> None:
    files = model()
    with CommandHub(repositories=[Repository(REPO, files), Repository("ns/copy", files)]) as hub:
        machine = Machine(tmp_path / "machine", hub.url)
        machine.swarm("get", REPO)
        answer = ask(machine, "get", "ns/copy", "--quiet")
        assert [row["kind"] for row in answer["sources"]] == ["local"]
        assert hub.total == size_of(files)
