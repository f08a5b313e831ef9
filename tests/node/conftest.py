"""Tests of whole nodes run alike each time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio._core._run as scheduling

from swarm.transfer import examiner
from tests.node.lan import Hub, lan
from tests.node.site_lan import CONTENT, SiteLan


@pytest.fixture(autouse=True)
def _same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trio shuffles tasks that are ready; from a fixed seed, and beginning from a fixed order, here."""
    monkeypatch.setattr(scheduling, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    scheduling._r.seed(1)
    monkeypatch.setattr(examiner, "_DICE", random.Random(1))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SiteLan]:
    """An empty LAN, in front of a hub, of machines that may belong to sites."""
    async with lan(tmp_path / "stores", CONTENT, Hub(CONTENT)) as made:
        yield SiteLan(made, tmp_path / "homes")
