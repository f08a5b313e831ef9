"""Three nodes with homes: the first has founded a site."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sites.people import Person


@pytest.fixture
def founder(tmp_path: Path) -> Person:
    person = Person(tmp_path, 1)
    person.create()
    return person


@pytest.fixture
def other(tmp_path: Path) -> Person:
    return Person(tmp_path, 2)


@pytest.fixture
def third(tmp_path: Path) -> Person:
    return Person(tmp_path, 3)
