"""Admission connections: a node asks to be let into a site, or to stay there, and hangs up.

They are apart from the links of members, so that a node of no site gets an answer from one that talks to
no stranger, and an issuer can renew more members than it has links with. Whoever calls may be anybody:
few are heard at a time, briefly, and each may ask a few times only. Guessing a token is hopeless (its key
has 256 bits); these limits keep the guessing from costing anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from protocol.handshake import PeerIdentity
from protocol.messages import Granted, Redeem, Renew
from swarm.exchange.connector import CannotConnect, Connector
from swarm.exchange.interfaces import Gate
from swarm.exchange.link import Link
from swarm.exchange.outbox import Message
from swarm.sources.address import Address

MAX_GUESTS: Final = 32
"""Guests at a time: hundreds of nodes that join at once take a few milliseconds each, and try again."""

GUEST_SECONDS: Final = 10.0
"""How long a guest may stay: for one question, and an answer that takes a signature and a small file."""

MAX_QUESTIONS_OF_A_GUEST: Final = 3
"""Questions of one guest: one is enough, unless it asks again what it did not understand."""


class Guests:
    """The admission connections others opened to this node."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._here = 0

    async def receive(self, link: Link) -> None:
        """Answer one guest until it hangs up or its time is over."""
        if not self._gate.grants or self._here >= MAX_GUESTS:
            await link.close()
            return
        self._here += 1
        guest = _Guest(link, self._gate)
        try:
            with trio.move_on_after(GUEST_SECONDS):
                await link.run(guest.hear)
        finally:
            self._here -= 1


class _Guest:
    def __init__(self, link: Link, gate: Gate) -> None:
        self._link = link
        self._gate = gate
        self._asked = 0

    async def hear(self, message: Message) -> None:
        self._asked += 1
        if not isinstance(message, Redeem | Renew) or self._asked > MAX_QUESTIONS_OF_A_GUEST:
            self._link.cut("a guest that wants something else, or too much")
            return
        badge = self._link.peer.hello.membership
        self._link.post(await self._gate.grant(self._link.peer, badge, message))


async def ask(
    connector: Connector, address: Address, question: Callable[[PeerIdentity], Redeem | Renew]
) -> Granted:
    """What the node at this address answers, in bounded time; CannotConnect when it does not.

    `question` is made once it is proven who answers; what it raises ends the connection and is raised.
    """
    link = await connector.dial(address, "admission")
    answers: list[Granted] = []

    async def hear(message: Message) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(message, Granted):
            answers.append(message)
        link.cut("answered")

    try:
        link.post(question(link.peer))
    except BaseException:
        await link.close()
        raise
    with trio.move_on_after(GUEST_SECONDS):
        await link.run(hear)
    if not answers:
        assert link.end is not None
        raise CannotConnect(f"no answer: {link.end.reason}")
    return answers[0]
