"""What discovery tells the rest of the node: hints where a peer may be, never who it is.

Whoever can send a packet on the LAN can make a sighting up. The handshake proves the identity; a
sighting only says where to try.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from protocol.ids import NodeId
from swarm.sources.address import Address

Via = Literal["mdns", "static"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A peer is said to be at these addresses, the likeliest first.

    `node_id` is None when nobody said whose addresses they are. The same sighting comes again from time
    to time, so that whoever failed to connect has a reason to try once more.
    """

    node_id: NodeId | None
    addresses: tuple[Address, ...]
    via: Via


@dataclass(frozen=True, slots=True)
class Vanished:
    """A peer said goodbye, or its announcement ran out. A working link to it proves the contrary."""

    node_id: NodeId
    via: Via = "mdns"


Event = Sighting | Vanished
