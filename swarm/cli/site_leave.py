"""Leave the site: this node's certificate goes, and with it its invitations and the list of whom it let in.

A running daemon notices: it cuts its links with members, and links with any node of its LAN from then on. A
root key that lies here is kept, under another name. To come back takes a new token. A node that is in no
site stays in none, and the command succeeds.
"""

from __future__ import annotations

import argparse

from swarm.cli.at_site import Desk, confirm, note
from swarm.cli.messages import tr
from swarm.cli.output import print_json


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")


def run(options: argparse.Namespace) -> int:
    from protocol.ids import to_text
    from swarm.sites import administration

    desk = Desk(options)
    held = administration.readable(desk.folder)
    if desk.folder.joined and not options.yes:
        confirm(tr("Leave the site {name}? To come back takes a new token.", name=held.name if held else "?"))
    left = administration.leave(desk.folder)
    site = to_text(held.membership.site) if held else None
    if options.json:
        print_json(
            {
                "site": site,
                "name": held.name if held else None,
                "node": to_text(desk.me.node_id),
                "left": left.joined,
                "root_key": str(left.root_key) if left.root_key else None,
            }
        )
        return 0
    if site:
        print(site)
    if left.joined:
        note(options, tr("This node has left its site, and links with any node of its LAN now."))
    else:
        note(options, tr("This node was in no site."))
    if left.root_key:
        note(options, tr("The root key lies in {path} now: keep it.", path=left.root_key))
    return 0
