"""How far inward a redirect may lead: from a public host never to this LAN, this link or this machine.

An upstream decides what a redirect says, and the name in it what addresses it has, from one moment to the
next. So the address is judged, not the name: what a name stands for before anything connects, and what the
connection came to before a byte is sent on it. A redirect leads outward, or stays on the level of the
endpoint that the user named, which may be anywhere; to lead further in, the operator has to have allowed it
(`redirects`). Through a proxy, names are the proxy's to resolve, and only addresses written as such are
judged here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import trio

from swarm.sources.address import IPAddress, ip_address
from swarm.upstreams.endpoint import Origin
from swarm.upstreams.trouble import BadAnswer

NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv6 addresses that stand for the IPv4 address in their last 32 bits (RFC 6052)."""

GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""The IPv6 addresses that are given out (RFC 4291, 2.4; IANA's registry). Python calls others global, and
some of them lead inward: site-local ones (fec0::/10, RFC 3879), and what a NAT64 of this network makes of
64:ff9b:1::/48 (RFC 8215)."""

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

STAND_INS: Final = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "198.18.0.0/15"),
    )
)
"""Counted as public though nobody has them: what laboratories take for the internet (RFC 5737, RFC 3849), and
what proxies that catch all traffic of a machine give every name for an address (RFC 2544)."""

Resolve = Callable[[str, int], Awaitable[Collection[str]]]
"""The addresses of (name, port), with zones; OSError when there are none."""


class Level(IntEnum):
    """Where an address is, from the outside in."""

    PUBLIC = 0
    PRIVATE = 1
    LINK = 2
    MACHINE = 3


WORDS: Final = {
    Level.PUBLIC: "on the internet",
    Level.PRIVATE: "on a private network",
    Level.LINK: "at a link-local address",
    Level.MACHINE: "on this machine",
}


def level_of(address: IPAddress) -> Level:
    """Anything that is not known to be public counts as private; what stands for IPv4 counts as that."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and ipaddress.IPv6Address(int(address)) in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return level_of(inner)
    if address.is_loopback or address.is_unspecified:
        return Level.MACHINE
    if address.is_link_local:
        return Level.LINK
    if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_UNICAST:
        return Level.PRIVATE
    public = address.is_global or any(address in network for network in STAND_INS)
    return Level.PUBLIC if public and not address.is_multicast else Level.PRIVATE


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hosts and networks that a redirect may always lead to: the operator named them."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPNetwork, ...] = ()

    @classmethod
    def parse(cls, words: Collection[str]) -> Allowed:
        """Names, addresses and networks."""
        hosts: set[str] = set()
        networks: list[IPNetwork] = []
        for word in words:
            try:
                networks.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                hosts.add(word.lower())
        return cls(frozenset(hosts), tuple(networks))

    def __contains__(self, place: tuple[str, IPAddress]) -> bool:
        name, address = place
        bare = type(address)(int(address))
        return name.lower() in self.hosts or any(bare in network for network in self.networks)


async def system_resolve(name: str, port: int) -> Collection[str]:
    found = await trio.socket.getaddrinfo(name, port, type=trio.socket.SOCK_STREAM)
    return {str(address[0]) for *_, address in found}


class Reached:
    """At which levels one client has reached each origin: connections are kept, and used again by anyone."""

    def __init__(self) -> None:
        self._levels: dict[Origin, tuple[Level, Level]] = {}

    def note(self, origin: Origin, level: Level) -> None:
        """A connection to this origin came to this level."""
        outermost, innermost = self._levels.get(origin, (level, level))
        self._levels[origin] = min(outermost, level), max(innermost, level)

    def innermost(self, origin: Origin) -> Level:
        return self._levels.get(origin, (Level.PUBLIC, Level.PUBLIC))[1]

    def home(self, origin: Origin) -> Level:
        """How far in an endpoint is: if its name was ever seen to be public, it is."""
        if origin in self._levels:
            return self._levels[origin][0]
        literal = ip_address(origin[1])
        return Level.PUBLIC if literal is None else level_of(literal)


class Fence:
    """Judges one request to `target`, which must go no further in than `limit`. BadAnswer when it would.

    `trace` is what httpcore calls with each step of a request (its documented `trace` extension).
    """

    def __init__(
        self,
        target: Origin,
        limit: Level,
        reached: Reached,
        allowed: Allowed,
        resolve: Resolve = system_resolve,
    ) -> None:
        self._target = target
        self._host = target[1]
        self._limit = limit
        self._reached = reached
        self._allowed = allowed
        self._resolve = resolve
        self._direct = False

    def check(self) -> None:
        """What can be told before anything is done: of an address, and of connections that are there."""
        if (literal := ip_address(self._host)) is not None:
            self._judge(literal)
        elif self._reached.innermost(self._target) > self._limit and self._host not in self._allowed.hosts:
            raise self._refusal(self._reached.innermost(self._target))

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Before and after a connection comes about. One to a proxy is none of ours."""
        if event == "connection.connect_tcp.started":
            self._direct = info["host"] == self._host
            if self._direct and self._limit < Level.MACHINE:
                for found in await self._addresses(info["port"]):
                    self._judge(found)
        elif event == "connection.connect_tcp.complete" and self._direct:
            stream = info["return_value"]
            try:
                self._arrived(stream.get_extra_info("server_addr"))
            except BadAnswer:
                await stream.aclose()
                raise

    async def _addresses(self, port: int) -> list[IPAddress]:
        try:
            found = await self._resolve(self._host, port)
        except OSError:
            return []  # who connects will say so
        return [address for host in found if (address := ip_address(host)) is not None]

    def _arrived(self, name: tuple[object, ...]) -> None:
        address = ip_address(str(name[0]))
        assert address is not None, "a socket's own word"
        self._judge(address)
        if self._limit == Level.MACHINE or (self._host, address) not in self._allowed:
            self._reached.note(self._target, level_of(address))

    def _judge(self, address: IPAddress) -> None:
        level = level_of(address)
        if level > self._limit and (self._host, address) not in self._allowed:
            raise self._refusal(level)

    def _refusal(self, level: Level) -> BadAnswer:
        return BadAnswer(f"a redirect to {self._host}, which is {WORDS[level]}")
