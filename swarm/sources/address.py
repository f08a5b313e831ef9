"""Where a node listens or can be dialled: a host and a TCP port, as people write them and sockets take them.

Addresses come from the command line, from mDNS and from peers, so the constructor refuses what no
socket could use; what one can only listen on (0.0.0.0, port 0) says so by `dialable`. A host is an IPv4
or IPv6 address, with a zone if it is link-local, or a DNS name; it is kept in one canonical spelling,
so that two equal addresses compare equal.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final

from protocol.limits import DEFAULT_PORT

MAX_HOST: Final = 253
"""Characters of a DNS name (RFC 1035 2.3.4); an IPv6 address with a zone is shorter."""

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

LAN_NETWORKS: Final = tuple(
    ipaddress.ip_network(block)
    for block in (
        "10.0.0.0/8",  # private: RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",  # link-local: RFC 3927
        "127.0.0.0/8",  # loopback: RFC 1122
        "fe80::/10",  # link-local: RFC 4291
        "::1/128",  # loopback: RFC 4291
        "fc00::/7",  # unique local: RFC 4193
    )
)
"""Private, link-local and loopback blocks: where a node listens, and whom it dials, when nobody told it
otherwise. Carrier-grade NAT (100.64.0.0/10) is not one of them: behind it are overlay networks and other
customers, not the machines of this LAN."""

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_ZONE = re.compile(r"[A-Za-z0-9_.:@-]{1,32}")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A host and a TCP port. ValueError for a host that is no address or name, a port not in 0…65535."""

    host: str
    port: int
    dialable: bool = field(init=False, repr=False, compare=False)
    """Can one connect to it? Not to a wildcard (0.0.0.0, ::), nor to port 0: those are to listen on."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", _canonical(self.host))
        if not 0 <= self.port <= 0xFFFF:
            raise ValueError(f"not a TCP port: {self.port}")
        ip = self.ip
        object.__setattr__(self, "dialable", self.port > 0 and (ip is None or not ip.is_unspecified))

    @classmethod
    def parse(cls, text: str, default_port: int = DEFAULT_PORT) -> Address:
        """`host`, `host:port`, `[IPv6]:port` or a bare IPv6 address; ValueError says what is wrong."""
        bracketed = re.fullmatch(r"\[([^\[\]]*)\](?::([0-9]+))?", text)
        if bracketed:
            host, port = bracketed.groups()
            if ip_address(host) is None or ":" not in host:
                raise ValueError(f"not an IPv6 address in brackets: {text!r}")
        elif text.count(":") > 1:
            host, port = text, None
        else:
            host, colon, port = text.partition(":")
            if colon and not port:
                raise ValueError(f"no port after the colon: {text!r}")
        if not port:
            return cls(host, default_port)
        if not (port.isascii() and port.isdigit() and len(port) <= 5):
            raise ValueError(f"not a TCP port: {port!r} in {text!r}")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def ip(self) -> IPAddress | None:
        """The host as an IP address; None when it is a name."""
        return ip_address(self.host)


def ip_address(host: str) -> IPAddress | None:
    """The IP address that `host` spells; None when it is a name. An IPv4-mapped one counts as IPv4."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def is_lan(host: str) -> bool:
    """Is this the IP address of a machine that only a LAN reaches? A name is not: nobody resolved it."""
    address = ip_address(host)
    if address is None:
        return False
    bare = type(address)(int(address))  # without its zone, which no network has
    return any(bare in network for network in LAN_NETWORKS)


def is_loopback(host: str) -> bool:
    """Is this an address of the machine itself (127.0.0.0/8 or ::1)?"""
    address = ip_address(host)
    return address is not None and address.is_loopback


def _canonical(host: str) -> str:
    address = ip_address(host)
    if address is None:
        name = host.lower().removesuffix(".")
        if len(name) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in name.split(".")):
            raise ValueError(f"neither an IP address nor a host name: {host!r}")
        if name.rpartition(".")[2].isdigit():
            raise ValueError(f"not an IPv4 address: {host!r}")
        return name
    if address.is_multicast:
        raise ValueError(f"not the address of one machine: {host!r}")
    zone = getattr(address, "scope_id", None)
    if zone is not None and not _ZONE.fullmatch(zone):
        raise ValueError(f"not the name of an interface: {zone!r}")
    return str(address)
