"""Where other nodes call: one port, places at the door for a few, and a handshake with each.

Whoever comes through is handed on as a `Link`; until then a connection has proved nothing and holds no more
than its place (`door`).
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trio

from swarm.exchange.connector import Connector
from swarm.exchange.door import Door
from swarm.exchange.interfaces import Network
from swarm.exchange.link import HandshakeFailed, Link

log = logging.getLogger(__name__)


class Listener:
    """See the module. `hosts`: local addresses, None for those that only a LAN reaches. `any_port`: whether
    another port will do. `met(link, host)` runs a link with whoever called from there, until it ends."""

    def __init__(
        self,
        network: Network,
        connector: Connector,
        met: Callable[[Link, str | None], Awaitable[None]],
        clock: Callable[[], float],
        *,
        hosts: Sequence[str] | None,
        any_port: bool,
    ) -> None:
        self._network = network
        self._connector = connector
        self._met = met
        self._clock = clock
        self._hosts = hosts
        self._any_port = any_port
        self._door = Door()

    async def start(self, nursery: trio.Nursery, port: int) -> int:
        """Accept in this nursery; the port it became. OSError when it cannot listen."""
        listen = partial(self._network.listen, hosts=self._hosts, handler=self._accepted)
        try:
            listening: int = await nursery.start(listen, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not self._any_port:
                raise
            listening = await nursery.start(listen, 0)
            log.warning("port %d is taken, listening for peers on %d", port, listening)
        return listening

    async def _accepted(self, stream: trio.abc.Stream, host: str | None) -> None:
        if (link := await self._shake_hands(stream, host)) is not None:
            await self._met(link, host)

    async def _shake_hands(self, stream: trio.abc.Stream, host: str | None) -> Link | None:
        """The link that comes of an accepted connection, if there is a place for it at the door."""
        scope = trio.CancelScope()
        guest = self._door.enter(host, scope.cancel, self._clock())
        if guest is None:
            await trio.aclose_forcefully(stream)
            return None
        try:
            with scope:
                return await self._connector.welcome(stream)
        except HandshakeFailed as error:
            log.debug("a connection from %s came to nothing: %s", host, error)
        finally:
            self._door.leave(guest, self._clock())
        return None
