"""A machine that has nothing to do with lanswarm and is said to: what is sent to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import trio

from swarm.exchange.interfaces import Network


class Bystander:
    """Listens on any number of ports of a network. `ports`: those that were called; `said`: what each caller
    said. Who calls is told at once, and again with how many bytes it said once it has hung up."""

    def __init__(
        self,
        network: Network,
        hosts: Sequence[str] | None = None,
        *,
        told: Callable[[str | None, int | None], object] = lambda caller, length: None,
    ) -> None:
        self.ports: set[int] = set()
        self.said: list[bytes] = []
        self._network = network
        self._hosts = hosts
        self._told = told
        self._called = trio.lowlevel.ParkingLot()

    async def run(self, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen on this port, or any free one for 0, until cancelled; reports which."""
        opened = port

        async def hear(stream: trio.abc.Stream, host: str | None) -> None:
            await self._hear(stream, host, opened)

        async with trio.open_nursery() as nursery:
            listen = partial(self._network.listen, hosts=self._hosts, handler=hear)
            opened = await nursery.start(listen, port)
            task_status.started(opened)

    async def _hear(self, stream: trio.abc.Stream, caller: str | None, port: int) -> None:
        self.ports.add(port)
        self._told(caller, None)
        self._called.unpark_all()
        heard = b""
        while data := await stream.receive_some():
            heard += data
        self.said.append(heard)
        self._told(caller, len(heard))
        await stream.aclose()

    async def called(self, ports: int) -> None:
        """Wait until so many ports were called."""
        while len(self.ports) < ports:
            await self._called.park()
