"""The command `swarm`: parse, ask a node, print. One file per command.

Only the standard library is loaded until a command runs, so that `swarm --version` and mistakes in
the command line answer at once. What a command does not foresee ends in `swarm.cli.exits`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code (`swarm.errors`)."""
    from swarm.cli import exits, parser

    words = list(sys.argv[1:] if arguments is None else arguments)
    return exits.guarded(lambda: parser.run(words), debug=exits.wants_debug(words))
