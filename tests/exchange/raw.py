"""A peer that says whatever a test wants: links without an exchange behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from protocol.handshake import Kind
from protocol.messages import Ping, Pong
from swarm.exchange.connector import Connector
from swarm.exchange.interfaces import Network
from swarm.exchange.link import Link
from swarm.exchange.outbox import Message
from swarm.sources.address import Address
from swarm.workers import InlineWorkers
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import Node, entropy, identity


class Raw:
    """An identity on a host, its own by default, which dials and shows the badge that a test gives it."""

    def __init__(
        self,
        lan: MemoryNetwork,
        number: int = 99,
        *,
        listen_port: int = 0,
        host: str = "",
        through: Network | None = None,
    ) -> None:
        self.identity = identity(number)
        self.id = self.identity.node_id
        self.host = host or f"10.0.0.{number}"
        self.badge = b""
        self._network = through or lan.host(self.host)
        self.connector = Connector(
            self.identity,
            self._network,
            agent="raw",
            entropy=entropy(number),
            clock=trio.current_time,
            workers=InlineWorkers(),
            badge=lambda: self.badge,
        )
        self.connector.listen_port = listen_port

    async def listen(self, port: int, *, task_status: trio.TaskStatus[int]) -> None:
        """Take links on this port of its host."""
        await self._network.listen(port, None, self._welcome, task_status=task_status)

    async def _welcome(self, stream: trio.abc.Stream, host: str | None) -> None:
        await RawLink(await self.connector.welcome(stream)).run()

    @asynccontextmanager
    async def dialled(self, node: Node, kind: Kind) -> AsyncIterator[RawLink]:
        """A link of this kind, whose messages are kept as they come."""
        async with self.linked(node.address, kind) as link:
            yield link

    @asynccontextmanager
    async def linked(self, address: Address, kind: Kind) -> AsyncIterator[RawLink]:
        """The same with whoever is at this address."""
        link = RawLink(await self.connector.dial(address, kind))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.run)
            yield link
            nursery.cancel_scope.cancel()


class RawLink:
    """`heard`: what came so far. `reading`, `answering`: does it go on reading, and answer pings?"""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.heard: list[Message] = []
        self.reading = True
        self.answering = True

    async def run(self) -> None:
        await self.link.run(self._hear)

    async def _hear(self, message: Message) -> None:
        self.heard.append(message)
        if isinstance(message, Ping) and self.answering:
            self.link.post(Pong(message.nonce))
        if not self.reading:
            await trio.sleep_forever()

    def say(self, *messages: Message) -> None:
        for message in messages:
            self.link.post(message)

    @property
    def open(self) -> bool:
        return self.link.end is None
