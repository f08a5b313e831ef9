"""TCP under trio: the network that nodes really use.

Told no address, a node listens on those of its own that only a LAN reaches, each by a listener of its own,
and follows them as they change. (A wildcard that hangs up on strangers would show an open port to whoever
scans a public address.) What arrives there from beyond the LAN, through a router that forwards the port, is
closed before a byte of the handshake. Streams have TCP_NODELAY, as small messages must not wait; the sizes of
socket buffers are left to the system, which tunes them itself.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

import trio

from swarm.exchange.interfaces import Handler
from swarm.sources.address import Address, is_lan

PORT_ATTEMPTS: Final = 8
"""Tries at a port that is free for IPv4 and IPv6 alike, when the system chooses it."""

FOLLOW_SECONDS: Final = 3.0
"""Between two looks at this machine's addresses: soon enough after a cable is plugged in, and cheap."""

Hosts = Callable[[], Collection[str]]
"""The addresses of this machine that only a LAN reaches, with zones. Blocks for a few system calls."""

log = logging.getLogger(__name__)


class TcpNetwork:
    """`swarm.exchange.interfaces.Network` over TCP. `lan_hosts`: where to listen when nobody says."""

    def __init__(self, lan_hosts: Hosts) -> None:
        self._lan_hosts = lan_hosts

    async def dial(self, address: Address) -> trio.SocketStream:
        """Connect; a name that has several addresses is tried at all of them. OSError."""
        return await trio.open_tcp_stream(address.host, address.port)

    async def listen(
        self, port: int, hosts: Sequence[str] | None, handler: Handler, *, task_status: trio.TaskStatus[int]
    ) -> None:
        """Accept until cancelled. OSError when a host of `hosts` cannot be listened on."""
        doors = await self._open(port, hosts, handler)
        async with trio.open_nursery() as nursery:
            doors.serve(nursery)
            task_status.started(doors.port)
            while hosts is None:
                await trio.sleep(FOLLOW_SECONDS)
                with suppress(OSError):  # the system does not tell just now
                    await doors.follow(await self._hosts())

    async def _open(self, port: int, hosts: Sequence[str] | None, handler: Handler) -> _Doors:
        for attempt in range(PORT_ATTEMPTS):
            doors = _Doors(port or _free_port(), handler)
            try:
                await doors.open(await self._hosts() if hosts is None else hosts, strict=hosts is not None)
            except OSError as error:
                if port or error.errno != errno.EADDRINUSE or attempt == PORT_ATTEMPTS - 1:
                    raise
            else:
                return doors
        raise AssertionError("the last attempt returns or raises")

    async def _hosts(self) -> Collection[str]:
        return await trio.to_thread.run_sync(self._lan_hosts)


class _Doors:
    """The listeners of one node: one port, any number of addresses that come and go."""

    def __init__(self, port: int, handler: Handler) -> None:
        self.port = port
        self._handler = handler
        self._nursery: trio.Nursery | None = None
        self._open: dict[str, list[trio.SocketListener]] = {}
        self._scopes: dict[str, trio.CancelScope] = {}
        self._refused: set[str] = set()

    async def open(self, hosts: Collection[str], *, strict: bool) -> None:
        """Listen on all of these, or none: OSError when the port is taken, or if `strict` for any reason."""
        try:
            for host in hosts:
                try:
                    self._open[host] = await trio.open_tcp_listeners(self.port, host=host)
                except OSError as error:
                    if strict or error.errno == errno.EADDRINUSE:
                        raise
                    log.debug("not listening on %s: %s", host, error)
        except BaseException:
            for host in self._open.keys() & set(hosts):
                self._close(host)
            raise

    def serve(self, nursery: trio.Nursery) -> None:
        """Accept on everything that is open; connections live in this nursery, and outlive their door."""
        self._nursery = nursery
        for host in self._open:
            self._serve(host)

    async def follow(self, hosts: Collection[str]) -> None:
        """Listen on these addresses and no others."""
        for host in self._open.keys() - set(hosts):
            log.info("no longer listening on %s", host)
            self._scopes.pop(host).cancel()
            self._close(host)
        for host in set(hosts) - self._open.keys():
            try:
                await self.open([host], strict=True)
            except OSError as error:
                if host not in self._refused:
                    log.warning("cannot listen on %s, port %d: %s", host, self.port, error.strerror or error)
                self._refused.add(host)
            else:
                log.info("listening on %s, too", host)
                self._refused.discard(host)
                self._serve(host)

    def _close(self, host: str) -> None:
        for listener in self._open.pop(host):
            listener.socket.close()

    def _serve(self, host: str) -> None:
        assert self._nursery is not None
        self._scopes[host] = trio.CancelScope()
        self._nursery.start_soon(self._accept, self._open[host], self._scopes[host])

    async def _accept(self, listeners: list[trio.SocketListener], scope: trio.CancelScope) -> None:
        with scope:
            await trio.serve_listeners(self._greet, listeners, handler_nursery=self._nursery)

    async def _greet(self, stream: trio.SocketStream) -> None:
        local, remote = _hosts_of(stream)
        if admits(local, remote):
            await self._handler(stream, remote)
        else:
            log.debug("a connection from %s to %s is not of this LAN", remote, local)
            await trio.aclose_forcefully(stream)


def admits(local: str | None, remote: str | None) -> bool:
    """Whether a connection to this address of ours is taken from that one.

    Strangers reach an address of the LAN only if somebody forwards them; a node listens on a public address
    only if its operator said so, and then it is for everybody.
    """
    if local is None or remote is None:
        return False
    return is_lan(remote) or not is_lan(local)


def _free_port() -> int:
    """A TCP port that no listener has just now, by either protocol as far as the machine has it."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _hosts_of(stream: trio.SocketStream) -> tuple[str | None, str | None]:
    """This side's and the other side's address; None for what is gone already."""
    try:
        return _host(stream.socket.getsockname()), _host(stream.socket.getpeername())
    except OSError:
        return None, None


def _host(name: tuple[object, ...]) -> str:
    """The host of a socket's name, with its zone if it is link-local."""
    host = str(name[0])
    if host.startswith("fe80:") and "%" not in host and len(name) == 4 and name[3]:
        return f"{host}%{name[3]}"
    return host
