"""What pictures in docs/ are drawn with: SVG made by hand, so that drawing needs no library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape

COLOURS: Final = ("#1b6ca8", "#c1440e", "#3a7d44", "#7b4ea3", "#a08014", "#555555")
"""Of the curves, in their order; told apart by those who see no red or green, too."""


def picture(width: int, height: int, body: Iterable[str]) -> str:
    """An SVG file of this size, on white."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def curve(points: Iterable[tuple[float, float]], colour: str, width: int, *, dashed: bool = False) -> str:
    """Straight from point to point."""
    shown = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<polyline points="{shown}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'


def text(x: float, y: float, what: str, anchor: str, *, bold: bool = False) -> str:
    """anchor: start, middle or end."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(what)}</text>'
