"""Joining a site over the LAN with a token: one short call to the member that made it.

A command does this by itself, with the identity of its home, whether a daemon runs on that or not; the
daemon notices the membership on disk. Before the token is used it is made sure that the node that answers
is the one the token names, still a member of that site, and that the two clocks agree.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final

import trio

from protocol.armor import BadArmor
from protocol.handshake import PeerIdentity
from protocol.ids import short
from protocol.invitation import GRANT_PREFIX, Grant, Token, parse_grant, parse_token
from protocol.limits import MAX_ADDRESSES
from protocol.membership import CLOCK_TOLERANCE, BadMembership, decode_badge, decode_membership
from protocol.messages import Granted, Redeem
from protocol.signing import Identity
from swarm import __version__
from swarm.errors import NoSource, NotAllowed
from swarm.exchange.connector import CannotConnect, Connector
from swarm.exchange.guests import ask
from swarm.exchange.interfaces import Network
from swarm.sites.administration import date
from swarm.sites.issuing import refused
from swarm.sources.address import Address
from swarm.workers import ThreadWorkers

JOIN_SECONDS: Final = 30.0
"""How long the inviter is called: machines that are set up together do not come up at one moment."""

PAUSE_SECONDS: Final = 2.0
"""Between two rounds of calls."""


async def redeem(
    me: Identity,
    token: Token,
    name: str,
    *,
    network: Network,
    peers: Sequence[Address] = (),
    wall: Callable[[], float],
) -> Grant:
    """What the inviter grants this node, called `name` for people. `peers`: more addresses to try.

    NoSource when it cannot be reached, NotAllowed when it refuses or the clocks differ by too much.
    """
    connector = Connector(
        me,
        network,
        agent=f"lanswarm/{__version__}",
        entropy=secrets.token_bytes,
        clock=trio.current_time,
        workers=ThreadWorkers(limit=1),
    )

    def question(peer: PeerIdentity) -> Redeem:
        _check_inviter(peer, token, wall())
        return Redeem(token.invitation, token.proof(me.public_key), name)

    addresses = dict.fromkeys([*_parsed(token.addresses), *peers])
    granted = await _until_answered(connector, list(addresses), question, token)
    if granted.refusal:
        raise refused(granted.refusal)
    try:
        membership = decode_membership(granted.membership)
        if membership.site != token.site:
            raise BadMembership("a membership of another site")
        return Grant(token.name, membership, token.addresses[:MAX_ADDRESSES])
    except (BadMembership, BadArmor) as error:
        raise NotAllowed(f"The inviter's answer makes no sense: {error}.", "Upgrade both.") from error


def parse(text: str) -> Token | Grant:
    """A token, or what a request was answered with; BadArmor when it is neither."""
    return parse_grant(text) if text.strip().startswith(GRANT_PREFIX) else parse_token(text)


async def _until_answered(
    connector: Connector,
    addresses: Sequence[Address],
    question: Callable[[PeerIdentity], Redeem],
    token: Token,
) -> Granted:
    problem = "no address of it is known"
    with trio.move_on_after(JOIN_SECONDS):
        while addresses:
            for address in addresses:
                try:
                    return await ask(connector, address, question)
                except CannotConnect as error:
                    problem = f"{address}: {error}"
            await trio.sleep(PAUSE_SECONDS)
    raise NoSource(
        f"The node that invited, {short(token.inviter)}, cannot be reached ({problem}).",
        "Run `swarm daemon` there, or name its address by SWARM_PEERS here.",
    )


def _check_inviter(peer: PeerIdentity, token: Token, now: float) -> None:
    """Raise unless this is who made the token, and our clocks agree."""
    if peer.node_id != token.inviter:
        raise CannotConnect(f"another node answers, {short(peer.node_id)}")
    try:
        badge = decode_badge(peer.hello.membership)
    except BadMembership:
        raise refused("no issuer") from None
    if badge.membership.site != token.site or badge.membership.node_id != peer.node_id:
        raise refused("no issuer")
    if abs(badge.clock - now) > CLOCK_TOLERANCE:
        raise NotAllowed(
            f"It is {date(now)} on this machine and {date(badge.clock)} on the one that invited.",
            "Set the clock that is wrong (`timedatectl set-ntp true`), then join again.",
        )


def _parsed(texts: Sequence[str]) -> list[Address]:
    addresses = []
    for text in texts:
        try:
            addresses.append(Address.parse(text))
        except ValueError:
            continue
    return addresses
