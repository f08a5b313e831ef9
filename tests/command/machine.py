"""A machine as the installed command sees it: a home, a cache and an environment of its own.

`Machine.swarm("get", …)` runs the executable that was installed beside the interpreter of the tests, and
returns what it left; `start` and `daemon` leave it running. Where nothing is installed (a checkout with its
dependencies) the same command is run as a module.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any, Final

from swarm.cli.demo_nodes import OURS

SECONDS: Final = 60.0
"""No command of these tests takes a tenth of it; one that hangs fails its test."""

ROOT: Final = Path(__file__).parents[2]

JSON = dict[str, Any]


def executable() -> list[str]:
    """The installed command, else this checkout's."""
    installed = Path(sys.executable).with_name("swarm")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "swarm"]


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> JSON:
        """The one object on stdout."""
        value: JSON = json.loads(self.out)
        return value

    @property
    def folder(self) -> Path:
        """The folder that `swarm get` printed, alone and on one line."""
        assert self.code == 0, self.err
        assert self.out.count("\n") == 1, self.out
        return Path(self.out.removesuffix("\n"))


@dataclass
class Daemon:
    """A running `swarm daemon` and where peers reach it."""

    process: subprocess.Popen[str]
    status: JSON

    @property
    def address(self) -> str:
        address: str = self.status["listen"][0]
        return address

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS)


@dataclass
class Machine:
    """One machine below `folder`, that asks the hub at `hub`. `extra` is added to its environment."""

    folder: Path
    hub: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    """Words before every command: what puts it into a namespace."""
    program: Sequence[str] = field(default_factory=executable)
    """What is run as `swarm`."""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def cache(self) -> Path:
        return self.folder / "hf" / "hub"

    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(OURS)}
        own = {
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT) if len(self.program) > 1 else "",
            "SWARM_HOME": str(self.home),
            "SWARM_LISTEN": "127.0.0.1:0",
            "SWARM_GATEWAY": "off",
            "SWARM_MDNS": "0",
            "SWARM_SETTLE": "0.1s",
            "HF_HOME": str(self.folder / "hf"),
            "HF_HUB_CACHE": str(self.cache),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        }
        return kept | own | ({"HF_ENDPOINT": self.hub} if self.hub else {}) | self.extra

    def swarm(self, *words: str) -> Ran:
        """Run a command to its end."""
        return self.run([*self.program, *words])

    def run(self, words: Sequence[str | Path], **environ: str) -> Ran:
        """Run any program in this machine's environment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [*self.prefix, *words],
            capture_output=True,
            text=True,
            env=self.environ() | environ,
            cwd=self.folder,
            timeout=SECONDS,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command while it runs; killed at the end if it still does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with subprocess.Popen(
            [*self.prefix, *self.program, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environ(),
            cwd=self.folder,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def daemon(self, *words: str) -> Iterator[Daemon]:
        """A daemon that is ready, and is stopped in order at the end unless it was killed before."""
        with self.start("daemon", "--json", *words) as process:
            assert process.stdout is not None
            told = process.stdout.readline()
            assert told, process.communicate(timeout=SECONDS)[1]
            yield Daemon(process, json.loads(told))
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(SECONDS) == 0


def finished(process: subprocess.Popen[str]) -> Ran:
    """What a started command left, once it ends."""
    out, err = process.communicate(timeout=SECONDS)
    return Ran(process.returncode, out, err)


def contents(folder: str | os.PathLike[str]) -> dict[str, bytes]:
    """Every file below a folder by its path in it, links followed."""
    root = Path(folder)
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def named_by_content(path: Path) -> bool:
    """Whether a file is called by the SHA-256 or the git blob id of what is in it."""
    data = path.read_bytes()
    git = sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    return path.name in (sha256(data).hexdigest(), git)
