"""What every program here has in common: options, interleaved repetitions, the report.

A program names its contenders, each a function that gets an empty folder and returns figures. All of them
run once, then all of them again, so that a slow minute of the machine meets each of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from tests.bench.table import Column, Figures, Run, Target, contenders, middle, table, verdicts
from tests.bench.usage import Processors
from tests.lan.harness import PROJECT

Contender = Callable[[Path], Figures]

MIB: Final = 1 << 20

SOFTWARE: Final = Path(os.environ.get("LANSWARM_REAL") or PROJECT / ".ci" / "real")
"""Where .ci/bench-software has put what does not come from Debian."""


class NotInstalled(Exception):
    """A contender's program is not on this machine."""


def installed(program: str) -> str:
    """The path of a program. Raises NotInstalled."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    found = shutil.which(program, path=path)
    if found is None:
        raise NotInstalled(f"{program} is not installed: .ci/bench-software {SOFTWARE}")
    return found


@dataclass(frozen=True, slots=True)
class Option:
    """A whole number that a program takes: what it is when all is measured, and with --quick."""

    name: str
    full: int
    quick: int
    help: str


def parse(doc: str | None, options: Sequence[Option]) -> argparse.Namespace:
    """The command line: `options` and what all programs take."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    repeat = Option("repeat", 3, 1, "repetitions")
    for option in (*options, repeat):
        text = f"{option.help} (default: {option.full}, with --quick: {option.quick})"
        parser.add_argument(f"--{option.name.replace('_', '-')}", type=int, metavar="N", help=text)
    parser.add_argument("--quick", action="store_true", help="a small size, once")
    parser.add_argument("--only", action="append", metavar="NAME", help="only rows that begin so")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures, to this file")
    parser.add_argument("--folder", type=Path, help="where stores and data lie while it runs")
    given = parser.parse_args()
    for option in (*options, repeat):
        if getattr(given, option.name) is None:
            setattr(given, option.name, option.quick if given.quick else option.full)
    return given


@dataclass
class Bench:
    """One program: it makes data in `folder`, adds contenders, and runs.

    `keep`: what a contender wrote stays until the program ends. For many files: where ext4 has no journal it
    looks, for each file it makes, through the inodes of all that were deleted in the last minutes
    (recently_deleted, fs/ext4/ialloc.c), so that one contender would pay for another's files.
    """

    options: argparse.Namespace
    columns: Sequence[Column]
    targets: Sequence[Target] = ()
    contenders: dict[str, Contender] = field(default_factory=dict)
    runs: list[dict[str, Figures]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stolen: list[float] = field(default_factory=list)
    keep: bool = False

    def __enter__(self) -> Bench:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and clean up
        self.folder = Path(mkdtemp(prefix="lanswarm-bench-", dir=self.options.folder))
        self.folder.chmod(0o755)
        return self

    def __exit__(self, *_exception: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, name: str, contender: Contender) -> None:
        """Measure this one too, unless --only says otherwise."""
        if not self.options.only or any(name.startswith(start) for start in self.options.only):
            self.contenders[name] = contender

    def run(self) -> None:
        """Measure all and print the report."""
        for number in range(self.options.repeat):
            run: dict[str, Figures] = {}
            self.runs.append(run)
            for name, contender in self.contenders.items():
                self._measure(number, name, contender, run)
        self._report()

    def _measure(self, number: int, name: str, contender: Contender, run: dict[str, Figures]) -> None:
        folder = self.folder / f"run-{number}-{len(run)}"
        folder.mkdir()
        os.sync()  # what the one before wrote would be written to the disk while this one is measured
        before = Processors.now()
        try:
            run[name] = contender(folder)
        except NotInstalled as missing:
            self._note(str(missing))
        except Exception as failure:  # noqa: BLE001 - one that fails must not cost the others' figures
            traceback.print_exc()
            self._note(f"{name} failed in run {number + 1}: {type(failure).__name__}")
        else:
            self.stolen.append(before.share_stolen(Processors.now()))
            shown = ", ".join(f"{key} {figure:.4g}" for key, figure in run[name].items())
            said = f"run {number + 1}, {name}: {shown}; stolen {self.stolen[-1]:.0%}"
            print(said, file=sys.stderr, flush=True)
        finally:
            if not self.keep:
                shutil.rmtree(folder, ignore_errors=True)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _report(self) -> None:
        about = conditions() | {"stolen": self._stolen()}
        print("\n".join(f"{key}: {value}" for key, value in about.items()), end="\n\n")
        print(table(self.columns, self.runs), end="\n\n")
        for line in (*verdicts(self.targets, self.columns, self.runs), *self.notes):
            print(line)
        if self.options.json:
            self.options.json.write_text(json.dumps(self._as_json(about), indent=1))

    def _stolen(self) -> str:
        """What other virtual machines took of the processors: above a few per cent, measure again."""
        if not self.stolen:
            return "nothing was measured"
        least, most = min(self.stolen), max(self.stolen)
        return (
            f"{least:.0%} to {most:.0%} of the processor time wanted in a run went to other virtual machines"
        )

    def _as_json(self, about: Mapping[str, str]) -> dict[str, object]:
        runs: Sequence[Run] = self.runs
        medians = {
            who: {column.title: middle(column, who, runs) for column in self.columns}
            for who in contenders(runs)
        }
        options = {name: value for name, value in vars(self.options).items() if isinstance(value, int)}
        return {**about, "options": options, "medians": medians, "runs": runs, "notes": self.notes}


def conditions() -> dict[str, str]:
    """When, where and what this was."""
    cores = os.cpu_count()
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "command": f"python -m {_module()} {' '.join(sys.argv[1:])}".rstrip(),
        "commit": _commit(),
        "machine": f"{_processor()}, {cores} cores, Linux {platform.release()}, load {load}",
        "python": platform.python_version(),
    }


def _module() -> str:
    return ".".join(Path(sys.argv[0]).resolve().relative_to(PROJECT).with_suffix("").parts)


def _commit() -> str:
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, what = line.partition(":")
        if name.strip() == "model name":
            return what.strip()
    return platform.machine()
