"""Make a site, with this node as its founder; prints the site's id.

The root key lies in $SWARM_HOME/site/root.key. Keep a copy elsewhere: with it, `swarm site create NAME
--root COPY` founds the site anew on another machine. Doing it again here renews this node's certificate.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from swarm.cli.at_site import Desk, note, passphrase
from swarm.cli.messages import tr
from swarm.cli.output import print_json
from swarm.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what people call the site")
    parser.add_argument(
        "--passphrase",
        action="store_true",
        help="encrypt the root key; asks for a passphrase, or takes SWARM_SITE_PASSPHRASE",
    )
    parser.add_argument("--root", metavar="FILE", help="the root key of a site there is, to found it here")


def run(options: argparse.Namespace) -> int:
    from protocol.ids import to_text
    from swarm.sites import administration

    desk = Desk(options)
    copy = Path(options.root).expanduser() if options.root else None
    secret = _passphrase(desk, copy, wanted=options.passphrase)
    grant = administration.create(desk.folder, desk.me, options.name, secret, time.time(), root=copy)
    own = grant.membership.own
    if options.json:
        print_json(
            {
                "site": to_text(grant.membership.site),
                "name": grant.name,
                "node": to_text(desk.me.node_id),
                "root_key": str(desk.folder.root.path),
                "encrypted": desk.folder.root.encrypted,
                "issued": own.issued,
                "expires": own.expires,
            }
        )
        return 0
    print(to_text(grant.membership.site))
    note(options, tr("Keep a copy of {path} in a safe place.", path=desk.folder.root.path))
    note(options, tr("`swarm site invite` prints a token for other machines."))
    return 0


def _passphrase(desk: Desk, copy: Path | None, *, wanted: bool) -> str | None:
    """What opens the root key there is, or closes the new file of it; None for none."""
    from swarm.sites.rootkey import RootFile

    there = desk.folder.root if desk.folder.root.exists or copy is None else RootFile(copy)
    if there.exists and there.encrypted:
        return passphrase(confirm=False)
    if wanted and desk.folder.root.exists:
        raise UsageError(
            f"The root key in {there.path} is not encrypted.",
            "Move it away, and name it by --root to have it so.",
        )
    return passphrase(confirm=True) if wanted else None
