"""Show this node's site: until when it belongs to it, whom it let in, who is out, and what is wrong.

A daemon is asked, when one runs, for the members it has links with and those it refuses.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swarm.cli.at_site import Desk, rights_named
from swarm.cli.messages import tr
from swarm.cli.output import print_json, print_table, short_node

if TYPE_CHECKING:
    from protocol.invitation import Grant
    from swarm.node.api import SiteRow, TroubleRow

DAY = 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(options: argparse.Namespace) -> int:
    from swarm.sites import administration

    desk = Desk(options)
    grant, _ = administration.issuer_of(desk.folder, desk.me)
    status = desk.status()
    facts = _facts(desk, grant, status["site"] if status else None)
    if options.json:
        print_json(facts)
    else:
        _show(grant, facts)
    return 0


def _facts(desk: Desk, grant: Grant, running: SiteRow | None) -> dict[str, Any]:
    """What `--json` prints."""
    from dataclasses import asdict

    from protocol.ids import to_text
    from swarm.sites import administration

    membership = grant.membership
    said = administration.revocations(desk.folder, grant)
    now = time.time()
    return {
        "site": to_text(membership.site),
        "name": grant.name,
        "node": to_text(membership.node_id),
        "rights": membership.rights.name.lower(),
        "issued": membership.own.issued,
        "expires": membership.own.expires,
        "fault": "revoked" if said.revoked(membership) else membership.fault_at(now),
        "share_private": running["share_private"] if running else desk.settings.share_private,
        "root_key": str(desk.folder.root.path) if desk.folder.root.exists else None,
        "revoked": sorted({to_text(node) for one in said.lists for node in one.nodes}),
        "let_in": [asdict(row) for row in desk.folder.issued()],
        "invitations": [
            {"uses": one.uses, "used": one.used, "expires": one.expires, "rights": one.rights.name.lower()}
            for one in desk.folder.invitations.all()
            if one.expires > now
        ],
        "running": running,
    }


def _show(grant: Grant, facts: dict[str, Any]) -> None:
    from swarm.sites.administration import date

    print(f"{tr('site')}     {facts['name']}  ({facts['site']})")
    print(f"{tr('node')}     {facts['node']}")
    print(f"{tr('rights')}   {rights_named(grant.membership.rights)}")
    until = tr("until {date}, renewed from {half} on", date=date(facts["expires"]), half=date(_half(facts)))
    print(f"{tr('holds')}    {until}")
    shared = tr("shared with members that share theirs") if facts["share_private"] else tr("not shared")
    print(f"{tr('private')}  {shared}")
    if facts["fault"]:
        print(_faults()[facts["fault"]])
    for one in facts["invitations"]:
        left = tr("{used} of {uses} used, until {date}", **one, date=date(one["expires"]))
        print(f"{tr('token')}    {left}")
    if facts["let_in"]:
        header = [tr("node"), tr("name"), tr("until"), ""]
        print_table(header, [_let_in(row, facts["revoked"]) for row in facts["let_in"]])
    elif facts["revoked"]:
        print(f"{tr('revoked')}  {', '.join(short_node(node) for node in facts['revoked'])}")
    if facts["running"]:
        _show_running(facts["running"])


def _half(facts: dict[str, Any]) -> float:
    half: float = (facts["issued"] + facts["expires"]) / 2
    return half


def _let_in(row: dict[str, Any], revoked: Sequence[str]) -> list[str]:
    from swarm.sites.administration import date

    state = tr("revoked") if row["node"] in revoked else ""
    return [short_node(row["node"]), row["name"], date(row["expires"]), state]


def _faults() -> dict[str, str]:
    return {
        "expired": tr("The certificate of this node has expired: join again, or set the clock here."),
        "not valid yet": tr("The certificate of this node lies in the future: the clock here is wrong."),
        "revoked": tr("This node was revoked: nobody in the site links with it."),
    }


def _show_running(running: SiteRow) -> None:
    """What the daemon says, and what is to be done about whom it refuses."""
    print(f"{tr('members')}  {running['members']}")
    off = [row for row in running["troubles"] if row["cause"] == "clock"]
    if off and len(off) > running["members"]:
        days = sorted(row["ahead"] for row in off)[len(off) // 2] / DAY
        print(
            tr(
                "The clock of this machine is wrong: {count} members say it is {days:+.1f} days from here.",
                count=len(off),
                days=days,
            )
        )
        print(tr("Set it (`timedatectl set-ntp true`)."))
        return
    for row in running["troubles"]:
        print(tr("refused: {node}, {cause}", node=short_node(row["node"]), cause=_cause(row)))


def _cause(row: TroubleRow) -> str:
    if row["cause"] == "clock":
        return tr("its clock is {days:+.1f} days from ours", days=row["ahead"] / DAY)
    causes = {
        "forged": tr("it shows what is not its own"),
        "expired": tr("its certificate has expired"),
        "not valid yet": tr("its certificate lies in the future"),
        "revoked": tr("it was revoked"),
        "own expired": tr("the certificate of this node has expired"),
        "own not valid yet": tr("the certificate of this node lies in the future"),
        "own revoked": tr("this node was revoked"),
    }
    return causes.get(row["cause"], row["cause"])
