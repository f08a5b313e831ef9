"""Bytes into a connection's own buffer, and out of it, whatever the stream is.

A TCP socket writes straight into the buffer (`recv_into`), without a copy a read; any other trio stream
is read and copied, which is for tests.
"""

from __future__ import annotations

from typing import Protocol

import trio

Buffer = bytes | bytearray | memoryview


class WireBroken(Exception):
    """The stream is gone."""


class Wire(Protocol):
    async def receive_into(self, buffer: memoryview) -> int:
        """Read at most what fits the buffer; 0 at the end of the stream. Raises WireBroken."""
        ...

    async def send(self, data: Buffer) -> None:
        """Send all of it. Cancelled half-way, the stream is of no more use. Raises WireBroken."""
        ...

    async def close(self) -> None:
        """Close at once; never waits for the other side and never fails."""
        ...


class StreamWire:
    """Any trio stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def receive_into(self, buffer: memoryview) -> int:
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

    async def close(self) -> None:
        await trio.aclose_forcefully(self._stream)


class SocketWire(StreamWire):
    """A TCP socket under trio."""

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self._socket = stream.socket

    async def receive_into(self, buffer: memoryview) -> int:
        try:
            return await self._socket.recv_into(buffer)
        except (OSError, trio.ClosedResourceError) as error:
            raise WireBroken(_reason(error)) from error


def wire_over(stream: trio.abc.Stream) -> Wire:
    """The fastest wire there is over this stream."""
    return SocketWire(stream) if isinstance(stream, trio.SocketStream) else StreamWire(stream)


def _reason(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return getattr(cause, "strerror", None) or "the connection broke"
