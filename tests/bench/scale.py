"""One seed, or one hub, and very many nodes: the real scheduler and table of peers in virtual time.

The bound is the size over the speed of a link. What is simulated and what is not: tests/scale, docs/scale.md.
Figures of a run go to stdout and, with --json, to a file; --plot and --table take such files and run nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.scale.compiled import run_compiled
from tests.scale.plot import name, svg
from tests.scale.report import Report, begun, ended, look, table
from tests.scale.swarm import GBIT, Scenario, Swarm

LIMIT_SECONDS: Final = 4000.0
"""Virtual time after which a run that does not end is given up."""

TELL_SECONDS: Final = 30.0
"""Between two lines on stderr."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=100, help="that want the model (default: 100)")
    parser.add_argument("--gb", type=float, default=20.0, help="size of the model, 10^9 bytes (default: 20)")
    parser.add_argument(
        "--coarser", type=int, default=1, help="cut chunks so many times as long as real ones"
    )
    parser.add_argument("--mbit", type=float, default=GBIT, help="speed of every link (default: 1000)")
    parser.add_argument("--origin", choices=("seed", "hub", "both"), default="seed")
    parser.add_argument("--upstream-mbit", type=float, default=GBIT, help="speed of the hub's line")
    parser.add_argument("--known", choices=("all", "few"), default="all", help="whom discovery tells of")
    parser.add_argument("--churn", type=float, default=0.0, help="share of the nodes replaced each minute")
    parser.add_argument(
        "--kill-origin", type=float, nargs="*", default=(), metavar="S", help="at these times"
    )
    parser.add_argument("--latency", type=float, default=0.0005, help="from node to node, s")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--compile", action="store_true", help="compile the scheduler first (needs mypyc)")
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE", help="print these runs as a table")
    parser.add_argument("--plot", type=Path, nargs="+", metavar="FILE", help="draw these runs, as SVG")
    return parser.parse_args()


def simulate(given: argparse.Namespace) -> Report:
    """Run it, saying now and then how far it is."""
    scenario = Scenario(
        nodes=given.nodes,
        size=int(given.gb * 1e9),
        coarser=given.coarser,
        mbit=given.mbit,
        upstream_mbit=given.upstream_mbit,
        latency=given.latency,
        origin=given.origin,
        known=given.known,
        churn=given.churn,
        kill_origin=tuple(given.kill_origin),
        seed=given.seed,
    )
    report = begun(scenario)
    swarm = Swarm(scenario)
    began = told = time.monotonic()
    gc.disable()  # millions of objects, hardly a cycle: looking for them takes longer than the rest

    def watch(swarm: Swarm) -> None:
        nonlocal told
        look(report, swarm)
        if time.monotonic() > told + TELL_SECONDS:
            told = time.monotonic()
            seconds, mean, slowest, sent = report.rows[-1]
            text = f"{seconds:.0f} s: {mean:.3f} held, slowest {slowest:.3f}, source sent {sent:.3f}"
            print(f"[{told - began:.0f} s] {text}", file=sys.stderr, flush=True)

    swarm.run(LIMIT_SECONDS, watch)
    ended(report, swarm)
    return report


def main() -> int:
    given = options()
    if given.table or given.plot:
        reports = [Report(**json.loads(path.read_text("utf-8"))) for path in given.table or given.plot]
        print(table(reports) if given.table else svg(reports))
        return 0
    if given.compile:
        rest = [argument for argument in sys.argv[1:] if argument != "--compile"]
        if given.json:
            rest += ["--json", str(given.json.resolve())]
        with TemporaryDirectory(prefix="lanswarm-scale-") as folder:
            return run_compiled("tests.bench.scale", rest, Path(folder))
    report = simulate(given)
    print(name(report))
    print(table([report]))
    print(", ".join(f"{kind} {size / 1e3:.0f} kB" for kind, size in report.by_message.items()))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), separators=(",", ":")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
