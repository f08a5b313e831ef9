"""Addresses that peers name: only such as a LAN alone reaches, spelt in one way, are believed.

lines of text, each an address in one entry of a Peers message
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol.ids import NodeId
from protocol.limits import MAX_ADDRESSES
from protocol.messages import BadMessage, Peers
from swarm.exchange.gossip import hints
from swarm.sources.address import Address, is_lan, is_loopback

SENDER = Address("192.168.1.9", 7677)


def seeds() -> Iterator[bytes]:
    yield b"192.168.1.7:7677\n[fd00::7]:1\n10.0.0.1"
    yield b"8.8.8.8:53\nexample.org:80\n127.0.0.1:22\n[::1]:22\n[fe80::1%eth0]:1"
    yield b"[::ffff:8.8.8.8]:53\n0.0.0.0:1\n224.0.0.1:1\n1:2:3\n10.1:5\n0x0a.0.0.1:1"


def run(data: bytes) -> None:
    texts = tuple(data.decode("utf-8", "replace").split("\n")[:MAX_ADDRESSES])
    try:
        message = Peers(((NodeId(bytes(32)), texts),))
    except BadMessage:
        return
    for _, addresses in hints(message, SENDER):
        for address in addresses:
            assert Address.parse(str(address)) == address
            assert address.dialable
            assert address.ip is not None
            assert is_lan(address.host)
            assert not is_loopback(address.host)
