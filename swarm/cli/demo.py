"""Show the whole thing on one machine, with no network: a small hub, several nodes, a report.

A made-up model lies on a hub on loopback that sends no faster than --rate. Several nodes, each a
process with a store of its own, fetch it at the same moment. The report says how often it left the hub.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from swarm.cli.messages import tr
from swarm.cli.output import print_json, print_table
from swarm.config.units import parse_rate, parse_size, show_duration, show_rate, show_size
from swarm.errors import UsageError

if TYPE_CHECKING:
    from swarm.cli.demo_run import Outcome

MAX_NODES: Final = 32
"""Each is a process of some 60 MB."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=4, metavar="N", help="how many nodes (default: 4)")
    parser.add_argument("--size", default="64MiB", help="bytes of weights (default: 64MiB)")
    parser.add_argument("--rate", default="8MB/s", help="what the hub sends at most (default: 8MB/s)")


def run(options: argparse.Namespace) -> int:
    try:
        size, rate = parse_size(options.size), parse_rate(options.rate)
    except ValueError as error:
        raise UsageError(f"swarm demo: {error}.") from None
    if not size or not rate or not 1 <= options.nodes <= MAX_NODES:
        raise UsageError(f"swarm demo needs a size, a rate, and 1 to {MAX_NODES} nodes.")
    if not options.quiet:
        plan = tr(
            "{nodes} nodes on this machine fetch a model of {size} at once, from a hub that sends {rate}…",
            nodes=options.nodes,
            size=show_size(size),
            rate=show_rate(rate),
        )
        print(plan, file=sys.stderr)
    from swarm.cli import running
    from swarm.cli.demo_run import demonstrate

    outcome = running.run_interrupted("error", partial(demonstrate, options.nodes, size, rate))
    if options.json:
        print_json(outcome.as_json())
    else:
        _show(outcome)
    return 0


def _show(outcome: Outcome) -> None:
    rows = [
        [str(number), show_duration(node.seconds), show_size(node.upstream), show_size(node.peers), tr("yes")]
        for number, node in enumerate(outcome.nodes, 1)
    ]
    print_table([tr("node"), tr("time"), tr("from upstream"), tr("from peers"), tr("verified")], rows)
    print()
    print(
        tr(
            "The model has {size}; the hub sent {sent}: {times:.2f} times the model for {nodes} nodes.",
            size=show_size(outcome.size),
            sent=show_size(outcome.sent),
            times=outcome.sent / outcome.size,
            nodes=len(outcome.nodes),
        )
    )
    print(
        tr(
            "The last node had it after {time}: {ratio:.2f} times the {bound} it takes to send it once.",
            time=show_duration(outcome.last),
            bound=show_duration(outcome.bound),
            ratio=outcome.last / outcome.bound,
        )
    )
