"""What `swarm demo` does: a hub, nodes, one `get` on each at the same moment, and what came of it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trio

from swarm.cli import demo_model
from swarm.cli.demo_hub import DemoHub
from swarm.cli.demo_nodes import DemoNode
from swarm.errors import SwarmError, WrongContent

REPO: Final = "demo/model"

SLACK: Final = 10
"""How many times longer than the hub alone needs the demo may take before it is stopped, plus a minute."""


@dataclass(frozen=True, slots=True)
class NodeOutcome:
    """What one node had from where, in bytes, and after how many seconds it had everything, verified."""

    seconds: float
    upstream: int
    peers: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """`size` is the model's, `sent` what left the hub, `rate` what it sends at most in bytes a second."""

    size: int
    sent: int
    rate: int
    nodes: Sequence[NodeOutcome]

    @property
    def last(self) -> float:
        return max(node.seconds for node in self.nodes)

    @property
    def bound(self) -> float:
        """Seconds the hub needs to send the model once: no node can have it before."""
        return self.size / self.rate

    def as_json(self) -> dict[str, Any]:
        return {
            "model_bytes": self.size,
            "upstream_bytes": self.sent,
            "upstream_ratio": round(self.sent / self.size, 4),
            "upstream_rate": self.rate,
            "seconds": round(self.last, 3),
            "bound_seconds": round(self.bound, 3),
            "bound_ratio": round(self.last / self.bound, 4),
            "verified": True,
            "nodes": [
                {"seconds": node.seconds, "upstream": node.upstream, "peers": node.peers}
                for node in self.nodes
            ],
        }


async def demonstrate(count: int, size: int, rate: int) -> Outcome:
    """Run it. WrongContent when a node has other bytes, SwarmError when one failed or all are stuck."""
    files = await trio.to_thread.run_sync(demo_model.make, size)
    with (
        tempfile.TemporaryDirectory(prefix="swarm-demo-") as folder,
        DemoHub(files, repo=REPO, rate=rate) as hub,
    ):
        with trio.move_on_after(60 + SLACK * size / rate):
            results = await _fetch_on_all(count, Path(folder), hub.url)
            digests = {path: hashlib.sha256(data).digest() for path, data in files.items()}
            nodes = [await trio.to_thread.run_sync(judge, result, digests) for result in results]
            return Outcome(sum(map(len, files.values())), sum(hub.sent.values()), rate, nodes)
    raise SwarmError("The demo took far too long.", "Is this machine very busy?")


async def _fetch_on_all(count: int, folder: Path, hub: str) -> list[Mapping[str, Any]]:
    """What each of `count` nodes says of its `get`, all begun at once once all nodes run."""
    nodes: list[DemoNode] = []
    peers: list[str] = []
    results: dict[int, Mapping[str, Any]] = {}

    async def get(number: int) -> None:
        results[number] = await nodes[number].get(REPO)

    async with trio.open_nursery() as daemons:
        for number in range(count):
            home = folder / str(number)
            home.mkdir()
            nodes.append(DemoNode(home, hub, tuple(peers)))
            peers.append(await daemons.start(nodes[number].serve))
        async with trio.open_nursery() as gets:
            for number in range(count):
                gets.start_soon(get, number)
        daemons.cancel_scope.cancel()
    return [results[number] for number in range(count)]


def judge(result: Mapping[str, Any], digests: Mapping[str, bytes]) -> NodeOutcome:
    """What a node had from where, after looking whether it really has the bytes of the hub."""
    for path, digest in digests.items():
        with (Path(result["snapshot"]) / path).open("rb") as file:
            if hashlib.file_digest(file, "sha256").digest() != digest:
                raise WrongContent(f"A node of the demo has other bytes in {path}.")
    had = {"upstream": 0, "peer": 0, "local": 0}
    for source in result["sources"]:
        had[source["kind"]] += source["bytes"]
    return NodeOutcome(result["seconds"], had["upstream"], had["peer"])
