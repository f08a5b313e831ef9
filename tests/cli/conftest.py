"""The command in a world of its own."""

from pathlib import Path

import pytest

from tests.cli.command import Command, make


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make(tmp_path, monkeypatch, capsys)
