"""Peers that a person named (`SWARM_PEERS`): where mDNS does not reach, this does.

Names are resolved again and again, as the machine behind a name may move; an entry that cannot be
resolved now costs a warning and nothing else.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio

from protocol.limits import DEFAULT_PORT, MAX_ADDRESSES
from swarm.discovery.sightings import Event, Sighting
from swarm.errors import UsageError
from swarm.sources.address import Address

log = logging.getLogger(__name__)

SIGHT_AGAIN_SECONDS: Final = 60.0
"""Between two sightings of one entry: how soon a machine is found that moved or was off at first."""

RESOLVE_RETRY_SECONDS: Final = 10.0
"""After a name that did not resolve: a LAN's name server is often up a little later than the machines."""

RESOLVE_TIMEOUT_SECONDS: Final = 15.0
"""For one look-up: three tries of a resolver with the usual five seconds each (resolv.conf(5))."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Look up (name, port) and give the hosts it stands for; OSError (socket.gaierror) when there are none."""


def parse_peers(text: str, default_port: int = DEFAULT_PORT) -> tuple[Address, ...]:
    """The addresses in `host,host:port,[IPv6]:port`, each once. UsageError names the wrong entry."""
    peers: dict[Address, None] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        try:
            address = Address.parse(item, default_port)
        except ValueError as error:
            raise UsageError(
                f"not a peer: {error}", "Write host, host:port or [IPv6 address]:port."
            ) from None
        if not address.dialable:
            raise UsageError(
                f"not a peer: nothing can connect to {address}", "Write the address it listens on."
            )
        peers[address] = None
    return tuple(peers)


async def system_resolve(name: str, port: int) -> Sequence[str]:
    """What the system's resolver (hosts file, DNS, mDNS where set up) says."""
    found = await trio.socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [_host_of(sockaddr) for _family, _type, _protocol, _canonical, sockaddr in found]


async def run_static(
    peers: Sequence[Address],
    sink: trio.MemorySendChannel[Event],
    *,
    resolve: Resolve = system_resolve,
) -> None:
    """Send a sighting of every peer now and every SIGHT_AGAIN_SECONDS, until cancelled."""
    async with trio.open_nursery() as nursery:
        for peer in peers:
            nursery.start_soon(_watch, peer, sink, resolve)


async def _watch(peer: Address, sink: trio.MemorySendChannel[Event], resolve: Resolve) -> None:
    complained = False
    while True:
        addresses, problem = await _look_up(peer, resolve)
        if addresses:
            complained = False
            await sink.send(Sighting(None, addresses, "static"))
        elif not complained:
            log.warning("peer %s: %s; trying again every %d s", peer, problem, RESOLVE_RETRY_SECONDS)
            complained = True
        await trio.sleep(SIGHT_AGAIN_SECONDS if addresses else RESOLVE_RETRY_SECONDS)


async def _look_up(peer: Address, resolve: Resolve) -> tuple[tuple[Address, ...], str]:
    """The addresses the entry stands for, at most MAX_ADDRESSES, and why there are none."""
    if peer.ip is not None:
        return (peer,), ""
    hosts: Sequence[str] = ()
    problem = "the name server does not answer"
    with trio.move_on_after(RESOLVE_TIMEOUT_SECONDS):
        try:
            hosts = await resolve(peer.host, peer.port)
            problem = "the name has no address"
        except OSError as error:
            problem = error.strerror or str(error)
    unique = dict.fromkeys(Address(host, peer.port) for host in hosts)
    return tuple(unique)[:MAX_ADDRESSES], problem


def _host_of(sockaddr: tuple[object, ...]) -> str:
    """The host in what getaddrinfo gave, with the zone of an IPv6 link-local address."""
    host = str(sockaddr[0])
    zone = sockaddr[3] if len(sockaddr) == 4 else 0
    return f"{host}%{zone}" if zone and "%" not in host else host
