"""A LAN in memory: named hosts, streams with latency and a window, seeded failures, cables to cut.

Under trio's MockClock nothing takes real time, and one seed always gives the same run. A host that is cut
neither sends nor receives: nobody is told, as with a pulled cable.
"""

from __future__ import annotations

import errno
import random
from collections import deque
from collections.abc import Sequence
from typing import Final

import trio

from swarm.exchange.interfaces import Handler
from swarm.sources.address import Address

WINDOW: Final = 256 * 1024
"""Bytes on the way or unread, one direction of one stream."""

SEGMENT: Final = 64 * 1024
"""Most bytes that arrive at once."""


class MemoryNetwork:
    """The switch. `latency`: seconds one way; `drop`: the share of dials that get no answer."""

    def __init__(self, seed: int = 0, *, latency: float = 0.0005, drop: float = 0.0) -> None:
        self.latency = latency
        self.drop = drop
        self.dialled: list[tuple[str, Address]] = []
        self.streams: list[MemoryStream] = []
        self.listeners: dict[tuple[str, int], Handler] = {}
        self.nurseries: dict[tuple[str, int], trio.Nursery] = {}
        self._random = random.Random(seed)
        self._cut: set[str] = set()
        self._aliases: dict[str, str] = {}
        self.changed = trio.lowlevel.ParkingLot()

    def host(self, name: str) -> MemoryHost:
        """The network as this host sees it; `name` is its address."""
        return MemoryHost(self, name)

    def cut(self, name: str) -> None:
        self._cut.add(name)

    def mend(self, name: str) -> None:
        self._cut.discard(name)
        self.changed.unpark_all()

    def alias(self, address: str, name: str) -> None:
        """The host can also be reached at this address."""
        self._aliases[address] = name

    def forget(self, name: str) -> None:
        """The host loses power: its streams are dead, and nobody hears of it."""
        for stream in self.streams:
            if stream.here == name:
                stream.silence()

    def open_streams(self) -> list[MemoryStream]:
        return [stream for stream in self.streams if not stream.closed]

    def break_streams(self, one: str, other: str) -> None:
        """Both ends of every stream between two hosts see it fail."""
        for stream in self.streams:
            if {stream.here, stream.there} == {one, other}:
                stream.abort()

    def reachable(self, one: str, other: str) -> bool:
        return not self._cut & {one, other}

    async def reached(self, one: str, other: str) -> None:
        """Wait while a cable between the two is cut."""
        while not self.reachable(one, other):
            await self.changed.park()

    async def connect(self, here: str, address: Address) -> MemoryStream:
        self.dialled.append((here, address))
        address = Address(self._aliases.get(address.host, address.host), address.port)
        if self._random.random() < self.drop:
            await trio.sleep_forever()
        await self.reached(here, address.host)
        await trio.sleep(2 * self.latency)
        key = (address.host, address.port)
        if key not in self.listeners:
            raise ConnectionRefusedError("refused")
        out, back = Pipe(self, here, address.host), Pipe(self, address.host, here)
        mine, theirs = MemoryStream(out, back), MemoryStream(back, out)
        self.streams += [mine, theirs]
        self.nurseries[key].start_soon(self.listeners[key], theirs, here)
        return mine


class MemoryHost:
    """`swarm.exchange.interfaces.Network` for one host."""

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self.network = network
        self.name = name

    async def dial(self, address: Address) -> trio.abc.Stream:
        return await self.network.connect(self.name, address)

    async def listen(
        self, port: int, hosts: Sequence[str] | None, handler: Handler, *, task_status: trio.TaskStatus[int]
    ) -> None:
        key = (self.name, port or 40_000)
        if key in self.network.listeners:
            raise OSError(errno.EADDRINUSE, "in use")
        try:
            async with trio.open_nursery() as nursery:
                self.network.listeners[key] = handler
                self.network.nurseries[key] = nursery
                task_status.started(key[1])
                await trio.sleep_forever()
        finally:
            del self.network.listeners[key], self.network.nurseries[key]


class Pipe:
    """One direction of a stream. A segment of None is its end."""

    def __init__(self, network: MemoryNetwork, source: str, target: str) -> None:
        self.network = network
        self.ends = (source, target)
        self.segments: deque[tuple[float, bytes | None]] = deque()
        self.size = 0
        self.total = 0
        self.broken = False
        self.silent = False
        self.moved = trio.lowlevel.ParkingLot()

    def put(self, data: bytes | None) -> None:
        if self.silent:
            return
        self.segments.append((trio.current_time() + self.network.latency, data))
        self.size += len(data or b"")
        self.total += len(data or b"")
        self.moved.unpark_all()

    async def send(self, data: bytes) -> None:
        while self.size >= WINDOW and not self.broken:
            await self.moved.park()
        if self.broken:
            raise trio.BrokenResourceError("reset by peer")
        self.put(data)

    async def receive(self, limit: int) -> bytes:
        while True:
            if self.broken:
                raise trio.BrokenResourceError("reset by peer")
            if not self.segments:
                await self.moved.park()
                continue
            arrival, data = self.segments[0]
            if arrival > trio.current_time():
                await trio.sleep_until(arrival)
            elif not self.network.reachable(*self.ends):
                await self.network.reached(*self.ends)
            elif data is None:
                return b""
            else:
                return self._take(data, limit)

    def _take(self, data: bytes, limit: int) -> bytes:
        arrival, _ = self.segments.popleft()
        taken, rest = data[:limit], data[limit:]
        if rest:
            self.segments.appendleft((arrival, rest))
        self.size -= len(taken)
        self.moved.unpark_all()
        return taken


class MemoryStream(trio.abc.Stream):
    """One end of a stream."""

    def __init__(self, out: Pipe, back: Pipe) -> None:
        self._out = out
        self._back = back
        self.closed = False
        self.here, self.there = out.ends

    @property
    def sent(self) -> int:
        return self._out.total

    def silence(self) -> None:
        """Nothing passes any more, either way; not even the end."""
        self._out.silent = self._back.silent = True

    def abort(self) -> None:
        """The connection fails, for both."""
        for pipe in (self._out, self._back):
            pipe.broken = True
            pipe.moved.unpark_all()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        view = memoryview(data)
        for start in range(0, len(view), SEGMENT):
            if self.closed:
                raise trio.ClosedResourceError
            await self._out.send(bytes(view[start : start + SEGMENT]))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise trio.ClosedResourceError
        return await self._back.receive(max_bytes or SEGMENT)

    async def aclose(self) -> None:
        if not self.closed:
            self.closed = True
            self._out.put(None)
        await trio.lowlevel.checkpoint()
