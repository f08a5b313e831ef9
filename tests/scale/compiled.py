"""A copy of the code whose scheduler mypyc has compiled: the same decisions, two to three times as fast.

The scheduler takes most of a simulation's time. mypyc comes with mypy; it needs a C compiler.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]
COMPILED: Final = (
    "swarm/scheduler",
    "protocol/bits.py",
    "swarm/exchange/candidates.py",
    "swarm/exchange/peers.py",
    "swarm/exchange/places.py",
    "swarm/exchange/hearsay.py",
    "tests/scale/lines.py",
    "tests/scale/clock.py",
)
MARK: Final = "LANSWARM_SCALE_COMPILED"


def run_compiled(module: str, arguments: Sequence[str], folder: Path) -> int:
    """Run this module of a compiled copy in `folder`; its exit code. CalledProcessError if there is none."""
    for part in ("swarm", "protocol", "tests"):
        shutil.copytree(PROJECT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "mypy.ini").write_text("[mypy]\nexplicit_package_bases = true\n", encoding="utf-8")
    sources = [
        str(path.relative_to(folder))
        for part in COMPILED
        for path in (sorted((folder / part).glob("*.py")) or [folder / part])
    ]
    compiler = [sys.executable, "-m", "mypyc", *sources]
    subprocess.run(compiler, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    environment = os.environ | {MARK: "1", "PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=folder, env=environment).returncode
