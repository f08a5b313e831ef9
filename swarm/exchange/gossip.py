"""Which nodes peers tell one another about, and which of it is believed. Pure.

Only nodes with a proven link are passed on, and only addresses that mean the same to every machine of
the LAN. What a peer says is a hint: it makes this node dial an address, once or a few times, no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from protocol.ids import NodeId
from protocol.limits import MAX_PEERS_PASSED_ON
from protocol.messages import Peers
from swarm.sources.address import Address, is_lan, is_loopback


def introductions(known: Iterable[tuple[NodeId, Address | None]], to: Address | None) -> Iterator[Peers]:
    """Messages that tell the node at `to` (None: not known where) of these linked nodes."""
    entries = [
        (node, (str(address),)) for node, address in known if address is not None and passable(address, to)
    ]
    for start in range(0, len(entries), MAX_PEERS_PASSED_ON):
        yield Peers(tuple(entries[start : start + MAX_PEERS_PASSED_ON]))


def hints(message: Peers, sender: Address | None) -> Iterator[tuple[NodeId, list[Address]]]:
    """What to make of such a message from the node at `sender`."""
    for node, texts in message.entries:
        addresses = [address for text in texts if (address := _parsed(text)) and passable(address, sender)]
        if addresses:
            yield node, addresses


def passable(address: Address, other: Address | None) -> bool:
    """Does this address mean the same to the node at `other`, and can only a LAN reach it?

    A link-local IPv6 address needs a zone, which is each machine's own; loopback is for nodes on one
    machine. Names are not passed on: nobody should be made to resolve them.
    """
    if not (address.dialable and is_lan(address.host)) or "%" in address.host:
        return False
    return not is_loopback(address.host) or (other is not None and is_loopback(other.host))


def _parsed(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except ValueError:
        return None
