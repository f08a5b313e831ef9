"""What nodes tell of one another, and what is believed."""

from __future__ import annotations

import pytest

from protocol.ids import NodeId
from protocol.limits import MAX_PEERS_PASSED_ON
from protocol.messages import Peers
from swarm.exchange.gossip import hints, introductions, passable
from swarm.sources.address import Address

LAN, LOOP = Address("192.168.1.5", 7677), Address("127.0.0.1", 7677)


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


@pytest.mark.parametrize(
    ("address", "other", "passed"),
    [
        ("10.1.2.3:1", LAN, True),
        ("[fd00::1]:1", LAN, True),
        ("169.254.1.1:1", None, True),
        ("[fe80::1%eth0]:1", LAN, False),
        ("127.0.0.1:1", LAN, False),
        ("127.0.0.1:1", None, False),
        ("127.0.0.1:1", LOOP, True),
        ("8.8.8.8:1", LAN, False),
        ("host.lan:1", LAN, False),
        ("0.0.0.0:1", LAN, False),
        ("10.1.2.3:0", LAN, False),
    ],
)
def test_addresses_that_mean_the_same_to_everybody(address: str, other: Address | None, passed: bool) -> None:
    assert passable(Address.parse(address), other) is passed


def test_introductions_fit_their_messages() -> None:
    known = [(node(number), Address("10.0.0.1", number + 1)) for number in range(MAX_PEERS_PASSED_ON + 1)]
    first, second = introductions([*known, (node(999), None), (node(998), LOOP)], LAN)
    assert first.entries[0] == (node(0), ("10.0.0.1:1",))
    assert (len(first.entries), len(second.entries)) == (MAX_PEERS_PASSED_ON, 1)
    assert list(introductions([], LAN)) == []


def test_hints_leave_out_what_makes_no_sense() -> None:
    message = Peers(
        ((node(1), ("10.0.0.1:5", "nonsense:x", "1.1.1.1:1")), (node(2), ("[::]:1",)), (node(3), ()))
    )
    assert list(hints(message, LAN)) == [(node(1), [Address("10.0.0.1", 5)])]
