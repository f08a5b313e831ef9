"""Which addresses discovery uses, by default and when somebody chose."""

from __future__ import annotations

import socket

import pytest

from swarm.discovery.interfaces import InterfaceChoice
from swarm.discovery.local import LocalAddress, interface_name, lan_hosts, local_addresses
from swarm.errors import UsageError
from swarm.sources.address import is_lan

LO = LocalAddress("lo", 1, "127.0.0.1", 8, multicast=False)
LO6 = LocalAddress("lo", 1, "::1", 128, multicast=False)
ETH = LocalAddress("eth0", 2, "192.168.1.5", 24)
ETH_LINK = LocalAddress("eth0", 2, "fe80::5%eth0", 64)
ETH_PUBLIC = LocalAddress("eth0", 2, "8.8.4.4", 24)
WIFI = LocalAddress("wlan0", 3, "10.1.2.3", 16)
VPN = LocalAddress("wg0", 4, "10.9.0.1", 24, multicast=False)
ALL = [VPN, WIFI, ETH_PUBLIC, ETH_LINK, ETH, LO6, LO]


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ("", [ETH, ETH_LINK, WIFI]),
        ("eth0", [ETH, ETH_LINK]),
        ("8.8.0.0/16", []),
        ("wg0, lo", [LO, LO6, VPN]),
        ("10.0.0.0/8", [VPN, WIFI]),
        ("10.1.2.3", [WIFI]),
        ("fe80::/10", [ETH_LINK]),
        ("wlan0,192.168.1.77/24", [ETH, WIFI]),
        ("nothing0", []),
    ],
)
def test_selects(choice: str, chosen: list[LocalAddress]) -> None:
    assert set(InterfaceChoice.parse(choice).select(ALL)) == set(chosen)


def test_public_addresses_are_used_where_the_node_listens_on_them() -> None:
    choice = InterfaceChoice.parse("eth0", public=True)
    assert set(choice.select(ALL)) == {ETH, ETH_PUBLIC, ETH_LINK}
    assert ETH_PUBLIC not in InterfaceChoice.parse("", public=True).select(ALL)


def test_loopback_is_the_default_only_when_there_is_nothing_else() -> None:
    assert InterfaceChoice().select([LO, LO6, VPN, ETH_PUBLIC]) == (LO, LO6)
    assert InterfaceChoice().select([]) == ()


def test_the_order_the_system_tells_them_in_does_not_matter() -> None:
    choice = InterfaceChoice()
    assert choice.select(ALL) == choice.select(ALL[::-1])


@pytest.mark.parametrize("text", ["192.168.1.0/33", "eth 0", "[fe80::1]", "a/b", "eth0;lo:1"])
def test_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="neither an interface nor a network"):
        InterfaceChoice.parse(text)


def test_says_what_it_is() -> None:
    assert str(InterfaceChoice.parse("eth0, 10.0.0.5/8")) == "eth0,10.0.0.0/8"
    assert "LAN" in str(InterfaceChoice())


def test_networks_leave_the_zone_out() -> None:
    assert str(ETH_LINK.network) == "fe80::/64"
    assert str(ETH.network) == "192.168.1.0/24"


def test_this_machine_has_loopback_and_can_bind_what_it_tells() -> None:
    found = local_addresses()
    assert "127.0.0.1" in [address.host for address in found]
    for address in found:
        family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
        info = socket.getaddrinfo(address.host, 0, family, socket.SOCK_DGRAM)
        with socket.socket(family, socket.SOCK_DGRAM) as bound:
            bound.bind(info[0][4])


def test_addresses_to_listen_on_are_private_ones() -> None:
    hosts = lan_hosts()
    assert "127.0.0.1" in hosts
    assert all(is_lan(host) for host in hosts)


def test_names_of_interfaces() -> None:
    index, name = socket.if_nameindex()[0]
    assert interface_name(index) == name
    assert interface_name(2**30) is None
