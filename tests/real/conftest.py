"""Machines for tests, whose folders go when the test, or the module, is over: they hold whole models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.real.machine import NOWHERE, Machine

MakeMachine = Callable[..., Machine]


@pytest.fixture(scope="module")
def make_machine() -> Iterator[MakeMachine]:
    """A function of the endpoint and further variables."""
    with TemporaryDirectory(prefix="lanswarm-") as folder:
        made: list[Machine] = []

        def make(endpoint: str = NOWHERE, **own: object) -> Machine:
            extra = {name: str(value) for name, value in own.items()}
            made.append(Machine(Path(folder) / str(len(made)), endpoint, extra))
            return made[-1]

        yield make


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that goes with the test."""
    with TemporaryDirectory(prefix="lanswarm-") as folder:
        yield Path(folder)
