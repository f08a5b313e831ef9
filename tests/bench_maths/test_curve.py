"""The picture of fan-outs against the number of nodes."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.bench.curve import COLUMN, draw, read


def report(receivers: int, **ratios: float) -> dict[str, object]:
    return {
        "options": {"receivers": receivers, "mib": 1, "mbit": 1},
        "medians": {who: {COLUMN: ratio} for who, ratio in ratios.items()},
    }


def test_points_are_in_the_order_of_the_nodes_whatever_that_of_the_files() -> None:
    curves = read([report(8, ours=1.2, theirs=2.0), report(1, ours=1.1), report(4, ours=1.15, theirs=1.5)])
    assert curves == {"ours": [(1, 1.1), (4, 1.15), (8, 1.2)], "theirs": [(4, 1.5), (8, 2.0)]}


def test_who_takes_twice_as_long_is_drawn_twice_as_high() -> None:
    root = ElementTree.fromstring(draw({"ours": [(4, 1.0), (8, 1.0)], "theirs": [(8, 2.0)]}, "nodes"))
    name = "{http://www.w3.org/2000/svg}"
    ours, theirs = (curve.get("points", "").split() for curve in root.iter(f"{name}polyline"))
    floor = max(float(line.get("y1", 0)) for line in root.iter(f"{name}line"))
    heights = [floor - float(point.split(",")[1]) for point in (ours[-1], theirs[-1])]
    assert heights[1] == 2 * heights[0] > 0
    assert [point.split(",")[0] for point in (ours[-1], theirs[-1])] == [ours[-1].split(",")[0]] * 2
    assert any((text.text or "").startswith("theirs: 2.00") for text in root.iter(f"{name}text"))
