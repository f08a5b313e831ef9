"""A user's machine: the installed `swarm` with a home and a Hugging Face cache of its own.

`Machine.get("org/name")` is `swarm get org/name --json`, in a process, as a user has it. Nothing of the
environment of who runs the tests gets in.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests import software
from tests.hub.faults import FaultyHub

NOWHERE: Final = "http://127.0.0.1:9"
"""An endpoint where nobody answers (port of the discard service)."""


def command() -> list[str]:
    """The `swarm` that was installed beside this Python, else the one of this folder."""
    beside = Path(sys.executable).with_name("swarm")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "swarm"]


@dataclass
class Machine:
    """`folder` holds everything it has. `own` are further variables of its environment."""

    folder: Path
    endpoint: str = NOWHERE
    own: dict[str, object] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def environ(self) -> dict[str, str]:
        """Of `swarm`; of a real client, too, which reads the same variables."""
        ours = {
            "HOME": self.folder,
            "SWARM_HOME": self.home,
            "SWARM_MDNS": 0,
            "SWARM_LISTEN": "127.0.0.1:0",
            "SWARM_GATEWAY": "off",
            "HF_HOME": self.folder / "hf",
            "HF_HUB_CACHE": self.cache,
            "HF_ENDPOINT": self.endpoint,
        }
        return software.environment(**{**ours, **self.own})

    def swarm(self, *words: str) -> Any:
        """What a command prints with --json; one that fails fails the test."""
        done = software.finished([*command(), *words, "--json"], self.environ)
        return json.loads(done.stdout)

    def get(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.swarm("get", *words)
        return answer

    @contextmanager
    def daemon(self) -> Iterator[dict[str, Any]]:
        """`swarm daemon` while the block runs; its status when it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command(), "daemon", "--json"],
                env=self.environ,
                cwd=software.ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said, (self.folder / "log").read_text()
            yield json.loads(said)
            process.send_signal(signal.SIGTERM)
            assert process.wait(software.PROGRAM_SECONDS) == 0, (self.folder / "log").read_text()
        finally:
            process.kill()
            process.communicate()

    def client(self, name: str, script: str, *arguments: object, **own: object) -> Any:
        """What a script prints under a real huggingface_hub that has this machine's cache."""
        return software.Client(name).run(script, *arguments, **{**self.environ, **own})


def contents(folder: str | os.PathLike[str]) -> dict[str, bytes]:
    """The files of a snapshot by their path in it."""
    root = Path(folder)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def bytes_by(answer: dict[str, Any]) -> dict[str, int]:
    """How many bytes came from each kind of source, as `swarm get --json` tells it."""
    had: dict[str, int] = {}
    for source in answer["sources"]:
        had[source["kind"]] = had.get(source["kind"], 0) + source["bytes"]
    return had


def content_gets(hub: FaultyHub, since: int = 0) -> list[str]:
    """The requests for files' content a hub had, without the `since` first requests of any kind."""
    return [
        request.target
        for host, request in hub.requests[since:]
        if request.method == "GET" and (host == "cdn" or "/resolve" in request.path)
    ]
