"""Software that others wrote, for the tests that drive it; the one place that knows where it is.

`.ci/real-software DIR` installs it, DIR being what LANSWARM_REAL names (`.ci/real` of this repository by
default): releases of huggingface_hub in a virtual environment each, an Olah, and the files of a small model.
A test that asks for what is not there is skipped, with the command that brings it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parent.parent
"""Of this repository."""

HERE: Final = Path(os.environ.get("LANSWARM_REAL") or ROOT / ".ci/real").absolute()

CLIENTS: Final = {"hf036": "0.36.2", "hf1": "1.33.0", "hf2": "2.4.0"}
"""Generations of huggingface_hub, by folder; `hf1` has transformers and safetensors, too."""

PROGRAM_SECONDS: Final = 90
"""A program of others that takes longer hangs: the slowest, importing transformers, takes ten."""

OURS: Final = ("SWARM_", "HF_", "HUGGING_FACE_", "HUGGINGFACE_", "TRANSFORMERS_", "PYTHON")
"""Variables, by how they begin, that a program under test must not take over from who runs the tests."""


def installed(name: str) -> Path:
    """The folder of a piece of software; skips the test when `.ci/real-software` has not put it there."""
    folder = HERE / name
    if not (folder / ".done").exists():
        pytest.skip(f"no {name} in {HERE}: bash .ci/real-software {HERE}")
    return folder


def tool(name: str) -> Path:
    """A program of the system; skips the test when there is none."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"no {name} on this machine: install the package of that name")
    return Path(found)


def model() -> dict[str, Path]:
    """The files of sentence-transformers/all-MiniLM-L6-v2 by their path in the repository."""
    folder = installed("model")
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    del files[".done"]
    return dict(sorted(files.items()))


def environment(**own: object) -> dict[str, str]:
    """Variables for a program: those of this process without `OURS`, loopback past any proxy, and `own`."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(OURS)}
    told = {name: str(value) for name, value in own.items()}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"} | told


@dataclass(frozen=True)
class Client:
    """One release of huggingface_hub, by the name of its folder."""

    name: str

    def run(self, script: str, *arguments: object, **own: object) -> Any:
        """What a script prints last, as JSON. Its arguments are sys.argv[1:], `own` its environment."""
        done = self._call("python", "-c", script, *arguments, **own)
        return json.loads(done.stdout.splitlines()[-1])

    def hf(self, *words: str, **own: object) -> str:
        """What the `hf` command prints; a failed one fails the test."""
        return self._call("hf", *words, **own).stdout

    def _call(self, program: str, *arguments: object, **own: object) -> subprocess.CompletedProcess[str]:
        quiet = {"HF_HUB_DISABLE_UPDATE_CHECK": 1, "HF_HUB_DISABLE_TELEMETRY": 1}
        command = [installed(self.name) / "bin" / program, *map(str, arguments)]
        return finished(command, environment(**quiet | own))


def finished(command: list[Any], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A command that has to succeed; the test fails with its stderr when it does not."""
    done = subprocess.run(
        command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-1000:]}{done.stderr[-3000:]}"
    return done
