"""From figures of several repetitions to one table: medians, ratios, targets. Pure.

A run is one repetition: what each contender measured, by the name of the contender and of the figure. A
ratio between contenders is taken within each run and then its median, as the machine's own ups and downs
concern both. The table is Markdown, to be pasted into docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Figures = Mapping[str, float]
Run = Mapping[str, Figures]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the figure `key`, or, when `to` names a contender, `key` divided by that one's."""

    key: str
    title: str
    form: str = ".2f"
    to: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What a contender's median in the column with this title must be: at most or at least a `limit`."""

    who: str
    title: str
    kind: Literal["at most", "at least"]
    limit: float

    def met(self, found: float) -> bool:
        return found <= self.limit if self.kind == "at most" else found >= self.limit


def value(column: Column, who: str, run: Run) -> float | None:
    """What the column says of a contender in one run; None where it was not measured."""
    figure = run.get(who, {}).get(column.key)
    if not column.to or figure is None:
        return figure
    other = run.get(column.to, {}).get(column.key)
    return figure / other if other else None


def middle(column: Column, who: str, runs: Sequence[Run]) -> float | None:
    """The median of `value` over the runs that have one."""
    found = [figure for run in runs if (figure := value(column, who, run)) is not None]
    return median(found) if found else None


def table(columns: Sequence[Column], runs: Sequence[Run]) -> str:
    """A Markdown table with a row for each contender, in the order in which they were measured."""
    header = ["", *(column.title for column in columns)]
    rows = [[who, *(_cell(column, who, runs) for column in columns)] for who in contenders(runs)]
    widths = [max(map(len, cells)) for cells in zip(header, *rows, strict=True)]
    rule = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in (header, rule, *rows))


def contenders(runs: Sequence[Run]) -> list[str]:
    """Everybody who was measured in one of the runs."""
    return list(dict.fromkeys(who for run in runs for who in run))


def verdicts(targets: Sequence[Target], columns: Sequence[Column], runs: Sequence[Run]) -> list[str]:
    """One line for each target that was measured."""
    by_title = {column.title: column for column in columns}
    lines = []
    for target in targets:
        column = by_title[target.title]
        found = middle(column, target.who, runs)
        if found is not None:
            verdict = "met" if target.met(found) else "MISSED"
            limit, shown = format(target.limit, column.form), format(found, column.form)
            lines.append(f"{verdict}: {target.who}, {target.title}: {shown}, {target.kind} {limit}")
    return lines


def _cell(column: Column, who: str, runs: Sequence[Run]) -> str:
    found = middle(column, who, runs)
    return "" if found is None else format(found, column.form)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if number == 0 else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join((first, *others))} |"
