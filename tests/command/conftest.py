"""A hub with one model, and machines that fetch from it by the installed command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarm.cli.demo_repo import Repository
from tests.command.attacker import Victim
from tests.command.hubs import REPO, CommandHub, model
from tests.command.machine import Machine

MakeMachine = Callable[..., Machine]


@pytest.fixture
def files() -> dict[str, bytes]:
    return model()


@pytest.fixture
def hub(files: dict[str, bytes]) -> Iterator[CommandHub]:
    with CommandHub(repositories=[Repository(REPO, files)]) as hub:
        yield hub


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A daemon that has the model, for all tests of a module to attack."""
    with CommandHub(repositories=[Repository(REPO, model())]) as hub:
        machine = Machine(tmp_path_factory.mktemp("victim"), hub.url)
        with machine.daemon() as daemon:
            assert machine.swarm("get", REPO).code == 0
            yield Victim(machine, daemon)


@pytest.fixture
def machine(tmp_path: Path, hub: CommandHub) -> Machine:
    return Machine(tmp_path / "machine", hub.url)
