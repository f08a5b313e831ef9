"""What lanswarm costs while nothing moves: an idle daemon, a command's start, a model that is here.

Nine daemons on a LAN see each other by mDNS and do nothing for a while. `swarm --version` is measured beside
the same Python doing nothing, alternately. The model that is here already has very many chunks and takes no
room (`made_up`); the daemon runs, and the hub is asked what the name means, as always.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.bench.bench import Bench, Option, parse
from tests.bench.clock import race
from tests.bench.made_up import Model
from tests.bench.nodes import SWARM, Hub, Node, start
from tests.bench.table import Column, Figures, Target
from tests.bench.usage import memory
from tests.lan.harness import PROJECT, Lan

OPTIONS = (
    Option("seconds", 60, 10, "how long daemons are watched"),
    Option("peers", 8, 8, "peers of each daemon"),
    Option("chunks", 70_000, 70_000, "chunks of the model that is here"),
    Option("starts", 20, 5, "starts of a command"),
)
IDLE, VERSION, HERE = "idle daemon", "swarm --version", "get of what is here"
COLUMNS = (
    Column("share", "% of a core", ".2f"),
    Column("memory", "resident, MB", ".0f"),
    Column("seconds", "s", ".3f"),
    Column("over", "over `python -c pass`, ms", ".0f"),
    Column("first", "first time, s", ".3f"),
)
TARGETS = (
    Target(IDLE, "% of a core", "at most", 0.5),
    Target(IDLE, "resident, MB", "at most", 80),
    Target(VERSION, "over `python -c pass`, ms", "at most", 150),
    Target(HERE, "s", "at most", 0.5),
)
CALM_SECONDS = 10.0
"""After the last node has been met, until it is called idle: mDNS announces itself a few times."""


def idle(folder: Path, peers: int, seconds: float) -> Figures:
    """The daemon that used most."""
    with Lan(folder=folder / "lan", hosts=peers + 1, mbit=None) as lan:
        nodes = [Node(host, f"http://{lan.wan.address}") for host in lan.hosts]
        start(nodes)
        time.sleep(CALM_SECONDS)
        used = [node.cpu for node in nodes]
        time.sleep(seconds)
        share = max(node.cpu - before for node, before in zip(nodes, used, strict=True)) / seconds
        return {
            "share": 100 * share,
            "memory": max(memory(node.process.pid, "VmRSS") for node in nodes),
        }


def version(_folder: Path, starts: int) -> Figures:
    """Alternately the command and the bare interpreter; the first start of each is not counted."""
    commands = (*SWARM, "--version"), (sys.executable, "-c", "pass")
    seconds = [[_start(command) for command in commands] for _ in range(starts + 1)][1:]
    ours, bare = (median(column) for column in zip(*seconds, strict=True))
    return {"seconds": ours, "over": 1000 * (ours - bare)}


def _start(command: Sequence[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=PROJECT)
    return time.perf_counter() - begin


def here(folder: Path, chunks: int) -> Figures:
    """The first `get` enters the name and makes the view; then it is all there."""
    model = Model.make(folder / "made-up", chunks)
    with Lan(folder=folder / "lan", hosts=1, mbit=None) as lan:
        hub = Hub(lan.wan, folder / "repositories", made_up=model.folder)
        node = Node(lan[0], hub.url)
        model.put_into(Path(node.env["SWARM_HOME"]))
        start([node])
        first, again = (race([node.job("get", "bench/made-up", "--quiet", "--json")]) for _ in range(2))
        assert json.loads(again.finishes[0].stdout)["files"] == len(model.files)
        assert hub.stop()["bytes"] == 0, "it was fetched, not found"
        return {"first": first.last, "seconds": again.last}


def main() -> None:
    options = parse(__doc__, OPTIONS)
    with Bench(options, COLUMNS, TARGETS) as bench:
        bench.add(IDLE, lambda folder: idle(folder, options.peers, options.seconds))
        bench.add(VERSION, lambda folder: version(folder, options.starts))
        bench.add(HERE, lambda folder: here(folder, options.chunks))
        bench.run()


if __name__ == "__main__":
    main()
