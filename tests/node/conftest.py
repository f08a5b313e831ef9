"""Tests of whole nodes run alike each time."""

from __future__ import annotations

import random

import pytest
import trio._core._run as scheduling

from swarm.transfer import examiner


@pytest.fixture(autouse=True)
def _same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trio shuffles tasks that are ready; from a fixed seed, and beginning from a fixed order, here."""
    monkeypatch.setattr(scheduling, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    scheduling._r.seed(1)
    monkeypatch.setattr(examiner, "_DICE", random.Random(1))
