"""Which chunks to order a second time, from somebody else.

A hedge: the source of a chunk is later than its own history explains. The endgame: everything that is
missing is on order, and another source would bring a chunk in less than half the time that its source
still needs for it. Never more than two orders for a chunk; whichever comes first cancels the other.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from protocol.bits import from_members
from protocol.ids import NodeId
from swarm.scheduler.orders import Orders
from swarm.scheduler.peers import Peer
from swarm.scheduler.windows import Pace

ENDGAME_GAIN: Final = 2.0
"""How many times faster another source must be to be worth bytes that are sent twice."""

ENDGAME_MARGIN: Final = 0.1
"""Seconds by which it must be faster besides: estimates are no better than that."""


def duplicates(
    peer: Peer, allowed: int, orders: Orders, paces: dict[NodeId, Pace], overdue: Set[NodeId], *, last: bool
) -> int:
    """Chunks, out of `allowed`, that are on order elsewhere and should be asked of this peer as well.

    paces, overdue: of the sources that owe something. last: everything that is missing is on order.
    """
    if not (overdue or last):
        return 0
    singly = orders.bits ^ orders.doubled
    candidates = allowed & peer.offers & singly
    if not candidates:
        return 0
    chosen: list[int] = []
    for source in orders.sources():
        if source == peer.node:
            continue
        if source in overdue:
            chosen += orders.pending(source)
        elif last and paces[source].rate and peer.pace.rate:
            owed = orders.owed(peer.node)
            chosen += _slower(orders.pending(source), paces[source].rate or 0.0, peer.pace.rate, owed)
    return candidates & from_members(chosen)


def _slower(pending: dict[int, int], rate: float, other: float, other_owes: int) -> list[int]:
    """What a source of this rate owes and one of the rate `other` would bring much sooner, the last first."""
    ahead = sum(pending.values())
    chosen = []
    for chunk, length in reversed(pending.items()):
        other_owes += length
        if ahead / rate < ENDGAME_GAIN * other_owes / other + ENDGAME_MARGIN:
            break
        chosen.append(chunk)
        ahead -= length
    return chosen
