"""Fixtures that give tests a LAN, or skip them and say why there is none.

A conftest.py imports them: `from tests.lan.fixtures import make_lan`. Where a LAN has to be possible (the
project's own CI), LANSWARM_NEED_LAN=1 in the environment makes its absence a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest

from tests.lan.harness import Lan
from tests.lan.keeper import Unavailable


class MakeLan(Protocol):
    """Makes a `Lan` in a folder of the test's own."""

    def __call__(self, *, hosts: int, mbit: float | None = 200, wan_mbit: float | None = None) -> Lan: ...


@cache
def refusal() -> str:
    """Why this machine cannot make a LAN; empty when it can. Found out once, by making a small one."""
    with TemporaryDirectory() as folder:
        try:
            Lan(folder=Path(folder), hosts=1, wan_mbit=10).close()
        except Unavailable as error:
            return str(error)
    return ""


@pytest.fixture
def make_lan(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeLan]:
    """A function that makes a LAN, which lives as long as the test. What its processes said is kept with
    the test's report, for the case that it fails."""
    if reason := refusal():
        if os.environ.get("LANSWARM_NEED_LAN"):
            pytest.fail(f"no LAN of namespaces: {reason}")
        pytest.skip(f"no LAN of namespaces here: {reason}")
    lans: list[Lan] = []

    def make(*, hosts: int, mbit: float | None = 200, wan_mbit: float | None = None) -> Lan:
        lan = Lan(folder=tmp_path / f"lan{len(lans)}", hosts=hosts, mbit=mbit, wan_mbit=wan_mbit)
        lans.append(lan)
        return lan

    yield make
    for lan in lans:
        lan.close()
        request.node.add_report_section("teardown", "lan", lan.report())
