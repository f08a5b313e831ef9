"""Which of the addresses a peer announced are worth trying from here, the likeliest first.

A machine announces all its addresses on all its networks, so among what is heard are addresses of
networks that this machine is not on (another one's container bridge) and addresses that mean this
machine itself (127.0.0.1, or a bridge that every container host numbers alike). Anyone on the LAN may
announce anything: a public address is tried only on a public network that the operator chose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from protocol.limits import MAX_ADDRESSES
from swarm.discovery.local import IPNetwork, LocalAddress
from swarm.sources.address import Address, is_lan, is_loopback


def worth_trying(
    announced: Iterable[Address], local: Sequence[LocalAddress], own_port: int
) -> tuple[Address, ...]:
    """At most MAX_ADDRESSES of them: those on a network of ours first, IPv4 before IPv6.

    `local` are the chosen addresses of this machine, `own_port` is where it listens itself.
    """
    networks = [address.network for address in local]
    public = [address.network for address in local if not is_lan(address.host)]
    own = {Address(address.host, own_port) for address in local}
    have_loopback = any(is_loopback(address.host) for address in local)

    def on_link(address: Address, networks: Sequence[IPNetwork] = networks) -> bool:
        bare = Address(address.host.partition("%")[0], address.port).ip
        return any(bare in network for network in networks)

    def possible(address: Address) -> bool:
        if address in own or not address.dialable or _lacks_zone(address):
            return False
        if is_loopback(address.host):
            return have_loopback
        return is_lan(address.host) or on_link(address, public)

    candidates = sorted(
        {address for address in announced if possible(address)},
        key=lambda address: (not on_link(address), ":" in address.host, "%" in address.host, address),
    )
    return tuple(candidates[:MAX_ADDRESSES])


def _lacks_zone(address: Address) -> bool:
    ip = address.ip
    return ip is not None and ip.version == 6 and ip.is_link_local and "%" not in address.host
