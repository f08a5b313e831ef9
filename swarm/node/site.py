"""Keeps a running node's part in its site: notices what commands wrote, renews in time, writes what it heard.

A command changes files (`swarm.sites`); this looks at them every few seconds. A membership is renewed from
half of its life on, by any member with more rights that can be reached: one there is a link with, one that
issued it before, or one at an address the membership came with. A founder with its root key beside it, not
encrypted, renews itself.
"""

from __future__ import annotations

import logging
from typing import Final

import trio

from protocol.ids import NodeId, short, to_text
from protocol.membership import BadMembership, Membership, Rights, decode_membership, found
from protocol.messages import Granted
from protocol.signing import Identity
from swarm.errors import SwarmError
from swarm.exchange.connector import CannotConnect
from swarm.exchange.exchange import Exchange
from swarm.node.api import SiteRow
from swarm.sites.gate import SiteGate
from swarm.sources.address import Address
from swarm.workers import Workers

POLL_SECONDS: Final = 2.0
"""Between two looks at the files of the site: a revocation is to be heard within a minute, everywhere."""

FIRST_CHECK_SECONDS: Final = 3.0
"""From the start of a node to its first look whether it is time to renew: links are up by then, and a
machine that has no daemon, only a `swarm get` now and then, stays a member."""

RENEW_CHECK_SECONDS: Final = 60.0
"""Between two such looks."""

RENEW_RETRY_SECONDS: Final = 600.0
"""After nobody could renew: there are days left, and whoever can may be off for the night."""

log = logging.getLogger(__name__)


class SiteKeeper:
    """See the module. `begin` before the exchange runs, then `run`. `share_private` is told of, no more."""

    def __init__(
        self, gate: SiteGate, exchange: Exchange, me: Identity, workers: Workers, *, share_private: bool
    ) -> None:
        self._gate = gate
        self._exchange = exchange
        self._me = me
        self._workers = workers
        self._share_private = share_private
        self._complained = ""

    async def begin(self) -> None:
        """Take in what the files say; StoreError when they cannot be used."""
        found_on_disk = await self._workers.run(self._gate.read)
        if found_on_disk is not None:
            self._gate.take(found_on_disk)

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_files)
            nursery.start_soon(self._renew_in_time)

    def row(self) -> SiteRow | None:
        """What `swarm status` tells of the site."""
        held = self._gate.held
        if held is None:
            return None
        own = held.membership.own
        return {
            "site": to_text(held.membership.site),
            "name": held.name,
            "rights": held.membership.rights.name.lower(),
            "issued": own.issued,
            "expires": own.expires,
            "serve_open": self._gate.serves_open,
            "share_private": self._share_private,
            "members": len(self._exchange.circle.members()),
            "troubles": [
                {"node": to_text(one.node), "cause": one.verdict.cause, "ahead": one.verdict.ahead}
                for one in self._gate.troubles.values()
            ],
        }

    # --- files -------------------------------------------------------------------------------------------

    async def _follow_files(self) -> None:
        while True:
            await trio.sleep(POLL_SECONDS)
            try:
                await self._load()
                await self._save()
                self._complained = ""
            except SwarmError as error:
                if error.message != self._complained:
                    log.warning("%s", error)
                self._complained = error.message

    async def _load(self) -> None:
        found_on_disk = await self._workers.run(self._gate.read)
        if found_on_disk is not None and self._gate.take(found_on_disk):
            self._exchange.circle.changed()

    async def _save(self) -> None:
        while self._gate.unsaved:
            await self._workers.run(self._gate.folder.keep_revocation, self._gate.unsaved[0])
            del self._gate.unsaved[0]

    # --- renewing ------------------------------------------------------------------------------------------

    async def _renew_in_time(self) -> None:
        await trio.sleep(FIRST_CHECK_SECONDS)
        while True:
            membership = self._gate.membership
            due = membership is not None and self._gate.wall() >= membership.renew_at
            if membership is not None and due and not await self._tried(membership):
                await trio.sleep(RENEW_RETRY_SECONDS)
            await trio.sleep(RENEW_CHECK_SECONDS)

    async def _tried(self, membership: Membership) -> bool:
        try:
            return await self._renewed(membership)
        except SwarmError as error:
            log.warning("cannot renew the certificate of this node: %s", error)
            return False

    async def _renewed(self, membership: Membership) -> bool:
        """Try whoever may renew this, one after another; whether one did."""
        if membership.rights is Rights.FOUNDER:
            return await self._found_again()
        for peer in self._issuers(membership):
            if await self._taken(await self._exchange.asking.renew(peer), short(peer)):
                return True
        for text in self._gate.held.addresses if self._gate.held else ():
            try:
                granted = await self._exchange.asking.renew_at(Address.parse(text))
            except (CannotConnect, ValueError) as error:
                log.debug("no renewal from %s: %s", text, error)
                continue
            if await self._taken(granted, text):
                return True
        return False

    def _issuers(self, membership: Membership) -> list[NodeId]:
        """Nodes that may renew this: members with a link, the mightiest first; then who issued it before."""
        linked = [
            (-self._gate.rights_of(session.badge), session.peer)
            for session in self._exchange.circle.members()
            if self._gate.rights_of(session.badge) > membership.rights
        ]
        before = [certificate.node_id for certificate in membership.chain[:-1]]
        return list(dict.fromkeys([*(peer for _, peer in sorted(linked)), *before]))

    async def _found_again(self) -> bool:
        """A founder certifies itself anew, if its root key is at hand."""
        root = self._gate.folder.root
        if not await self._workers.run(lambda: root.exists and not root.encrypted):
            log.warning("the founder's certificate is to be renewed: run `swarm site create` again")
            return False
        key = await self._workers.run(root.open, None)
        await self._keep(found(key, self._me.public_key, self._gate.wall()))
        return True

    async def _taken(self, granted: Granted | None, who: str) -> bool:
        """Go by what an issuer granted; whether that is longer than what this node has."""
        before = self._gate.membership
        if granted is None or before is None:
            return False
        if granted.refusal:
            log.info("%s does not renew the certificate of this node: %s", who, granted.refusal)
            return False
        try:
            membership = decode_membership(granted.membership)
            if membership.own.expires <= before.own.expires:
                return False
            await self._keep(membership)
        except BadMembership as error:
            log.warning("%s granted something else than the membership of this node: %s", who, error)
            return False
        return True

    async def _keep(self, membership: Membership) -> None:
        grant = self._gate.renewed(membership)
        self._exchange.circle.changed()
        await self._workers.run(self._gate.folder.renew_grant, grant)
