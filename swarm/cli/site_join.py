"""Enter a site: with a token over the LAN, or by two files carried by hand.

TOKEN is what `swarm site invite` printed, a file that holds it, or - for standard input. By hand: `swarm site
join --request > FILE` here, `swarm site invite --request FILE > ANSWER` there, `swarm site join ANSWER` here.
A node that is in the site already stays in it, and the command succeeds.
"""

from __future__ import annotations

import argparse
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

from swarm.cli.at_site import Desk, note, text_of
from swarm.cli.messages import tr
from swarm.cli.output import print_json
from swarm.errors import UsageError

if TYPE_CHECKING:
    from protocol.invitation import Grant, Token


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("token", nargs="?", metavar="TOKEN", help="token or answer, a file with it, or -")
    parser.add_argument("--request", action="store_true", help="print a request to carry to the site")
    parser.add_argument("--name", help="what to call this machine (its host name)")
    parser.add_argument("--peers", metavar="HOST[:PORT]", help="where to call the inviter [SWARM_PEERS]")


def run(options: argparse.Namespace) -> int:
    if options.request == bool(options.token):
        raise UsageError("Give either a token or --request.", "`swarm site join --help` says more.")
    name = options.name or socket.gethostname()
    if options.request:
        return _request(options, name)
    from protocol.armor import BadArmor
    from protocol.invitation import Token
    from swarm.node import joining

    try:
        given = joining.parse(text_of(options.token))
    except BadArmor as error:
        raise UsageError(f"This is neither a token nor an answer: {error}.", "Copy all of it.") from None
    desk = Desk(options)
    if isinstance(given, Token):
        return _join(options, desk, given, name)
    return _accept(options, desk, given)


def _request(options: argparse.Namespace, name: str) -> int:
    from protocol.armor import BadArmor
    from protocol.invitation import request

    desk = Desk(options)
    try:
        asked = request(desk.me, name)
    except BadArmor:
        raise UsageError(f"{name!r} cannot be the name of a machine.", "Give another by --name.") from None
    if options.json:
        print_json({"request": str(asked), "name": name})
    else:
        print(asked)
    return 0


def _join(options: argparse.Namespace, desk: Desk, token: Token, name: str) -> int:
    """Redeem a token, unless this node is in already."""
    from swarm.discovery.local import lan_hosts
    from swarm.discovery.static import parse_peers
    from swarm.exchange.tcp import TcpNetwork
    from swarm.node import joining
    from swarm.sites import administration

    held = administration.elsewhere(desk.folder, token.site)
    if held is not None and held.membership.fault_at(time.time()) is None:
        revoked = administration.revocations(desk.folder, held).revoked(held.membership)
        if revoked is None:
            return _tell(options, held, joined=False)
    redeem = partial(
        joining.redeem,
        desk.me,
        token,
        name,
        network=TcpNetwork(lan_hosts),
        peers=parse_peers(",".join(desk.settings.peers)),
        wall=time.time,
    )
    return _accept(options, desk, desk.run(redeem))


def _accept(options: argparse.Namespace, desk: Desk, grant: Grant) -> int:
    from swarm.sites import administration

    joined = administration.accept(desk.folder, desk.me, grant, time.time())
    return _tell(options, desk.folder.grant() or grant, joined=joined)


def _tell(options: argparse.Namespace, grant: Grant, *, joined: bool) -> int:
    from protocol.ids import to_text

    own = grant.membership.own
    if options.json:
        print_json(
            {
                "site": to_text(grant.membership.site),
                "name": grant.name,
                "node": to_text(own.node_id),
                "rights": grant.membership.rights.name.lower(),
                "issued": own.issued,
                "expires": own.expires,
                "joined": joined,
            }
        )
        return 0
    print(to_text(grant.membership.site))
    said = tr("This node has joined the site {name}.") if joined else tr("This node was in {name} already.")
    note(options, said.format(name=grant.name))
    return 0
