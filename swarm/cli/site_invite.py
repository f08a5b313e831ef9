"""Print a token that lets other machines in, or the answer to a request that was carried here by hand.

The token works while `swarm daemon` runs on this machine: `swarm site join TOKEN` on the other ones calls it.
Whoever has the token can use it, so keep it short-lived and treat it as a password.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from swarm.cli.at_site import Desk, note, text_of
from swarm.cli.messages import tr
from swarm.cli.output import print_json
from swarm.config.units import parse_span
from swarm.errors import UsageError

if TYPE_CHECKING:
    from protocol.membership import Rights


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--uses", metavar="N", type=int, default=1, help="how many machines may join (1)")
    parser.add_argument("--valid", metavar="TIME", default="1h", help="for how long, as 30m, 12h or 7d (1h)")
    parser.add_argument("--issuer", action="store_true", help="who joins may let in others in turn")
    parser.add_argument("--request", metavar="FILE", help="print the answer to this request instead")


def run(options: argparse.Namespace) -> int:
    from protocol.membership import Rights

    try:
        valid = parse_span(options.valid)
    except ValueError as error:
        raise UsageError(f"--valid: {error}.") from None
    desk = Desk(options)
    rights = Rights.ISSUER if options.issuer else Rights.MEMBER
    if options.request:
        return _answer(options, desk, rights)
    return _invite(options, desk, rights, valid)


def _invite(options: argparse.Namespace, desk: Desk, rights: Rights, valid: float) -> int:
    from swarm.sites import administration

    administration.issuer_of(desk.folder, desk.me)
    status = desk.status()
    token = administration.invite(
        desk.folder,
        desk.me,
        uses=options.uses,
        valid=valid,
        rights=rights,
        addresses=desk.addresses(status),
        now=time.time(),
    )
    if options.json:
        print_json(
            {
                "token": str(token),
                "uses": options.uses,
                "expires": token.expires,
                "addresses": list(token.addresses),
            }
        )
    else:
        print(token)
    if status is None:
        note(options, tr("No daemon runs here: the token works once `swarm daemon` does."))
    return 0


def _answer(options: argparse.Namespace, desk: Desk, rights: Rights) -> int:
    from protocol.ids import to_text
    from swarm.sites import administration

    addresses = desk.addresses(desk.status())
    asked = text_of(options.request)
    grant = administration.answer(desk.folder, desk.me, asked, rights, addresses, time.time())
    if options.json:
        own = grant.membership.own
        print_json({"answer": str(grant), "node": to_text(own.node_id), "expires": own.expires})
    else:
        print(grant)
    return 0
