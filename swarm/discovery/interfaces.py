"""Which addresses of this machine discovery uses: chosen, never guessed from the default route.

Without a choice by a person, discovery uses every address that only a LAN reaches on every interface
that can multicast: not a VPN, and loopback only when there is nothing else. A public address is used when a
person chose it or its interface and, beyond that, has the node listen there: nobody is told of a closed door.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from swarm.discovery.local import IPNetwork, LocalAddress, local_addresses
from swarm.errors import UsageError
from swarm.sources.address import is_lan, is_loopback


@dataclass(frozen=True, slots=True)
class InterfaceChoice:
    """Interface names and networks that someone named; the default choice when both are empty.

    `public`: the node listens on public addresses as well.
    """

    names: tuple[str, ...] = ()
    networks: tuple[IPNetwork, ...] = ()
    public: bool = False

    @classmethod
    def parse(cls, text: str, *, public: bool = False) -> InterfaceChoice:
        """`eth0,192.168.1.0/24,fd00::/8,10.0.0.5`: names, networks, addresses. UsageError for others."""
        names: list[str] = []
        networks: list[IPNetwork] = []
        for item in filter(None, (part.strip() for part in text.split(","))):
            try:
                networks.append(ipaddress.ip_network(item, strict=False))
            except ValueError:
                names.append(_interface_name(item))
        return cls(tuple(names), tuple(networks), public)

    @property
    def is_default(self) -> bool:
        return not self.names and not self.networks

    def select(self, found: Iterable[LocalAddress]) -> tuple[LocalAddress, ...]:
        """Those of the addresses this choice is for, sorted, so that two equal answers compare equal."""
        present = sorted(set(found))
        if not self.is_default:
            return tuple(address for address in present if self._names(address))
        lan = [a for a in present if a.multicast and is_lan(a.host) and not is_loopback(a.host)]
        return tuple(lan or [address for address in present if is_loopback(address.host)])

    def addresses(self) -> tuple[LocalAddress, ...]:
        """The chosen addresses that this machine has now. Blocks for a few system calls."""
        return self.select(local_addresses())

    def __str__(self) -> str:
        return ",".join((*self.names, *map(str, self.networks))) or "every interface of a LAN"

    def _names(self, address: LocalAddress) -> bool:
        if not (self.public or is_lan(address.host)):
            return False
        ip = ipaddress.ip_address(address.bare_host)
        return address.interface in self.names or any(ip in network for network in self.networks)


def _interface_name(item: str) -> str:
    if not item.isprintable() or any(character in "/: " for character in item):
        raise UsageError(
            f"neither an interface nor a network: {item!r}",
            "Name interfaces as `ip link` shows them, networks as 192.168.1.0/24; separate them by commas.",
        )
    return item
