"""N nodes want a model that nobody has, and the way to the internet is slower than the LAN.

The bound is the size over the speed of the upstream: the internet is paid once, and everybody has the
model when its last byte has come in. Nodes run already; the clock runs from the moment all of them ask.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench.bench import MIB, Bench, Option, installed, parse
from tests.bench.clock import Job, race
from tests.bench.nodes import Hub, Node, start
from tests.bench.payload import model
from tests.bench.table import Column, Figures, Target
from tests.bench.torrent import TorrentNode, last_of, make_torrent, started
from tests.bench.web import Nginx
from tests.lan.harness import Lan

OPTIONS = (
    Option("nodes", 8, 8, "nodes that want it"),
    Option("mbit", 200, 200, "speed of every link of the LAN, Mbit/s"),
    Option("wan_mbit", 50, 50, "speed of the upstream, Mbit/s"),
    Option("mib", 256, 32, "size of the model, MiB"),
)
COLUMNS = (
    Column("last", "last node, s"),
    Column("bound", "last ÷ bound", ".3f"),
    Column("payload", "upstream payload ÷ size", ".3f"),
    Column("sent", "upstream sent ÷ size", ".3f"),
)
TARGETS = (
    Target("lanswarm", "last ÷ bound", "at most", 1.10),
    Target("lanswarm", "upstream payload ÷ size", "at most", 1.02),
)


class ColdStart:
    """The contenders, on a LAN that each of them gets anew."""

    def __init__(self, root: Path, nodes: int, mbit: int, wan_mbit: int, mib: int) -> None:
        self.root = root
        self.nodes = nodes
        self.mbit = mbit
        self.wan_mbit = wan_mbit
        self.content = model(root, mib)
        self.size = mib * MIB

    def lanswarm(self, folder: Path) -> Figures:
        with self._lan(folder) as lan:
            hub = Hub(lan.wan, self.root)
            nodes = [Node(host, hub.url) for host in lan.hosts]
            start(nodes)
            sent = lan.wan.counters().sent
            last = race([node.get() for node in nodes]).last
            return self._figures(last, hub.stop()["bytes"], lan.wan.counters().sent - sent)

    def libtorrent(self, folder: Path) -> Figures:
        with self._lan(folder) as lan:
            nginx = Nginx(lan.wan, self.content.parent, folder)
            torrent = make_torrent(self.content, folder / "torrent", f"{nginx.url}/{self.content.name}")
            nodes = [TorrentNode(host) for host in lan.hosts]
            started(nodes)
            sent = lan.wan.counters().sent
            last = last_of(nodes, torrent, nodes)
            for node in nodes:
                node.process.kill()  # nginx logs a request when it ends
            return self._figures(last, nginx.stop(), lan.wan.counters().sent - sent)

    def aria2(self, folder: Path) -> Figures:
        with self._lan(folder) as lan:
            nginx = Nginx(lan.wan, self.content.parent, folder)
            command = (installed("aria2c"), "-q", "-x4", "-s4", "-o", "received")
            url = f"{nginx.url}/{self.content.name}"
            sent = lan.wan.counters().sent
            last = race([Job(host, (*command, "-d", str(host.home), url)) for host in lan.hosts]).last
            return self._figures(last, nginx.stop(), lan.wan.counters().sent - sent)

    def _lan(self, folder: Path) -> Lan:
        return Lan(folder=folder / "lan", hosts=self.nodes, mbit=self.mbit, wan_mbit=self.wan_mbit)

    def _figures(self, last: float, payload: int, sent: int) -> Figures:
        bound = self.size * 8 / self.wan_mbit / 1e6
        return {
            "last": last,
            "bound": last / bound,
            "payload": payload / self.size,
            "sent": sent / self.size,
        }


def main() -> None:
    options = parse(__doc__, OPTIONS)
    with Bench(options, COLUMNS, TARGETS) as bench:
        root = bench.folder / "repositories"
        lan = ColdStart(root, options.nodes, options.mbit, options.wan_mbit, options.mib)
        bench.add("lanswarm", lan.lanswarm)
        bench.add("libtorrent, web seed", lan.libtorrent)
        bench.add("aria2 on each", lan.aria2)
        bench.run()


if __name__ == "__main__":
    main()
