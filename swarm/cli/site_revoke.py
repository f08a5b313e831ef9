"""Put nodes out of the site: by id, by the beginning of one, or by the name of a machine let in here.

The daemon of this home tells the others; each cuts the node off the moment it hears of it. What a revoked
issuer has let in is out as well, and joins again with another token. There is no way back for a key.
"""

from __future__ import annotations

import argparse
import time

from swarm.cli.at_site import Desk, note
from swarm.cli.messages import tr
from swarm.cli.output import print_json


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("nodes", nargs="+", metavar="NODE", help="an id, its beginning, or a machine's name")


def run(options: argparse.Namespace) -> int:
    from protocol.ids import to_text
    from swarm.sites import administration

    desk = Desk(options)
    administration.issuer_of(desk.folder, desk.me)
    secret = desk.root_passphrase()
    revocation = administration.put_out(desk.folder, desk.me, options.nodes, secret, time.time())
    nodes = [to_text(node) for node in revocation.nodes]
    if options.json:
        print_json({"revoked": nodes, "version": revocation.version})
    else:
        print("\n".join(nodes))
    if desk.status() is None:
        note(options, tr("No daemon runs here: others hear of it once `swarm daemon` does."))
    return 0
