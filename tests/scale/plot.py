"""Runs as a picture: how much of the model the nodes hold over time, as an SVG made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tests.scale.report import Report
from tests.scale.swarm import GBIT
from tests.svg import COLOURS, curve, line, picture, text

WIDTH: Final = 850
HEIGHT: Final = 420
LEFT, RIGHT, TOP, BOTTOM = 64, 290, 24, 48
MOST_POINTS: Final = 120
"""Points of a curve: more than are told apart."""


def name(report: Report) -> str:
    """How a run is called in the picture."""
    scenario = report.scenario
    parts = [f"{scenario['nodes']:,} nodes"]
    if scenario["origin"] == "hub":
        parts.append("from a hub")
    if scenario["origin"] == "both":
        parts.append("beside a hub")
    if scenario["churn"]:
        parts.append(f"{100 * scenario['churn']:.0f} %/min replaced")
    if scenario["coarser"] > 1:
        parts.append(f"chunks × {scenario['coarser']}")
    if scenario["mbit"] != GBIT:
        parts.append(f"{scenario['mbit'] / GBIT:g} Gbit/s")
    return ", ".join(parts)


def svg(reports: Sequence[Report]) -> str:
    """Share of the model held, over time in multiples of the bound: on average and by the slowest node."""
    end = max(1.0, *(report.share for report in reports)) * 1.02
    body = [*_axes(end)]
    for number, report in enumerate(reports):
        colour = COLOURS[number % len(COLOURS)]
        body.append(curve(_points(report, 1, end), colour, 2))
        body.append(curve(_points(report, 2, end), colour, 1, dashed=True))
        body += _legend(number, f"{name(report)}: {report.share:.3f}", colour)
    body.append(text(WIDTH - RIGHT + 16, TOP + 8, "last node ÷ bound", "start", bold=True))
    body.append(text(WIDTH - RIGHT + 16, HEIGHT - BOTTOM, "solid: mean, dashed: slowest", "start"))
    return picture(WIDTH, HEIGHT, body)


def _x(value: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / end


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _axes(end: float) -> Iterable[str]:
    for quarter in range(5):
        y = _y(quarter / 4)
        yield line(LEFT, y, WIDTH - RIGHT, y, "#ddd")
        yield text(LEFT - 8, y + 4, f"{25 * quarter} %", "end")
    for step in range(int(end / 0.25) + 1):
        x = _x(step / 4, end)
        colour = "#888" if step == 4 else "#ddd"
        yield line(x, TOP, x, HEIGHT - BOTTOM, colour)
        yield text(x, HEIGHT - BOTTOM + 18, f"{step / 4:g}", "middle")
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "time ÷ bound (size over speed of a link)", "middle")


def _points(report: Report, column: int, end: float) -> Iterable[tuple[float, float]]:
    rows = [(0.0, 0.0), *((row[0], row[column]) for row in report.rows), (report.last, 1.0)]
    every = max(1, len(rows) // MOST_POINTS)
    for number, (seconds, share) in enumerate(rows):
        if number % every == 0 or number == len(rows) - 1:
            yield _x(seconds / report.bound, end), _y(share)


def _legend(number: int, what: str, colour: str) -> Iterable[str]:
    y = TOP + 28 + 34 * number
    x = WIDTH - RIGHT + 16
    yield line(x, y, x + 24, y, colour, 2)
    yield text(x, y + 15, what, "start")
