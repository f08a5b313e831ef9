"""What two nodes say of themselves and of other nodes, whatever they exchange."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.ids import NodeId
from protocol.messages.checked import Checked


@dataclass(frozen=True, slots=True)
class Ping(Checked):
    """Are you there? Answered by Pong with the same nonce."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Pong(Checked):
    """The answer to a Ping."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Peers(Checked):
    """Nodes the sender has a proven link with, each with addresses (host:port) to try."""

    entries: tuple[tuple[NodeId, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Bye(Checked):
    """The sender is about to end the link, for no fault of the receiver; the reason is for people.

    It holds as many links as it wants. Who is told so closes the link, and does not call again for a while.
    """

    reason: str
