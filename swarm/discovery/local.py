"""The addresses this machine has, as the system tells: one per interface and address.

An address counts when a socket can be bound to it and its interface is up with a carrier, so that a
pulled cable, and an IPv6 address still under duplicate address detection, are seen as what they are.
"""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
import sys
from dataclasses import dataclass
from typing import Final

import ifaddr

from swarm.sources.address import is_lan

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

IFF_UP: Final = 0x1
IFF_POINTOPOINT: Final = 0x10
IFF_RUNNING: Final = 0x40
IFF_MULTICAST: Final = 0x1000 if sys.platform == "linux" else 0x8000
"""Interface flags as netdevice(7) of Linux and <net/if.h> of the BSDs number them."""

SIOCGIFFLAGS: Final = {"linux": 0x8913, "darwin": 0xC0206911}.get(sys.platform)
"""The ioctl that reads those flags; None where it is unknown: every interface then counts as usable."""

IFREQ_BYTES: Final = 256
"""Room for a `struct ifreq`: 40 bytes on Linux, 32 on macOS."""

ANY_FLAGS: Final = IFF_UP | IFF_RUNNING | IFF_MULTICAST
"""What is assumed of an interface whose flags cannot be read."""


@dataclass(frozen=True, slots=True, order=True)
class LocalAddress:
    """One address of an interface that is up. `host` carries the zone if it is IPv6 link-local.

    `multicast` is false for an interface that reaches no LAN: a tunnel or another point-to-point link.
    """

    interface: str
    index: int
    host: str
    prefix: int
    multicast: bool = True

    @property
    def bare_host(self) -> str:
        """The host without its zone."""
        return self.host.partition("%")[0]

    @property
    def network(self) -> IPNetwork:
        """The network on this interface that the address belongs to."""
        return ipaddress.ip_network(f"{self.bare_host}/{self.prefix}", strict=False)

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host


def local_addresses() -> list[LocalAddress]:
    """Every address of this machine that is in working order. Blocks for a few system calls."""
    return _addresses(IFF_UP | IFF_RUNNING)


def lan_hosts() -> set[str]:
    """Every address of this machine that only a LAN reaches, its cable plugged in or not. Blocks as well."""
    return {address.host for address in _addresses(0) if is_lan(address.host)}


def _addresses(needed: int) -> list[LocalAddress]:
    """The addresses of interfaces that have all these flags."""
    found = []
    for adapter in ifaddr.get_adapters():
        flags = _interface_flags(adapter.nice_name)
        if adapter.index is None or flags & needed != needed:
            continue
        multicast = bool(flags & IFF_MULTICAST) and not flags & IFF_POINTOPOINT
        for ip in adapter.ips:
            host = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            if ":" in host and ipaddress.ip_address(host).is_link_local:
                host = f"{host}%{adapter.nice_name}"
            address = LocalAddress(adapter.nice_name, adapter.index, host, ip.network_prefix, multicast)
            if _bindable(address):
                found.append(address)
    return found


def interface_name(index: int) -> str | None:
    """The name of the interface with this index; None when there is none."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return None


def _interface_flags(name: str) -> int:
    if SIOCGIFFLAGS is None:
        return ANY_FLAGS
    request = name.encode().ljust(IFREQ_BYTES, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)
        except OSError:
            return 0  # it went away between two calls
    flags: int = struct.unpack_from("@16xH", answer)[0]
    return flags


def _bindable(address: LocalAddress) -> bool:
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    name: tuple[str, int] | tuple[str, int, int, int] = (address.bare_host, 0)
    if address.is_ipv6:
        zone = address.index if "%" in address.host else 0
        name = (address.bare_host, 0, 0, zone)
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(name)
    except OSError:
        return False
    return True
