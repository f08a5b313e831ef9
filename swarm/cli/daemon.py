"""Run a node: discover, share, answer `swarm get`, until it is stopped.

SIGTERM and SIGINT stop it in order. With --json it prints its status once it is ready.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from swarm.cli.messages import tr
from swarm.cli.options import add_node_options, settings
from swarm.cli.output import print_json

if TYPE_CHECKING:
    from swarm.config.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    add_node_options(parser)
    parser.add_argument("--quota", metavar="SIZE", help="most bytes in the store [SWARM_QUOTA]")
    parser.add_argument(
        "--endpoint", metavar="URL", action="append", help="upstream to use, may be repeated [SWARM_ENDPOINT]"
    )
    parser.add_argument("--offline", action="store_true", help="never ask an upstream [HF_HUB_OFFLINE]")
    parser.add_argument(
        "--log-level", metavar="LEVEL", help="debug, info, warning or error [SWARM_LOG_LEVEL]"
    )


def run(options: argparse.Namespace) -> int:
    chosen = settings(options)
    from swarm.cli import running

    try:
        running.run(chosen.log_level, partial(_serve, chosen, options))
    except running.Stopped:
        return 0
    return 0


async def _serve(settings: Settings, options: argparse.Namespace) -> None:
    import trio

    from swarm.node.run import run_node

    async with run_node(settings, embedded=False) as api:
        status = await api.status()
        if options.json:
            print_json(status)
            sys.stdout.flush()
        if not options.quiet:
            where = ", ".join(status["listen"])
            print(
                tr("Node {node} listens on {where}.", node=status["node"][:10], where=where), file=sys.stderr
            )
        await trio.sleep_forever()
