"""How long a fan-out takes, against the number of nodes that want the model: an SVG of several `fanout` runs.

    python -m tests.bench.fanout --receivers 4 --json 4.json     (and so on)
    python -m tests.bench.curve 1.json 2.json 4.json 8.json > docs/fanout.svg

Times are in multiples of the bound, which is the same for any number of nodes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.svg import COLOURS, curve, line, picture, text

WIDTH: Final = 720
HEIGHT: Final = 380
LEFT, RIGHT, TOP, BOTTOM = 64, 170, 24, 52
COLUMN: Final = "last ÷ bound"

Curves = Mapping[str, list[tuple[int, float]]]
"""By contender: the number of nodes, and the last one's time in multiples of the bound."""


def read(reports: Iterable[Mapping[str, Any]]) -> Curves:
    """The medians of reports that `fanout --json` wrote."""
    found: dict[str, list[tuple[int, float]]] = {}
    for report in sorted(reports, key=lambda report: int(report["options"]["receivers"])):
        for who, figures in report["medians"].items():
            found.setdefault(who, []).append((report["options"]["receivers"], figures[COLUMN]))
    return found


def draw(curves: Curves, caption: str) -> str:
    """The picture."""
    points = [point for row in curves.values() for point in row]
    most, highest = max(number for number, _ in points), max(ratio for _, ratio in points)

    def place(number: float, ratio: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * number / most
        return x, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ratio / highest

    body: list[str] = []
    for half in range(int(2 * highest) + 1):
        (x1, y), (x2, _) = place(0, half / 2), place(most, half / 2)
        body += [
            line(x1, y, x2, y, "#888" if half == 2 else "#ddd"),
            text(x1 - 8, y + 4, f"{half / 2:g}", "end"),
        ]
    for number in sorted({number for number, _ in points}):
        body.append(text(place(number, 0)[0], HEIGHT - BOTTOM + 18, str(number), "middle"))
    body.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, caption, "middle"))
    for order, (who, row) in enumerate(curves.items()):
        colour = COLOURS[order % len(COLOURS)]
        body.append(curve([place(*point) for point in row], colour, 2))
        x, y = WIDTH - RIGHT + 16, TOP + 8 + 36 * order
        body += [line(x, y, x + 24, y, colour, 2), text(x, y + 15, f"{who}: {row[-1][1]:.2f}", "start")]
    return picture(WIDTH, HEIGHT, body)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reports", type=Path, nargs="+", metavar="FILE", help="what fanout --json wrote")
    reports = [json.loads(path.read_text("utf-8")) for path in parser.parse_args().reports]
    options = reports[0]["options"]
    caption = f"nodes that want {options['mib']} MiB at {options['mbit']} Mbit/s; last node's time ÷ bound"
    sys.stdout.write(draw(read(reports), caption))


if __name__ == "__main__":
    main()
