"""A simulated LAN of nodes that all want one model, and what is counted of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from protocol.bits import everything
from protocol.ids import NodeId
from protocol.manifest import Blob, Layout
from protocol.messages import Join
from swarm.scheduler.neighbours import MAX_LINKS
from tests.scale.clock import Clock
from tests.scale.lines import Line, Lines
from tests.scale.members import Members
from tests.scale.node import Node
from tests.scale.traffic import TOPIC, wire_bytes
from tests.scale.upstream import Upstream

MBIT: Final = 1_000_000 / 8
"""Bytes per second of one megabit per second."""

GBIT: Final = 1000.0
"""Mbit/s of a link, if nothing else is said."""

LINKING_SECONDS: Final = 20.0
"""Daemons find each other for so long before anybody wants anything."""

STATIC_PEERS: Final = 3
"""Nodes that each node is told of where not everybody hears of everybody."""


class CoarseBlob(Blob):
    """A blob that is cut `factor` times as coarsely as the protocol says, to be simulated sooner."""

    factor = 1

    @property
    def chunk_length(self) -> int:
        return super().chunk_length * self.factor

    @property
    def chunk_count(self) -> int:
        return -(-self.size // self.chunk_length)

    def span(self, index: int) -> tuple[int, int]:
        offset = index * self.chunk_length
        return offset, min(self.chunk_length, self.size - offset)


def layout_of(size: int, coarser: int) -> Layout:
    """One file of this size."""
    kind = type("CoarseBlob", (CoarseBlob,), {"factor": coarser, "__slots__": ()})
    return Layout([kind("sha256", bytes(32), size)])


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated. Rates in Mbit/s, times in seconds, sizes in bytes.

    origin: "seed" (one node has all, nobody may go upstream), "hub" (nobody has it, all may) or "both" (one
    node has all, and all may go upstream).
    known: "all" (mDNS: everybody is told of everybody) or "few" (static peers).
    spread: the `get`s begin within so many seconds. churn: share of the nodes that are replaced each minute.
    """

    nodes: int
    size: int
    coarser: int = 1
    mbit: float = GBIT
    upstream_mbit: float = GBIT
    latency: float = 0.0005
    origin: str = "seed"
    known: str = "all"
    spread: float = 1.0
    churn: float = 0.0
    kill_origin: tuple[float, ...] = ()
    max_links: int | None = None
    seed: int = 1

    @property
    def seeded(self) -> bool:
        """Whether a node has all from the start."""
        return self.origin != "hub"


class Swarm:
    """Runs a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.clock = Clock()
        self.random = random.Random(scenario.seed)
        self.latency = scenario.latency
        self.layout = layout_of(scenario.size, scenario.coarser)
        self.everything = everything(self.layout.total)
        self.lines = Lines(self.clock, scenario.latency)
        self.upstream = Upstream(self.lines, scenario.upstream_mbit * MBIT)
        self.members = Members(self, scenario.max_links)
        self.join_bytes = wire_bytes(Join(TOPIC, True, False, True))
        self.partial = scenario.nodes >= (scenario.max_links or MAX_LINKS)
        self.nodes: list[Node] = []
        self.wasted = 0
        self.began_at = 0.0
        self.unfinished: set[NodeId] = set()

    def finished(self, node: Node) -> None:
        self.unfinished.discard(node.id)

    # --- a run ----------------------------------------------------------------------------------

    def run(self, limit: float, watch: Callable[[Swarm], None] | None = None) -> None:
        """Link, then let everybody ask for the model; `watch` is called every virtual second."""
        for _ in range(self.scenario.nodes + self.scenario.seeded):
            self._add()
        for node in self.nodes:
            self._discover(node)
        self.clock.run(LINKING_SECONDS, lambda: False)
        self.began_at = LINKING_SECONDS
        if self.scenario.seeded:
            self.nodes[0].seed()
        for node in self.takers:
            self.unfinished.add(node.id)
            self.clock.after(self.random.uniform(0.0, self.scenario.spread), node.start)
        for seconds in self.scenario.kill_origin:
            self.clock.after(seconds, self._kill_origin)
        if self.scenario.churn:
            self._churn()
        for second in range(1, int(limit) + 1):
            if self.clock.run(self.began_at + second, lambda: not self.unfinished):
                break
            if watch:
                watch(self)

    @property
    def takers(self) -> list[Node]:
        return self.nodes[1:] if self.scenario.seeded else self.nodes

    def _add(self) -> Node:
        number = len(self.nodes)
        node_id = NodeId(blake3(b"%d node %d" % (self.scenario.seed, number)).digest())
        rate = self.scenario.mbit * MBIT
        node = Node(self, node_id, Line(rate, rate), can_fetch=self.scenario.origin != "seed")
        self.nodes.append(node)
        self.members.add(node, number)
        return node

    def _discover(self, node: Node) -> None:
        """Tell the node of others, and others of it, as discovery does."""
        alive = [other for other in self.nodes if other is not node and other.alive]
        if self.scenario.known == "few":
            for other in self.random.sample(alive, min(STATIC_PEERS, len(alive))):
                self.clock.after(self.random.uniform(0.0, 2.0), self.members.sight, node, other, "static")
            return
        for other in alive:
            self.clock.after(self.random.uniform(0.0, 2.0), self.members.sight, node, other)

    # --- trouble --------------------------------------------------------------------------------

    def kill(self, node: Node) -> None:
        """The machine's process ends, and its links with it."""
        self.unfinished.discard(node.id)
        for link in list(node.links.values()):
            self.members.cut(node, link.peer)
        node.die()

    def _kill_origin(self) -> None:
        for node in self.nodes:
            if node.alive and node.scheduler is not None and node.scheduler.is_origin:
                self.kill(node)

    def _churn(self) -> None:
        """Replace one node, and set the time of the next, until the first nodes have ended."""
        if not any(node.id in self.unfinished for node in self.nodes[: self.scenario.nodes + 1]):
            return
        every = 60.0 / (self.scenario.churn * self.scenario.nodes)
        self.clock.after(self.random.expovariate(1 / every), self._churn)
        victims = [node for node in self.takers if node.alive]
        self.kill(self.random.choice(victims))
        new = self._add()
        self._discover(new)
        for other in self.nodes:
            if other.alive and other is not new and self.scenario.known == "all":
                self.clock.after(self.random.uniform(0.0, 2.0), self.members.sight, other, new)
        self.unfinished.add(new.id)
        self.clock.after(3.0, new.start)
