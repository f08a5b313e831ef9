"""Fuzzes the targets with atheris (coverage-guided, by libFuzzer), each in a process of its own.

    python -m tests.fuzz.drive [--seconds N] [--jobs J] [--found DIR] [TARGET...]

All of them by default, each for N seconds, J at a time. Ends with 1 when an input broke something: it lies
in DIR, and belongs into tests/fuzz/corpus/TARGET once the fault is mended, where pytest replays it. Inputs
that found new ways through the code are kept in DIR/TARGET, from where the next run goes on.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.fuzz.inputs import CORPUS, TARGETS, load

MAX_INPUT: Final = 8192
"""Bytes of an input: what breaks a parser breaks it in little."""

UNIT_SECONDS: Final = 5
"""For one input; anything that takes longer is a fault. An honest one takes a millisecond or two."""

MEMORY_MIB: Final = 1024
"""For the whole process, of which the interpreter and atheris take 150: who needs more was made to."""

INSTRUMENTED: Final = ("protocol", "swarm")

_RUNS: Final = re.compile(r"stat::number_of_executed_units: +(\d+)")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.drive")
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--found", type=Path, default=Path(".fuzz"), metavar="DIR")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    chosen = parser.parse_args(arguments)
    with ThreadPoolExecutor(chosen.jobs) as jobs:
        runs = jobs.map(lambda name: fuzz(name, chosen.seconds, chosen.found), chosen.targets or TARGETS)
        return int(not all(list(runs)))


def fuzz(name: str, seconds: int, found: Path) -> bool:
    """Fuzz one target for so long and tell how it went; whether nothing broke."""
    new = found / name
    new.mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": seconds,
        "max_len": MAX_INPUT,
        "timeout": UNIT_SECONDS,
        "rss_limit_mb": MEMORY_MIB,
        "print_final_stats": 1,
        "artifact_prefix": f"{found}/{name}-",
    }
    told = [f"-{option}={value}" for option, value in options.items()]
    command = [sys.executable, "-m", "tests.fuzz.drive", "--child", name, *told, str(new), str(CORPUS / name)]
    return judge(name, subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False))


def judge(name: str, done: subprocess.CompletedProcess[str]) -> bool:
    """Tell what became of a run; False, with all that it said, unless it ran to its end."""
    runs = _RUNS.search(done.stderr)
    if done.returncode == 0 and runs is not None:
        print(f"{name:12} {int(runs[1]):>10} inputs", flush=True)
        return True
    print(f"{name:12} FAILED (status {done.returncode})\n{done.stderr}", flush=True)
    return False


def child(name: str, options: Sequence[str]) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=INSTRUMENTED):
        run = load(name).run
    atheris.Setup([name, *options], run)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
