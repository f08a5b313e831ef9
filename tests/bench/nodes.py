"""lanswarm on a LAN: a hub on the upstream's side, daemons, and `swarm get` on them."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from swarm.scheduler.neighbours import WANTED_LINKS
from tests.bench.clock import Job, race, wait_until
from tests.bench.usage import cpu_seconds
from tests.lan.harness import Host, Lan
from tests.lan.process import HostProcess

SWARM: Final = (sys.executable, "-m", "swarm")

REPO: Final = "bench/model"

HUB_PORT: Final = 8080

HUB_SECONDS: Final = 120.0
"""For the hub to have hashed what it offers, which it does before it says that it is ready."""


class Hub:
    """The hub, on the upstream's host."""

    def __init__(self, host: Host, root: Path, *, made_up: Path | None = None) -> None:
        """`root` holds the repositories, see `tests.bench.hub`."""
        self.url = f"http://{host.address}:{HUB_PORT}"
        where = ("--address", host.address, "--port", str(HUB_PORT), "--root", str(root))
        more = ("--made-up", str(made_up)) if made_up else ()
        self._process = host.python("-m", "tests.bench.hub", *where, *more)
        self._process.expect("ready", HUB_SECONDS)

    def stop(self) -> dict[str, int]:
        """Its counters: payload "bytes" sent, "calls" of its API, other "requests"."""
        self._process.signal(signal.SIGTERM)
        counted: dict[str, int] = json.loads(self._process.expect(r"^\{.*")[0])
        return counted


@dataclass
class Node:
    """A daemon on a host. `peers`: addresses to dial instead of mDNS; `port`: where to listen."""

    host: Host
    hub: str
    name: str = "swarm"
    port: int = 7677
    peers: Sequence[str] | None = None

    def __post_init__(self) -> None:
        self.daemon: HostProcess | None = None

    @property
    def env(self) -> dict[str, str]:
        """Where its commands find it. Byte code is kept, as it is where a program was installed."""
        home = self.host.home / self.name
        own = {
            "PYTHONDONTWRITEBYTECODE": "",
            "SWARM_HOME": str(home / "home"),
            "HF_HOME": str(home / "hf"),
            "HF_ENDPOINT": self.hub,
        }
        if self.peers is None:
            return own
        listen = {"SWARM_LISTEN": f"127.0.0.1:{self.port}", "SWARM_MDNS": "off"}
        return own | listen | {"SWARM_PEERS": ",".join(self.peers)}

    def start(self) -> Node:
        """Returns at once; `ready` waits."""
        self.daemon = self.host.popen((*SWARM, "daemon", "--json", "--quiet"), env=self.env)
        return self

    def ready(self) -> Node:
        self.process.expect(r"\S")
        return self

    @property
    def process(self) -> HostProcess:
        assert self.daemon is not None, "it was not started"
        return self.daemon

    @property
    def cpu(self) -> float:
        """CPU seconds of the daemon so far."""
        return cpu_seconds(self.process.pid)

    def ask(self, *words: str) -> Any:
        """What a command prints with --json."""
        return json.loads(race([self.job(*words, "--json")]).finishes[0].stdout)

    def job(self, *words: str, after: float = 0.0) -> Job:
        return Job(self.host, (*SWARM, *words), self.env, after)

    def get(self, repo: str = REPO, *, after: float = 0.0) -> Job:
        """`swarm get --quiet` of the repository."""
        return self.job("get", repo, "--quiet", after=after)


def start(nodes: Sequence[Node]) -> None:
    """Start daemons and wait until each is connected to all others, or to as many as it wants."""
    enough = min(len(nodes) - 1, WANTED_LINKS)
    for node in nodes:
        node.start()
    for node in nodes:
        node.ready()
    wait_until(lambda: all(len(node.ask("peers")) >= enough for node in nodes), "all are connected")


def preload(node: Node, mbit: float | None, repo: str = REPO) -> None:
    """Have a node fetch the repository from the hub, without a limit on its link meanwhile.

    All that was written so far is on the disk then: the kernel shall not write it while others are measured.
    """
    node.host.shape(None)
    race([node.get(repo)])
    node.host.shape(mbit)
    os.sync()


def fan_out(lan: Lan, hub: Hub, mbit: float, repo: str = REPO) -> tuple[Node, list[Node]]:
    """A node that has the repository, on the first host, and one on each other host that does not."""
    nodes = [Node(host, hub.url) for host in lan.hosts]
    start(nodes)
    preload(nodes[0], mbit, repo)
    return nodes[0], nodes[1:]
