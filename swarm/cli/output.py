"""What goes to stdout: one JSON value, or lines for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def print_json(value: object) -> None:
    """One line, so that whoever reads a stream of lines can take it too."""
    print(json.dumps(value))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as what is in them."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_rows(
    rows: Sequence[T], *, as_json: bool, header: Sequence[str], cells: Callable[[T], Sequence[str]], none: str
) -> None:
    """What a command lists: as JSON, or a table with the `cells` of each row; `none` if there are no rows."""
    if as_json:
        print_json(rows)
    elif not rows:
        print(none)
    else:
        print_table(header, [cells(row) for row in rows])


def short_node(node: str) -> str:
    """Enough of a node's id to tell the nodes of one LAN apart (`protocol.ids.short`)."""
    return node[:10]
