"""Stopped at any moment, by the user or by kill -9: what was verified stays, nothing wrong is ever seen."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from protocol.limits import MIB
from tests.command.hubs import REPO, CommandHub, model, size_of
from tests.command.machine import Machine, contents, finished, named_by_content

SIZE = 12 * MIB
RATE = 8e6
"""Bytes a second of each connection, so that a kill meets a transfer under way."""


@pytest.fixture
def files() -> dict[str, bytes]:
    return model(SIZE)


def check_cache(machine: Machine) -> None:
    """Whatever is in the cache under the name of a content is that content."""
    for blob in machine.cache.glob("*/blobs/*"):
        assert named_by_content(blob), blob


def test_interrupted_in_the_middle(machine: Machine, hub: CommandHub, files: dict[str, bytes]) -> None:
    hub.faults.rate = RATE
    with machine.start("get", REPO) as process:
        hub.wait_sent(SIZE // 3)
        process.send_signal(signal.SIGINT)
        done = finished(process)
    assert (done.code, done.out) == (130, "")
    assert "what was verified stays" in done.err
    sent, hub.faults.rate = hub.total, 0.0
    again = machine.swarm("get", REPO, "--json").json
    assert contents(Path(again["snapshot"])) == files
    verified = sum(row["bytes"] for row in again["sources"] if row["kind"] == "local")
    assert verified > 0
    assert hub.total - sent == size_of(files) - verified, "what was verified is fetched again"
    assert hub.total <= size_of(files) + hub.in_flight()


@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again(
    machine: Machine, hub: CommandHub, files: dict[str, bytes], seed: int
) -> None:
    """Each kill costs at most what was in flight; the last run gets the rest."""
    hub.faults.rate = RATE
    kills, dice = 0, random.Random(seed)
    for _ in range(4):
        with machine.start("get", REPO, "--quiet") as process:
            hub.wait_sent(min(hub.total + dice.randrange(SIZE // 3), size_of(files) - 1))
            process.kill()
            process.wait()
            kills += 1
        check_cache(machine)
    done = machine.swarm("get", REPO)
    assert contents(done.folder) == files
    check_cache(machine)
    assert hub.total <= size_of(files) + kills * hub.in_flight()


def test_a_daemon_killed_under_a_get(machine: Machine, hub: CommandHub, files: dict[str, bytes]) -> None:
    """The get goes on by itself, with what the daemon had verified."""
    hub.faults.rate = RATE
    with machine.daemon() as daemon, machine.start("get", REPO) as process:
        hub.wait_sent(SIZE // 3)
        daemon.kill()
        done = finished(process)
    assert contents(done.folder) == files
    assert hub.total <= size_of(files) + hub.in_flight()
    check_cache(machine)


def test_the_rest_of_a_file_comes_from_a_peer_after_a_kill(
    machine: Machine, hub: CommandHub, files: dict[str, bytes], tmp_path: Path
) -> None:
    """What verifies on disk is kept even when the rest comes from somebody else."""
    hub.faults.rate = RATE
    with machine.start("get", REPO) as process:
        hub.wait_sent(SIZE // 2)
        process.kill()
        process.wait()
    hub.faults.rate = 0.0
    neighbour = Machine(tmp_path / "neighbour", hub.url)
    neighbour.swarm("get", REPO)
    sent = hub.total
    with neighbour.daemon() as daemon:
        machine.extra["SWARM_PEERS"] = daemon.address
        account = machine.swarm("get", REPO, "--json").json
    assert contents(Path(account["snapshot"])) == files
    assert hub.total == sent
    came = {row["kind"]: row["bytes"] for row in account["sources"]}
    assert came["local"] > SIZE // 4
    assert came["peer"] == size_of(files) - came["local"]
