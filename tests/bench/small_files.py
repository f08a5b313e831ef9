"""A dataset of many small files: from node to node beside `tar`, and what it asks of a hub.

`tar` through a TCP socket is the least that can be done to move a folder: no check, no encryption, no
names to look up. The hub's rows fetch datasets of several sizes from a hub on this machine and count what
was asked for metadata and for files (two requests each, as the Hub redirects).
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from tests.bench.bench import Bench, Option, installed, parse
from tests.bench.clock import RACE_SECONDS, Job, race
from tests.bench.nodes import Hub, Node, fan_out, start
from tests.bench.payload import dataset, size_of
from tests.bench.table import Column, Figures, Target
from tests.lan.harness import Lan

OPTIONS = (
    Option("files", 20_000, 2_000, "files of the dataset"),
    Option("mbit", 200, 200, "speed of a link, Mbit/s"),
)
TAR = "tar through a socket"
COLUMNS = (
    Column("seconds", "s"),
    Column("seconds", "÷ tar", to=TAR),
    Column("bound", "÷ bound", ".2f"),
    Column("cpu", "CPU s, both sides"),
    Column("from hub", "from the hub, s"),
    Column("calls", "metadata calls", ".0f"),
    Column("requests", "file requests", ".0f"),
)
REPO = "datasets/bench/small"
PORT = 9000


class SmallFiles:
    """One dataset, moved between two hosts."""

    def __init__(self, root: Path, files: int, mbit: int) -> None:
        self.root = root
        self.mbit = mbit
        self.dataset = dataset(root, files)
        self.bound = size_of(self.dataset) * 8 / mbit / 1e6

    def lanswarm(self, folder: Path) -> Figures:
        with Lan(folder=folder / "lan", hosts=2, mbit=self.mbit) as lan:
            hub = Hub(lan.wan, self.root)
            seed, receivers = fan_out(lan, hub, self.mbit, REPO)
            used = seed.cpu + receivers[0].cpu
            done = race([receivers[0].get(REPO)])
            cpu = seed.cpu + receivers[0].cpu - used + done.cpu
            return {"seconds": done.last, "bound": done.last / self.bound, "cpu": cpu}

    def tar(self, folder: Path) -> Figures:
        with Lan(folder=folder / "lan", hosts=2, mbit=self.mbit) as lan:
            unpack = (installed("tar"), "-xf", "-", "-C", str(lan[1].home))
            receiver = lan[1].python("-m", "tests.bench.pipe", lan[1].address, str(PORT), *unpack)
            receiver.expect("ready")
            send = f"tar -cf - -C {self.dataset} . > /dev/tcp/{lan[1].address}/{PORT}"
            begin = time.monotonic()
            race([Job(lan[0], (installed("bash"), "-c", send))])
            assert receiver.out.find("(?!)", RACE_SECONDS) is None  # its output ends when it does
            seconds = time.monotonic() - begin
            return {"seconds": seconds, "bound": seconds / self.bound}


def from_hub(folder: Path, files: int) -> Figures:
    """What fetching a dataset of so many files asks of a hub, and how long it takes without any limit."""
    dataset(folder / "repositories", files)
    with Lan(folder=folder / "lan", hosts=1, mbit=None) as lan:
        hub = Hub(lan.wan, folder / "repositories")
        node = Node(lan[0], hub.url)
        start([node])
        done = race([node.get(REPO)])
        counted = hub.stop()
        return {"from hub": done.last, "calls": counted["calls"], "requests": counted["requests"]}


def main() -> None:
    options = parse(__doc__, OPTIONS)
    targets = (Target("lanswarm", "÷ tar", "at most", 2.0),)
    with Bench(options, COLUMNS, targets, keep=True) as bench:
        lan = SmallFiles(bench.folder / "repositories", options.files, options.mbit)
        bench.add("lanswarm", lan.lanswarm)
        bench.add(TAR, lan.tar)
        for files in (options.files // 1000, options.files // 10, options.files):
            bench.add(f"lanswarm from a hub, {files:,} files", partial(from_hub, files=files))
        bench.run()


if __name__ == "__main__":
    main()
