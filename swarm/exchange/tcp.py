"""TCP under trio: the network that nodes really use.

Streams have TCP_NODELAY, as small messages must not wait; the sizes of socket buffers are left to the
system, which tunes them itself.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Final

import trio

from swarm.exchange.interfaces import Handler
from swarm.sources.address import Address

ALL_HOSTS: Final = ("0.0.0.0", "::")  # noqa: S104  # a node is there to be reached
"""Every address of the machine, by either protocol."""

PORT_ATTEMPTS: Final = 8
"""Tries at a port that is free for IPv4 and IPv6 alike, when the system chooses it."""


class TcpNetwork:
    """`swarm.exchange.interfaces.Network` over TCP."""

    async def dial(self, address: Address) -> trio.SocketStream:
        """Connect; a name that has several addresses is tried at all of them. OSError."""
        return await trio.open_tcp_stream(address.host, address.port)

    async def listen(
        self, port: int, hosts: Sequence[str] | None, handler: Handler, *, task_status: trio.TaskStatus[int]
    ) -> None:
        """Accept until cancelled. OSError when a host of `hosts` cannot be listened on."""

        async def accept(stream: trio.SocketStream) -> None:
            await handler(stream, _remote_host(stream))

        listeners = await _open(port, hosts)
        chosen = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, accept, listeners)
            task_status.started(chosen)


async def _open(port: int, hosts: Sequence[str] | None) -> list[trio.SocketListener]:
    for attempt in range(PORT_ATTEMPTS):
        try:
            return await _open_once(port, hosts)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE or attempt == PORT_ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


async def _open_once(port: int, hosts: Sequence[str] | None) -> list[trio.SocketListener]:
    """Listeners on all hosts with one port; a protocol the machine lacks is left out if not asked for."""
    listeners: list[trio.SocketListener] = []
    lacking: OSError | None = None
    try:
        for host in hosts or ALL_HOSTS:
            try:
                opened = await trio.open_tcp_listeners(port, host=host)
            except OSError as error:
                if hosts or error.errno == errno.EADDRINUSE:
                    raise
                lacking = error
                continue
            listeners += opened
            port = port or opened[0].socket.getsockname()[1]
        if not listeners:
            raise lacking or OSError("no address to listen on")
    except BaseException:
        for listener in listeners:
            listener.socket.close()
        raise
    return listeners


def _remote_host(stream: trio.SocketStream) -> str | None:
    """The other side's address, with its zone if it is link-local; None when it is gone already."""
    try:
        name = stream.socket.getpeername()
    except OSError:
        return None
    host = str(name[0])
    if host.startswith("fe80:") and "%" not in host and len(name) == 4 and name[3]:
        return f"{host}%{name[3]}"
    return host
