"""Which announced addresses are tried, and in which order."""

from __future__ import annotations

from protocol.limits import MAX_ADDRESSES
from swarm.discovery.local import LocalAddress
from swarm.discovery.reachable import worth_trying
from swarm.sources.address import Address

ETH = LocalAddress("eth0", 2, "192.168.1.5", 24)
DOCKER = LocalAddress("docker0", 3, "172.17.0.1", 16)
ETH6 = LocalAddress("eth0", 2, "fd00::5", 64)
LINK6 = LocalAddress("eth0", 2, "fe80::5%eth0", 64)
LO = LocalAddress("lo", 1, "127.0.0.1", 8, multicast=False)


def tried(*announced: str, local: tuple[LocalAddress, ...] = (ETH, DOCKER, ETH6, LINK6)) -> list[str]:
    found = worth_trying((Address.parse(text) for text in announced), local, own_port=7677)
    return [address.host for address in found]


def test_our_own_networks_come_first_and_ipv4_before_ipv6() -> None:
    announced = ["10.0.0.9", "[fe80::9%eth0]:7677", "[fd00::9]:7677", "192.168.1.9"]
    assert tried(*announced) == ["192.168.1.9", "fd00::9", "fe80::9%eth0", "10.0.0.9"]
    assert tried(*announced[::-1]) == tried(*announced)


def test_an_address_that_means_ourselves_is_left_out() -> None:
    assert tried("172.17.0.1:7677", "192.168.1.5:7677") == []
    assert tried("172.17.0.1:7678") == ["172.17.0.1"]


def test_loopback_counts_only_for_those_who_are_on_loopback() -> None:
    assert tried("127.0.0.1:9000") == []
    assert tried("127.0.0.1:9000", local=(LO,)) == ["127.0.0.1"]


def test_a_public_address_counts_only_on_our_own_network() -> None:
    public = LocalAddress("eth0", 2, "8.8.4.4", 24)
    assert tried("8.8.4.9") == []
    assert tried("8.8.4.9", "9.9.9.9", local=(public,)) == ["8.8.4.9"]


def test_a_private_address_with_a_short_prefix_makes_no_public_one_ours() -> None:
    wide = LocalAddress("eth0", 2, "192.168.1.5", 8)
    assert tried("192.0.9.9", "192.168.1.9", local=(wide,)) == ["192.168.1.9"]


def test_link_local_addresses_need_a_zone() -> None:
    assert tried("[fe80::9]:7677") == []


def test_many_addresses_are_cut_short() -> None:
    assert len(tried(*(f"192.168.1.{n}" for n in range(100, 150)))) == MAX_ADDRESSES
