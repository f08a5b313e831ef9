"""What a person does about a site: create it, invite, answer a request, accept an answer, revoke, leave.

All of it is done on the files of `SiteFolder`, by a command, whether a daemon runs or not: a running one
notices. Times are seconds since 1970. Functions block, and raise SwarmError.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from protocol.armor import BadArmor
from protocol.fields import BadMessage, text
from protocol.ids import NodeId, from_text, node_id
from protocol.invitation import Grant, Token, parse_request
from protocol.limits import MAX_NAME
from protocol.membership import CLOCK_TOLERANCE, DAY, Rights, found
from protocol.revocation import BadRevocation, Revocation, Revocations, revoke
from protocol.signing import Identity, SigningKey
from swarm.errors import NotAllowed, StoreError, UsageError
from swarm.sites.folder import SiteFolder
from swarm.sites.invitations import Invitation
from swarm.sites.issuing import Issuer, refused
from swarm.sites.rootkey import RootFile

SEED_BYTES: Final = 32

MAX_VALID_SECONDS: Final = 30 * DAY
"""Longest life of a token: it lies in playbooks and shell histories. An hour does for most."""


def create(
    folder: SiteFolder, me: Identity, name: str, passphrase: str | None, now: float, *, root: Path | None
) -> Grant:
    """Found a site, with this node as its founder; or, where its root key lies, found it anew.

    `root`: a copy of the root key to begin with. Doing it again renews the founder's own certificate.
    """
    _check_name(name)
    held = folder.grant()
    if held is not None and held.name != name:
        raise UsageError(
            f"This node belongs to the site {held.name!r}.",
            "Set SWARM_HOME to another home for another site.",
        )
    if root is not None and not folder.root.exists:
        folder.root.make(passphrase, RootFile(root).seed(passphrase))
    elif folder.root.exists:
        folder.root.open(passphrase)
    elif held is None:
        folder.root.make(passphrase)
    else:
        raise UsageError(
            f"This node belongs to the site {name!r} already, whose root key lies elsewhere.",
            "Name a copy of the root key by --root to found it anew here.",
        )
    key = folder.root.open(passphrase)
    membership = found(key, me.public_key, now)
    if held is not None and held.membership.site != membership.site:
        raise UsageError(f"This is not the root key of the site {name!r}.", "Check --root.")
    grant = Grant(name, membership, held.addresses if held else ())
    folder.keep_grant(grant)
    return grant


def issuer_of(folder: SiteFolder, me: Identity) -> tuple[Grant, Issuer]:
    """This node as one that lets others in. UsageError when it belongs to no site."""
    grant = folder.grant()
    if grant is None:
        raise UsageError(
            "This node belongs to no site.",
            "`swarm site create NAME` makes one, `swarm site join` enters one.",
        )
    return grant, Issuer(folder, me, grant.membership, revocations(folder, grant))


def revocations(folder: SiteFolder, grant: Grant) -> Revocations:
    """What is revoked in the site, as far as this node knows."""
    return Revocations(grant.membership.site, folder.revocations())


def invite(
    folder: SiteFolder,
    me: Identity,
    *,
    uses: int,
    valid: float,
    rights: Rights,
    addresses: Sequence[str],
    now: float,
) -> Token:
    """A token that lets `uses` nodes in for `valid` seconds. `addresses`: where this node is called."""
    grant, issuer = issuer_of(folder, me)
    if valid > MAX_VALID_SECONDS:
        raise UsageError("A token is valid for 30 days at most.", "Write --valid 30d, or less.")
    seed = secrets.token_bytes(SEED_BYTES)
    expires = int(now + valid)
    try:
        invitation = Invitation(SigningKey(seed).public_key, uses, expires, rights)
    except ValueError as error:
        raise UsageError(f"--uses: {error}.") from None
    issuer.invite(invitation, now)
    return Token(grant.membership.site, me.node_id, seed, expires, grant.name, tuple(addresses))


def answer(
    folder: SiteFolder, me: Identity, request: str, rights: Rights, addresses: Sequence[str], now: float
) -> Grant:
    """What the node that wrote this request is to be brought."""
    grant, issuer = issuer_of(folder, me)
    try:
        asked = parse_request(request)
    except BadArmor as error:
        raise UsageError(f"This is no request: {error}.", "`swarm site join --request` writes one.") from None
    membership = issuer.answer(asked.public_key, asked.name, rights, now)
    return Grant(grant.name, membership, tuple(addresses))


def accept(folder: SiteFolder, me: Identity, grant: Grant, now: float) -> bool:
    """Make this node a member by a grant; False if it has one as good. Raises NotAllowed, UsageError."""
    fresh = grant.membership
    if fresh.node_id != me.node_id:
        raise NotAllowed(
            "This membership was made for another node.", "Make a request on this machine, and answer that."
        )
    _check_time(fresh.own.issued, fresh.own.expires, now)
    held = elsewhere(folder, fresh.site)
    if held is not None:
        known = held.membership
        if (known.rights, known.own.expires) >= (fresh.rights, fresh.own.expires):
            return False
    folder.keep_grant(grant)
    return True


def elsewhere(folder: SiteFolder, site: bytes) -> Grant | None:
    """What this node holds of that site; UsageError when it belongs to another one."""
    held = folder.grant()
    if held is not None and held.membership.site != site:
        raise UsageError(
            f"This node belongs to the site {held.name!r}.",
            "`swarm site leave` leaves it; or set SWARM_HOME to another home.",
        )
    return held


@dataclass(frozen=True, slots=True)
class Left:
    """What leaving did. joined: there was a membership. root_key: where the root key lies now, if one did."""

    joined: bool
    root_key: Path | None


def leave(folder: SiteFolder) -> Left:
    """Have this node belong to no site. A root key is put aside; where it cannot be, nothing is done."""
    joined = folder.joined
    root_key = folder.root.put_aside() if joined and folder.root.exists else None
    folder.clear()
    return Left(joined, root_key)


def readable(folder: SiteFolder) -> Grant | None:
    """What this node holds of a site, None also where that is damaged."""
    try:
        return folder.grant()
    except StoreError:
        return None


def put_out(
    folder: SiteFolder, me: Identity, names: Sequence[str], passphrase: str | None, now: float
) -> Revocation:
    """Revoke these nodes: by the root where it lies, else by this node, which must be one that may issue."""
    grant, issuer = issuer_of(folder, me)
    nodes = [node for name in names for node in _nodes(folder, name)]
    by_root = folder.root.exists
    key: SigningKey = folder.root.open(passphrase) if by_root else me
    if not by_root and (grant.membership.rights < Rights.ISSUER or grant.membership.fault_at(now)):
        raise refused("no issuer")
    signer = None if by_root else grant.membership
    if not by_root and not {one.node_id for one in grant.membership.chain}.isdisjoint(nodes):
        raise NotAllowed(
            "A node cannot revoke itself or those that let it in.", "Revoke them where the root key lies."
        )
    before = issuer.revocations.by(key.public_key)
    nodes += _revoked_by(issuer.revocations, nodes)
    try:
        revocation = revoke(key, grant.membership.root_key, signer, before, nodes, now)
    except BadRevocation as error:
        raise UsageError(f"These cannot be revoked: {error}.") from error
    folder.keep_revocation(revocation)
    return revocation


def _revoked_by(revocations: Revocations, signers: Sequence[NodeId]) -> list[NodeId]:
    """Whom these nodes have revoked: their lists are not taken any more by whoever has not got them yet."""
    lists = [one for one in revocations.lists if node_id(one.key) in signers]
    return [node for one in lists for node in one.nodes]


def _nodes(folder: SiteFolder, name: str) -> list[NodeId]:
    """The nodes that are meant: by id, by the beginning of one this node let in, or by its name."""
    try:
        return [NodeId(from_text(name))]
    except ValueError:
        pass
    found = folder.named(name)
    if len(found) != 1:
        told = "No node" if not found else "More than one node"
        raise UsageError(
            f"{told} that was let in here is called {name!r}.",
            "Give its id: `swarm site show` lists those let in here, `swarm status` tells that of a machine.",
        )
    return found


def _check_time(issued: int, expires: int, now: float) -> None:
    if now >= expires or issued > now + CLOCK_TOLERANCE:
        raise NotAllowed(
            f"This membership holds from {date(issued)} to {date(expires)}, and it is {date(now)} here.",
            "Set the clock of this machine if that is wrong; else have a new one made.",
        )


def _check_name(name: str) -> None:
    try:
        text(MAX_NAME)(name)
    except BadMessage as error:
        raise UsageError(f"{name!r} cannot be the name of a site: {error}.") from None


def date(time: float) -> str:
    """A moment for people, in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M UTC")
