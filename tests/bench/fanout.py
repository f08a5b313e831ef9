"""One node has a model, N others want it: how long until the last of them has it?

The bound is the size over the speed of a link, however many nodes there are. The clock runs from the
moment all of them ask; their daemons run already. The hub, which every node asks what the model is,
stands on a link without a limit; what it sends after the seed has its copy is shown.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench.bench import MIB, Bench, Option, parse
from tests.bench.clock import race
from tests.bench.multicast import udpcast, uftp
from tests.bench.nodes import Hub, fan_out
from tests.bench.payload import model
from tests.bench.table import Column, Figures, Target
from tests.bench.torrent import TorrentNode, last_of, make_torrent, started
from tests.bench.usage import Segments
from tests.lan.harness import Lan

OPTIONS = (
    Option("receivers", 8, 8, "nodes that want it"),
    Option("mbit", 200, 200, "speed of every link, Mbit/s"),
    Option("mib", 512, 128, "size of the model, MiB"),
)
COLUMNS = (
    Column("last", "last node, s"),
    Column("bound", "last ÷ bound", ".3f"),
    Column("sent", "seed sent ÷ size"),
    Column("hub", "hub sent ÷ size", ".3f"),
    Column("again", "seed's segments sent again", ".1%"),
    Column("cpu", "CPU s per GB received"),
)
LIMITS = {8: 1.10, 15: 1.15}
"""Last node ÷ bound that was asked for, by the number of receivers."""


class FanOut:
    """The contenders, on a LAN that each of them gets anew."""

    def __init__(self, root: Path, receivers: int, mbit: int, mib: int) -> None:
        self.root = root
        self.receivers = receivers
        self.mbit = mbit
        self.content = model(root, mib)
        self.size = mib * MIB

    def lanswarm(self, folder: Path) -> Figures:
        with self._lan(folder) as lan:
            hub = Hub(lan.wan, self.root)
            seed, receivers = fan_out(lan, hub, self.mbit)
            nodes = [seed, *receivers]
            used = [node.cpu for node in nodes]
            sent, segments = lan[0].counters().sent, Segments.of(lan[0])
            done = race([node.get() for node in receivers])
            figures = self._figures(done.last, lan[0].counters().sent - sent)
            cpu = done.cpu + sum(node.cpu - before for node, before in zip(nodes, used, strict=True))
            again = segments.share_sent_again(Segments.of(lan[0]))
            from_hub = hub.stop()["bytes"] / self.size - 1  # the seed took the size once
            return figures | {"hub": from_hub, "again": again, "cpu": cpu / self.receivers / self.size * 1e9}

    def libtorrent(self, folder: Path) -> Figures:
        torrent = make_torrent(self.content, folder / "torrent")
        with self._lan(folder) as lan:
            nodes = [TorrentNode(host) for host in lan.hosts]
            started(nodes)
            nodes[0].add(torrent, nodes, seed=self.content.parent)
            nodes[0].done()
            sent, segments = lan[0].counters().sent, Segments.of(lan[0])
            last = last_of(nodes[1:], torrent, nodes)
            again = segments.share_sent_again(Segments.of(lan[0]))
            return self._figures(last, lan[0].counters().sent - sent) | {"again": again}

    def udpcast(self, folder: Path) -> Figures:
        with self._lan(folder) as lan:
            return self._figures(udpcast(lan, self.content, self.mbit), lan[0].counters().sent)

    def uftp(self, folder: Path) -> Figures:
        with self._lan(folder) as lan:
            return self._figures(uftp(lan, self.content, self.mbit), lan[0].counters().sent)

    def _lan(self, folder: Path) -> Lan:
        return Lan(folder=folder / "lan", hosts=self.receivers + 1, mbit=self.mbit)

    def _figures(self, last: float, sent: int) -> dict[str, float]:
        return {"last": last, "bound": last / (self.size * 8 / self.mbit / 1e6), "sent": sent / self.size}


def main() -> None:
    options = parse(__doc__, OPTIONS)
    limit = LIMITS.get(options.receivers, max(LIMITS.values()))
    targets = (
        Target("lanswarm", "last ÷ bound", "at most", limit),
        Target("lanswarm", "seed sent ÷ size", "at most", 1.25),
    )
    with Bench(options, COLUMNS, targets) as bench:
        lan = FanOut(bench.folder / "repositories", options.receivers, options.mbit, options.mib)
        bench.add("lanswarm", lan.lanswarm)
        bench.add("libtorrent", lan.libtorrent)
        bench.add("udpcast", lan.udpcast)
        bench.add("uftp", lan.uftp)
        bench.run()


if __name__ == "__main__":
    main()
