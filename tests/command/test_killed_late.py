"""kill -9 when everything has arrived: while it is hashed, entered, linked and named.

The moments are drawn from a seed. After each the cache has to be what clients may trust: whatever a name
leads to is right, and a revision is named only once all of it is there.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.command.hubs import REPO, CommandHub, size_of
from tests.command.machine import Machine, contents, named_by_content

SMALL_FILES = 60

LATEST = 0.6
"""Seconds after the last byte left the hub, by when a get is usually done."""


@pytest.fixture
def files() -> dict[str, bytes]:
    dice = random.Random(5)
    small = {f"tokens/{number:03}.txt": dice.randbytes(dice.randrange(2000)) for number in range(SMALL_FILES)}
    return small | {"weights.safetensors": dice.randbytes(4_000_000)}


def check_view(machine: Machine, files: dict[str, bytes]) -> None:
    for blob in machine.cache.glob("*/blobs/*"):
        assert named_by_content(blob), blob
    shown: dict[str, bytes] = {}
    for folder in machine.cache.glob("*/snapshots/*"):
        assert all(path.exists() for path in folder.rglob("*")), "a link that leads nowhere"
        shown = contents(folder)
    assert shown.items() <= files.items()
    if list(machine.cache.glob("*/refs/*")):
        assert shown == files


def check_store(machine: Machine) -> None:
    stored = [path for path in (machine.home / "store" / "blobs").rglob("*") if path.is_file()]
    assert all(named_by_content(path) for path in stored)


@pytest.mark.parametrize("seed", range(2))
def test_killed_when_all_had_come(
    machine: Machine, hub: CommandHub, files: dict[str, bytes], seed: int
) -> None:
    dice = random.Random(seed)
    for _ in range(4):
        with machine.start("get", REPO, "--quiet") as process:
            hub.wait_sent(size_of(files))
            time.sleep(dice.uniform(0, LATEST))
            process.kill()
            process.wait()
        check_view(machine, files)
        check_store(machine)
    assert contents(machine.swarm("get", REPO).folder) == files
    check_view(machine, files)
    assert hub.total <= size_of(files) + 4 * hub.in_flight()


def test_what_killed_gets_leave_is_cleared_away(
    machine: Machine, hub: CommandHub, files: dict[str, bytes], tmp_path: Path
) -> None:
    """Once a get has ended well nothing partial is left in the store."""
    hub.faults.rate = 4e6
    with machine.start("get", REPO, "--quiet") as process:
        hub.wait_sent(2_000_000)
        process.kill()
        process.wait()
    assert list((machine.home / "store" / "partial").iterdir())
    assert contents(machine.swarm("get", REPO).folder) == files
    assert not list((machine.home / "store" / "partial").iterdir())
