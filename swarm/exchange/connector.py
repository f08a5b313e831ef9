"""Fresh links: dial and shake hands, or take what was accepted and shake hands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from protocol.connection import Connection
from protocol.handshake import Hello, Kind
from protocol.signing import Identity
from swarm.exchange.interfaces import Network
from swarm.exchange.lender import Lender
from swarm.exchange.link import HandshakeFailed, Link, secure
from swarm.sources.address import Address
from swarm.workers import Workers

DIAL_SECONDS: Final = 5.0
"""For a TCP connection to come about: on a LAN, one lost SYN and its retransmission and to spare."""

EPHEMERAL_LENGTH: Final = 32


class CannotConnect(Exception):
    """No link came of dialling this address; the text says why."""


class Connector:
    """Makes links for one identity. `entropy(n)` gives n unpredictable bytes.

    `listen_port`: what to tell peers about where this node listens; set once that is known. `badge`: what
    to show of the site this node belongs to.
    """

    def __init__(
        self,
        identity: Identity,
        network: Network,
        *,
        agent: str,
        entropy: Callable[[int], bytes],
        clock: Callable[[], float],
        workers: Workers,
        badge: Callable[[], bytes] = bytes,
    ) -> None:
        self.listen_port = 0
        self._identity = identity
        self._network = network
        self._agent = agent
        self._entropy = entropy
        self._clock = clock
        self._workers = workers
        self._badge = badge
        self._lender = Lender()

    async def dial(self, address: Address, kind: Kind) -> Link:
        """A link with whoever is at this address, in bounded time; CannotConnect."""
        try:
            with trio.fail_after(DIAL_SECONDS):
                stream = await self._network.dial(address)
            return await self._secure(stream, kind, initiator=True)
        except trio.TooSlowError:
            raise CannotConnect("no answer") from None
        except (OSError, HandshakeFailed) as error:
            raise CannotConnect(str(error)) from error

    async def welcome(self, stream: trio.abc.Stream) -> Link:
        """A link with whoever dialled, of the kind the other side names; HandshakeFailed."""
        return await self._secure(stream, "control", initiator=False)

    async def _secure(self, stream: trio.abc.Stream, kind: Kind, *, initiator: bool) -> Link:
        hello = Hello(kind, self.listen_port, self._agent, self._badge())
        ephemeral = self._entropy(EPHEMERAL_LENGTH)
        lend = self._lender.lend
        connection = Connection(self._identity, hello, initiator=initiator, ephemeral=ephemeral, lend=lend)
        return await secure(stream, connection, self._clock, self._workers)
