"""List the nodes this one is connected to.

Without a daemon, a node is started and looks round for a few seconds.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from swarm.cli.asking import answer
from swarm.cli.messages import tr
from swarm.cli.output import print_rows, short_node
from swarm.config.units import show_size

if TYPE_CHECKING:
    from swarm.client.interface import Session
    from swarm.node.api import PeerRow

LOOK_SECONDS: Final = 3.0
"""mDNS answers come within a second, and a link takes a few round trips."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(options: argparse.Namespace) -> int:
    rows = answer(options, _ask)
    header = [tr("node"), tr("address"), tr("via"), tr("sent"), tr("received"), tr("standing")]
    print_rows(rows, as_json=options.json, header=header, cells=_cells, none=tr("No peers."))
    return 0


def _ask(session: Session) -> list[PeerRow]:
    if session.embedded:
        session.aside(partial(time.sleep, LOOK_SECONDS))
    return session.api.peers()


def _cells(row: PeerRow) -> list[str]:
    return [
        short_node(row["node"]),
        row["address"],
        row["via"],
        show_size(row["sent"]),
        show_size(row["received"]),
        tr("member") if row["standing"] == "member" else tr("open"),
    ]
