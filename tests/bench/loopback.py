"""One node to one node on one machine, to disk: how fast is the data path, and what does it cost?

No link limits it, so that what is measured is the processors' work: reading, encrypting, checking, writing.
`curl` from nginx does none but the first and the last. CPU seconds are of both sides together, the
command that asks included. Then one daemon serves several. Of one model they relay most to each other; where
each wants a model of its own, all comes from that one. They share the machine with it, and receiving costs
more; so does it use more than one core when they only take (`tests/bench/taker.py`)?
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.bench import MIB, Bench, Option, installed, parse
from tests.bench.clock import Job, race
from tests.bench.nodes import REPO, Hub, Node, preload, start
from tests.bench.payload import model
from tests.bench.table import Column, Figures, Target
from tests.bench.torrent import TorrentNode, last_of, make_torrent, started
from tests.bench.usage import cpu_seconds, memory
from tests.bench.web import Nginx
from tests.lan.harness import Lan

OPTIONS = (
    Option("mib", 2048, 512, "size of the model, MiB"),
    Option("receivers", 4, 4, "nodes that one daemon serves at a time, in the last three rows"),
)
CURL, TORRENT, OURS = "curl from nginx", "libtorrent", "lanswarm"
COLUMNS = (
    Column("rate", "GB/s"),
    Column("rate", "GB/s ÷ curl", to=CURL),
    Column("cpu", "CPU s per GB, both sides"),
    Column("cpu", "CPU ÷ libtorrent", ".3f", to=TORRENT),
    Column("memory", "most resident, MB", ".0f"),
    Column("cores", "cores of the sender"),
)
TARGETS = (
    Target(OURS, "GB/s ÷ curl", "at least", 1.5),
    Target(OURS, "CPU ÷ libtorrent", "at most", 1 / 3),
    Target(OURS, "most resident, MB", "at most", 200),
)
LOOPBACK = "127.0.0.1"
FIRST_PORT = 7700


class OneToOne:
    """The contenders, each on a host of its own, over its loopback interface."""

    def __init__(self, root: Path, mib: int) -> None:
        self.root = root
        self.content = model(root, mib)
        self.size = mib * MIB

    def lanswarm(self, folder: Path, receivers: int = 1) -> Figures:
        return self._ours(folder, [REPO] * receivers, self.size)

    def own_models(self, folder: Path, receivers: int) -> Figures:
        """Each node wants a model of its own, all together as large as the one."""
        return self._ours(folder, self._shares(receivers), self.size // receivers)

    def takers(self, folder: Path, receivers: int) -> Figures:
        """The same, but they throw away what they get: the cores are the sender's."""
        repos, share = self._shares(receivers), self.size // receivers
        with self._lan(folder) as lan:
            hub = Hub(lan.wan, self.root)
            node = Node(lan[0], hub.url, port=FIRST_PORT, peers=[]).start().ready()
            for repo in repos:
                preload(node, None, repo)
            used = node.cpu
            program = (sys.executable, "-m", "tests.bench.taker", LOOPBACK, str(FIRST_PORT))
            done = race([Job(lan[0], (*program, repo, str(share))) for repo in repos])
            spent = node.cpu - used
            return self._figures(self.size, done.last, done.cpu + spent, [node.process.pid], spent)

    def _shares(self, receivers: int) -> list[str]:
        """As many repositories, each with its share of the size."""
        repos = [f"{REPO}-{number}" for number in range(receivers)]
        for repo in repos:
            if not (self.root / repo).exists():
                model(self.root, self.size // receivers // MIB, repo)
        return repos

    def _ours(self, folder: Path, repos: Sequence[str], size: int) -> Figures:
        """One node has all of these repositories, and for each there is one that wants it."""
        with self._lan(folder) as lan:
            hub = Hub(lan.wan, self.root)
            nodes = [
                Node(lan[0], hub.url, f"node-{number}", FIRST_PORT + number, [f"{LOOPBACK}:{FIRST_PORT}"])
                for number in range(len(repos) + 1)
            ]
            start(nodes)
            for repo in set(repos):
                preload(nodes[0], None, repo)
            used = [node.cpu for node in nodes]
            done = race([node.get(repo) for node, repo in zip(nodes[1:], repos, strict=True)])
            spent = [node.cpu - before for node, before in zip(nodes, used, strict=True)]
            pids = [node.process.pid for node in nodes]
            return self._figures(size * len(repos), done.last, done.cpu + sum(spent), pids, spent[0])

    def curl(self, folder: Path) -> Figures:
        with self._lan(folder) as lan:
            nginx = Nginx(lan[0], self.content.parent, folder, LOOPBACK)
            url = f"{nginx.url}/{self.content.name}"
            used = cpu_seconds(nginx.process.pid)
            done = race([Job(lan[0], (installed("curl"), "-sSfo", str(folder / "received"), url))])
            spent = cpu_seconds(nginx.process.pid) - used
            return self._figures(self.size, done.last, done.cpu + spent, [nginx.process.pid], spent)

    def libtorrent(self, folder: Path) -> Figures:
        torrent = make_torrent(self.content, folder / "torrent")
        with self._lan(folder) as lan:
            nodes = [TorrentNode(lan[0], LOOPBACK, FIRST_PORT + number) for number in range(2)]
            started(nodes)
            nodes[0].add(torrent, [], seed=self.content.parent)
            nodes[0].done()
            pids = [node.process.pid for node in nodes]
            used = [cpu_seconds(pid) for pid in pids]
            last = last_of(nodes[1:], torrent, nodes)
            spent = [cpu_seconds(pid) - before for pid, before in zip(pids, used, strict=True)]
            return self._figures(self.size, last, sum(spent), pids, spent[0])

    def _lan(self, folder: Path) -> Lan:
        return Lan(folder=folder / "lan", hosts=1, mbit=None)

    def _figures(self, size: int, last: float, cpu: float, pids: Sequence[int], sender: float) -> Figures:
        gigabytes = size / 1e9
        return {
            "rate": gigabytes / last,
            "cpu": cpu / gigabytes,
            "memory": max(memory(pid, "VmHWM") for pid in pids),
            "cores": sender / last,
        }


def main() -> None:
    options = parse(__doc__, OPTIONS)
    many = f"{OURS}, one to {options.receivers}"
    own, takers = f"{many}, a model each", f"{OURS} to {options.receivers} that only take"
    targets = (
        *TARGETS,
        *(Target(row, "most resident, MB", "at most", 200) for row in (many, own)),
        *(Target(row, "cores of the sender", "at least", 1.0) for row in (own, takers)),
    )
    with Bench(options, COLUMNS, targets) as bench:
        host = OneToOne(bench.folder / "repositories", options.mib)
        bench.add(OURS, host.lanswarm)
        bench.add(CURL, host.curl)
        bench.add(TORRENT, host.libtorrent)
        bench.add(many, lambda folder: host.lanswarm(folder, options.receivers))
        bench.add(own, lambda folder: host.own_models(folder, options.receivers))
        bench.add(takers, lambda folder: host.takers(folder, options.receivers))
        bench.run()


if __name__ == "__main__":
    main()
