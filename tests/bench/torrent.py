"""libtorrent on a LAN: the best known peer-to-peer file distribution, from PyPI, in a venv of its own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.bench import SOFTWARE, NotInstalled
from tests.bench.clock import RACE_SECONDS
from tests.lan.harness import Host

PORT: Final = 6881
HERE: Final = Path(__file__).resolve().parent


def python() -> str:
    """The Python that can import libtorrent. Raises NotInstalled."""
    path = SOFTWARE / "libtorrent" / "bin" / "python"
    if not path.exists():
        raise NotInstalled(f"libtorrent is not installed: .ci/bench-software {SOFTWARE}")
    return str(path)


def make_torrent(content: Path, torrent: Path, *web_seeds: str) -> Path:
    """Describe a file; returns the torrent's path."""
    command = [python(), "-W", "ignore", str(HERE / "torrent_file.py"), str(content), str(torrent)]
    subprocess.run([*command, *web_seeds], check=True, capture_output=True)
    return torrent


class TorrentNode:
    """A libtorrent session on a host; it runs from now on and gets its torrent later."""

    def __init__(self, host: Host, address: str = "", port: int = PORT) -> None:
        self.address = (address or host.address, port)
        self._folder = host.home / f"torrent-{port}"
        program = (python(), "-W", "ignore", str(HERE / "torrent_node.py"))
        self.process = host.popen((*program, self.address[0], str(port)))

    def add(self, torrent: Path, peers: Sequence[TorrentNode], seed: Path | None = None) -> None:
        """Begin; `seed` is the folder its content is in already."""
        others = [node.address for node in peers if node is not self]
        folder = str(seed or self._folder)
        told = {"torrent": str(torrent), "folder": folder, "seed": seed is not None, "peers": others}
        self.process.stdin.write(f"{json.dumps(told)}\n")
        self.process.stdin.flush()

    def done(self) -> float:
        """Wait until it has all; when that was, as time.monotonic()."""
        found = self.process.expect(r'"done": ([\d.]+)', RACE_SECONDS)
        return float(found[1])


def started(nodes: Sequence[TorrentNode]) -> None:
    """Wait until all of them listen."""
    for node in nodes:
        node.process.expect("ready")


def last_of(receivers: Sequence[TorrentNode], torrent: Path, peers: Sequence[TorrentNode]) -> float:
    """Have them all fetch; seconds until the last one is done."""
    begin = time.monotonic()
    for node in receivers:
        node.add(torrent, peers)
    return max(node.done() for node in receivers) - begin
