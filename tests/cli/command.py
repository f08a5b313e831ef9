"""Running the command in this process, with a fake node in place of a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from swarm.cli import main
from swarm.client import embedded
from swarm.config.settings import Settings
from swarm.node.api import NodeApi
from tests.node.fakes import FakeNode


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, stdout and stderr."""

    code: int
    out: str
    err: str


class Command:
    """`command("get", …)` runs it; `.node` is who it asks."""

    def __init__(self, home: Path, read: Callable[[], tuple[str, str]]) -> None:
        self.home = home
        self.node = FakeNode()
        self.embedded: list[Settings] = []
        self._read = read

    def __call__(self, *words: str) -> Ran:
        code = main(words)
        return Ran(code, *self._read())

    @asynccontextmanager
    async def embed(self, settings: Settings) -> AsyncIterator[NodeApi]:
        self.embedded.append(settings)
        yield self.node


def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """A command in a world of its own under `tmp_path`."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "LC_ALL", "SWARM_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def read() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    command = Command(tmp_path / "home", read)
    monkeypatch.setattr(embedded, "run_here", command.embed)
    return command


def environment(tmp_path: Path) -> dict[str, str]:
    """Variables that keep a command out of the user's own folders."""
    return {
        "SWARM_HOME": str(tmp_path / "home"),
        "HF_HOME": str(tmp_path / "hf"),
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
    }
