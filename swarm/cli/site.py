"""Keep a model within a group of machines: create a site, let nodes in, put them out.

Nodes of a site talk to one another and to nobody else (SWARM_SERVE_OPEN=1: to open nodes as well, for what
is public). docs/sites.md has a line for each way to set machines up.
"""

from __future__ import annotations

import argparse
from typing import Final

SUBCOMMANDS: Final = ("create", "invite", "join", "leave", "revoke", "show")


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options: those of each command are its own."""
