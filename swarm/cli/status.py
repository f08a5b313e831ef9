"""Show what this node does.

Without a daemon, a node is started for the moment it takes to look.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from swarm.cli.asking import answer
from swarm.cli.messages import tr
from swarm.cli.output import print_json
from swarm.config.units import show_duration, show_size

if TYPE_CHECKING:
    from swarm.client.interface import Session
    from swarm.node.api import Status


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(options: argparse.Namespace) -> int:
    status, embedded = answer(options, _ask)
    if options.json:
        print_json(status)
    else:
        _show(status, embedded=embedded)
    return 0


def _ask(session: Session) -> tuple[Status, bool]:
    return session.api.status(), session.embedded


def _show(status: Status, *, embedded: bool) -> None:
    running = tr("no daemon runs") if embedded else tr("up {time}", time=show_duration(status["uptime"]))
    print(f"{tr('node')}       {status['node']}  ({status['version']}, {running})")
    if not embedded:
        print(f"{tr('listening')}  {', '.join(status['listen'])}")
    print(f"{tr('peers')}      {len(status['peers'])}")
    if site := status["site"]:
        shared = tr("shares private models") if site["share_private"] else tr("shares no private models")
        print(f"{tr('site')}       {site['name']}, {site['members']} {tr('members')}, {shared}")
    complete = sum(row["complete"] for row in status["snapshots"])
    print(f"{tr('models')}     {complete}, {len(status['snapshots']) - complete} {tr('incomplete')}")
    quota = status["store"]["quota"]
    limit = f" {tr('of')} {show_size(quota)}" if quota else ""
    print(f"{tr('store')}      {show_size(status['store']['bytes'])}{limit}")
