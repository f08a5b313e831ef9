"""For all tests: deterministic hypothesis, and skips that CI does not let pass."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("lanswarm", deadline=None, derandomize=True)
settings.load_profile("lanswarm")

NO_SKIPS = bool(os.environ.get("LANSWARM_NO_SKIPS"))
"""Set in CI, which installs whatever a test can ask for: there, what is skipped is a failure."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report
