"""Nodes for `swarm demo`: daemons of their own, with homes of their own, on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

import swarm
from swarm.errors import SwarmError

START_SECONDS: Final = 30.0
"""A node is up within one or two; a slow disk may take its time."""

MAX_LAST_WORDS: Final = 2000
"""Characters of a log that are shown when its node stops."""

OURS: Final = ("SWARM_", "HF_", "HUGGING_FACE_", "TRANSFORMERS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Variables, by how they begin, that would take a node of the demo out of its little world."""


@dataclass(frozen=True, slots=True)
class DemoNode:
    """One node: its folder, and what its environment is. `peers` are addresses of nodes started before it."""

    folder: Path
    hub: str
    peers: Sequence[str]

    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(OURS)}
        return kept | {
            "SWARM_HOME": str(self.folder / "home"),
            "SWARM_LISTEN": "127.0.0.1:0",
            "SWARM_GATEWAY": "off",
            "SWARM_MDNS": "off",
            "SWARM_PEERS": ",".join(self.peers),
            "HF_ENDPOINT": self.hub,
            "HF_HOME": str(self.folder / "hf"),
            "PYTHONPATH": str(Path(swarm.__file__).parent.parent),
        }

    async def serve(self, *, task_status: trio.TaskStatus[str]) -> None:
        """Run the daemon until cancelled; it is started with its address. SwarmError when it stops."""
        with self._log.open("wb") as log:
            run = partial(
                trio.run_process,
                command("daemon", "--json", "--quiet"),
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environ(),
                check=False,
            )
            async with trio.open_nursery() as nursery:
                process: trio.Process = await nursery.start(run)
                task_status.started(await self._address(process))
                await process.wait()
                raise SwarmError(f"A node of the demo stopped. {self._last_words()}")

    async def get(self, repo: str) -> dict[str, Any]:
        """What `swarm get --json` says of the repository on this node. SwarmError when it fails."""
        done = await trio.run_process(
            command("get", repo, "--json", "--quiet"),
            capture_stdout=True,
            capture_stderr=True,
            env=self.environ(),
            check=False,
        )
        if done.returncode:
            raise SwarmError(f"A node of the demo failed. {done.stderr.decode(errors='replace').strip()}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    async def _address(self, process: trio.Process) -> str:
        """Where the daemon listens, as it says when it is ready."""
        assert process.stdout is not None
        said = b""
        with trio.move_on_after(START_SECONDS):
            while not said.endswith(b"\n") and (data := await process.stdout.receive_some()):
                said += data
        if not said.endswith(b"\n"):
            raise SwarmError(f"A node of the demo did not start. {self._last_words()}")
        address: str = json.loads(said)["listen"][0]
        return address

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace").strip()[-MAX_LAST_WORDS:]


def command(*words: str) -> list[str]:
    """This very swarm as a process: not whatever else is called so in the folder it runs in (-P)."""
    return [sys.executable, "-P", "-m", "swarm", *words]
