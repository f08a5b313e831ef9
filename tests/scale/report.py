"""What is to be said of a run: figures for a table, and how it went over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.scale.swarm import MBIT, Scenario, Swarm

Row = tuple[float, float, float, float]
"""Seconds since the start; share of the model that the nodes hold on average, that the slowest holds, and
that has left the source."""


@dataclass
class Report:
    """One run. Bytes and seconds; `bound`: size over the narrowest link of the source."""

    scenario: dict[str, Any]
    bound: float
    last: float = 0.0
    median: float = 0.0
    finished: int = 0
    unfinished: int = 0
    links_most: int = 0
    links_mean: float = 0.0
    control_mean: float = 0.0
    control_most: int = 0
    by_message: dict[str, float] = field(default_factory=dict)
    source_sent: float = 0.0
    upstream_paid: float = 0.0
    leases: int = 0
    sent_twice: float = 0.0
    chunk_bytes: int = 0
    chunks: int = 0
    events: int = 0
    rows: list[Row] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The last node's time as a multiple of the bound."""
        return self.last / self.bound

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def begun(scenario: Scenario) -> Report:
    rate = scenario.mbit if scenario.seeded else min(scenario.mbit, scenario.upstream_mbit)
    return Report(asdict(scenario), scenario.size / (rate * MBIT))


def look(report: Report, swarm: Swarm) -> None:
    """Note how far the nodes are."""
    total = swarm.layout.total
    held = [node.have.bit_count() / total for node in swarm.takers if node.alive]
    row = (swarm.clock.now - swarm.began_at, sum(held) / len(held), min(held), _source_sent(swarm))
    at, mean, least, sent = (round(value, 4) for value in row)
    report.rows.append((at, mean, least, sent))


def ended(report: Report, swarm: Swarm) -> None:
    """Note what came out."""
    alive = [node for node in swarm.takers if node.alive]
    late = swarm.began_at + swarm.scenario.spread
    times = sorted(
        node.done_at - (node.asked_at if node.asked_at > late else swarm.began_at)
        for node in alive
        if node.done_at is not None
    )
    report.finished, report.unfinished = len(times), len(alive) - len(times)
    report.last, report.median = (times[-1], times[len(times) // 2]) if times else (0.0, 0.0)
    report.links_most = max(node.most_links for node in swarm.nodes)
    report.links_mean = _mean([len(node.links) for node in swarm.nodes if node.alive])
    control = [node.tally.total for node in swarm.nodes]
    report.control_mean, report.control_most = _mean(control), max(control)
    kinds: Counter[str] = Counter()
    for node in swarm.nodes:
        kinds.update(node.tally.bytes)
    report.by_message = {kind: size / len(swarm.nodes) for kind, size in kinds.most_common()}
    report.source_sent = _source_sent(swarm)
    report.upstream_paid = swarm.upstream.paid / swarm.scenario.size
    report.leases = sum(node.leases for node in swarm.nodes)
    report.chunks = swarm.layout.total
    report.chunk_bytes = swarm.layout.blobs[0].chunk_length
    report.sent_twice = swarm.wasted / (swarm.layout.total * len(alive))
    report.events = swarm.clock.happened


def _source_sent(swarm: Swarm) -> float:
    sent = swarm.nodes[0].line.sent if swarm.scenario.seeded else swarm.upstream.paid
    return sent / swarm.scenario.size


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


COLUMNS: Final = (
    "nodes",
    "last ÷ bound",
    "median ÷ bound",
    "links, most",
    "links, mean",
    "control, MB a node",
    "control, % of payload",
    "most of any node, %",
    "sent by the source ÷ size",
    "origins",
)


def table(reports: Sequence[Report]) -> str:
    """The figures as Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for report in reports:
        size = report.scenario["size"]
        paid = report.source_sent if report.scenario["origin"] == "seed" else report.upstream_paid
        cells = (
            f"{report.scenario['nodes']:,}",
            f"{report.share:.3f}" + (f" ({report.unfinished} not done)" if report.unfinished else ""),
            f"{report.median / report.bound:.3f}",
            f"{report.links_most}",
            f"{report.links_mean:.1f}",
            f"{report.control_mean / 1e6:.1f}",
            f"{100 * report.control_mean / size:.3f}",
            f"{100 * report.control_most / size:.3f}",
            f"{paid:.3f}",
            f"{report.leases}" if report.scenario["origin"] != "seed" else "–",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
