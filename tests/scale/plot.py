"""Runs as a picture: how much of the model the nodes hold over time, as an SVG made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from xml.sax.saxutils import escape

from tests.scale.report import Report

WIDTH: Final = 820
HEIGHT: Final = 420
LEFT, RIGHT, TOP, BOTTOM = 64, 260, 24, 48
COLOURS: Final = ("#1b6ca8", "#c1440e", "#3a7d44", "#7b4ea3", "#a08014", "#555555")
MOST_POINTS: Final = 120
"""Points of a curve: more than are told apart."""


def name(report: Report) -> str:
    """How a run is called in the picture."""
    scenario = report.scenario
    parts = [f"{scenario['nodes']:,} nodes"]
    if scenario["origin"] == "hub":
        parts.append("from a hub")
    if scenario["churn"]:
        parts.append(f"{100 * scenario['churn']:.0f} %/min replaced")
    if scenario["coarser"] > 1:
        parts.append(f"chunks × {scenario['coarser']}")
    return ", ".join(parts)


def svg(reports: Sequence[Report]) -> str:
    """Share of the model held, over time in multiples of the bound: on average and by the slowest node."""
    end = max(1.0, *(report.share for report in reports)) * 1.02
    body = [*_axes(end)]
    for number, report in enumerate(reports):
        colour = COLOURS[number % len(COLOURS)]
        body.append(_curve(report, 1, end, colour, "2"))
        body.append(_curve(report, 2, end, colour, "1", dashed=True))
        body += _legend(number, f"{name(report)}: {report.share:.3f}", colour)
    body.append(_text(WIDTH - RIGHT + 16, TOP + 8, "last node ÷ bound", "start", bold=True))
    body.append(_text(WIDTH - RIGHT + 16, HEIGHT - BOTTOM, "solid: mean, dashed: slowest", "start"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _x(value: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / end


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _axes(end: float) -> Iterable[str]:
    for quarter in range(5):
        y = _y(quarter / 4)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        yield _text(LEFT - 8, y + 4, f"{25 * quarter} %", "end")
    for step in range(int(end / 0.25) + 1):
        x = _x(step / 4, end)
        colour = "#888" if step == 4 else "#ddd"
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="{colour}"/>'
        yield _text(x, HEIGHT - BOTTOM + 18, f"{step / 4:g}", "middle")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "time ÷ bound (size over speed of a link)", "middle")


def _curve(report: Report, column: int, end: float, colour: str, width: str, *, dashed: bool = False) -> str:
    rows = [(0.0, 0.0), *((row[0], row[column]) for row in report.rows), (report.last, 1.0)]
    every = max(1, len(rows) // MOST_POINTS)
    points = " ".join(
        f"{_x(seconds / report.bound, end):.1f},{_y(share):.1f}"
        for number, (seconds, share) in enumerate(rows)
        if number % every == 0 or number == len(rows) - 1
    )
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'


def _legend(number: int, text: str, colour: str) -> Iterable[str]:
    y = TOP + 28 + 34 * number
    x = WIDTH - RIGHT + 16
    yield f'<line x1="{x}" y1="{y}" x2="{x + 24}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
    yield _text(x, y + 15, text, "start")


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'
