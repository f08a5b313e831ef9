"""List what the store of this node holds."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from swarm.cli.asking import answer
from swarm.cli.messages import tr
from swarm.cli.output import print_rows
from swarm.config.units import show_size

if TYPE_CHECKING:
    from swarm.client.interface import Session
    from swarm.node.api import ModelRow


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(options: argparse.Namespace) -> int:
    rows = answer(options, _ask)
    header = [tr("hub"), tr("repository"), tr("revision"), tr("commit"), tr("size"), tr("held")]
    print_rows(rows, as_json=options.json, header=header, cells=_cells, none=tr("The store is empty."))
    return 0


def _ask(session: Session) -> list[ModelRow]:
    return session.api.models()


def _cells(row: ModelRow) -> list[str]:
    prefix = "" if row["repo_type"] == "model" else f"{row['repo_type']}s/"
    held = tr("all") if row["complete"] else f"{100 * row['held'] / max(1, row['bytes']):.1f} %"
    return [
        row["hub"],
        prefix + row["repo"],
        ",".join(row["revisions"]),
        row["commit"][:12],
        show_size(row["bytes"]),
        held,
    ]
