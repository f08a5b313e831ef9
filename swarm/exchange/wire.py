"""Bytes into a connection's own buffer, and out of it, whatever the stream is.

A TCP socket is read and written by system calls of its own, each of which costs one turn of the event loop at
most: trio's methods take two or three, and there are thousands a second. Any other trio stream is read and
copied, which is for tests. While a large frame is under way the socket is told to wake us for
no less than a good part of it (SO_RCVLOWAT, socket(7)): each time costs more than the bytes do.

Where BBR is the machine's congestion control, links between nodes use CUBIC, if that is allowed. BBR takes
losses for noise, and a LAN has short queues that a dozen flows fill: it sends several times as many segments
again as CUBIC does. What comes from the internet is not concerned.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final, Protocol

import trio

from protocol.limits import KIB

PATIENT_FROM: Final = 16 * KIB
"""Bytes of a frame still to come from which on it is worth waiting for more than the first of them."""

PATIENCE_BYTES: Final = 256 * KIB
"""Most bytes to wait for at a time: 10 ms at 200 Mbit/s; a peer slower than 9 kB/s counts as stalled."""

UNSENT_BYTES: Final = 128 * KIB
"""Bytes the kernel holds that it has not sent, beyond which it takes no more (TCP_NOTSENT_LOWAT, tcp(7)):
5 ms at 200 Mbit/s to make the next frame ready in. What lies there can no longer be called off."""

BBR: Final = b"bbr"
"""Its name, and that of its later versions begins like it (TCP_CONGESTION, tcp(7))."""

CUBIC: Final = b"cubic"
"""What Linux uses by default. Who is not root may choose only what tcp_allowed_congestion_control names."""

Buffer = bytes | bytearray | memoryview


class WireBroken(Exception):
    """The stream is gone."""


class Wire(Protocol):
    async def receive_into(self, buffer: memoryview, least: int) -> int:
        """Read at most what fits the buffer; 0 at the end of the stream. Raises WireBroken.

        `least`: fewer bytes are of no use to the caller, who gets them all the same.
        """
        ...

    async def send(self, data: Buffer) -> None:
        """Send all of it. Cancelled half-way, the stream is of no more use. Raises WireBroken."""
        ...

    def send_now(self, data: Buffer) -> int:
        """Send what the system takes without a wait, while no `send` is under way; how many bytes that are.
        Raises WireBroken."""
        ...

    async def close(self) -> None:
        """Close at once; never waits for the other side and never fails."""
        ...


class Tunable(Protocol):
    """What is set of a socket."""

    def getsockopt(self, level: int, option: int, length: int) -> bytes: ...

    def setsockopt(self, level: int, option: int, value: int | bytes) -> object: ...


def tune(connection: Tunable) -> None:
    """Set what makes a link between nodes fast. What the system does not know or allow stays as it is."""
    with suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    with suppress(OSError, AttributeError):
        if connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).startswith(BBR):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CUBIC)


class StreamWire:
    """Any trio stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def receive_into(self, buffer: memoryview, least: int) -> int:
        try:
            data = await self._stream.receive_some(len(buffer))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise WireBroken(_reason(error)) from error
        buffer[: len(data)] = data
        return len(data)

    async def send(self, data: Buffer) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise WireBroken(_reason(error)) from error

    def send_now(self, data: Buffer) -> int:
        return 0

    async def close(self) -> None:
        await trio.aclose_forcefully(self._stream)


class SocketWire(StreamWire):
    """A TCP socket under trio."""

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self._socket = stream.socket
        self._low_water = 1
        tune(self._socket)

    async def receive_into(self, buffer: memoryview, least: int) -> int:
        try:
            self._wake_for(min(least, PATIENCE_BYTES) if least >= PATIENT_FROM else 1)
            while True:
                await trio.lowlevel.wait_readable(self._socket)
                with suppress(BlockingIOError):
                    return os.readv(self._socket.fileno(), [buffer])
        except (OSError, trio.ClosedResourceError) as error:
            raise WireBroken(_reason(error)) from error

    async def send(self, data: Buffer) -> None:
        rest = memoryview(data)
        try:
            while rest := rest[self.send_now(rest) :]:
                await trio.lowlevel.wait_writable(self._socket)
        except (OSError, trio.ClosedResourceError) as error:
            raise WireBroken(_reason(error)) from error

    def send_now(self, data: Buffer) -> int:
        try:
            return os.write(self._socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise WireBroken(_reason(error)) from error

    def _wake_for(self, count: int) -> None:
        """Have the socket count as readable from so many bytes on."""
        if count != self._low_water:
            self._low_water = count
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


def wire_over(stream: trio.abc.Stream) -> Wire:
    """The fastest wire there is over this stream."""
    return SocketWire(stream) if isinstance(stream, trio.SocketStream) else StreamWire(stream)


def _reason(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return getattr(cause, "strerror", None) or "the connection broke"
