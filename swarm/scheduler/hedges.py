"""Which chunks to order a second time, from somebody else.

A hedge: the source of a chunk is later than its own history explains. The endgame: everything that is
missing is on order, and another source would bring a chunk in less than half the time that its source
still needs for it. Never more than two orders for a chunk; whichever comes first cancels the other.
"""

from __future__ import annotations

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
    peer: Peer, allowed: int, orders: Orders, paces: dict[NodeId, Pace], *, last: bool, now: float
) -> int:
    """Chunks, out of `allowed`, that are on order elsewhere and should be asked of this peer as well.

    last: everything that is missing is on order.
    """
    singly = orders.bits ^ orders.doubled
    candidates = allowed & peer.offers & singly
    if not candidates:
        return 0
    chosen: list[int] = []
    for source in orders.sources():
        if source == peer.node:
            continue
        pace = paces[source]
        if now >= pace.overdue_at(orders.longest(source)):
            chosen += orders.pending(source)
        elif last and pace.rate is not None and peer.pace.rate is not None:
            chosen += _slower(source, orders, pace, peer.pace, orders.owed(peer.node))
    return candidates & from_members(chosen)


def _slower(source: NodeId, orders: Orders, pace: Pace, other: Pace, other_owes: int) -> list[int]:
    """What `source` owes and `other` would bring much sooner, the last in the queue first."""
    ahead = 0
    waits: list[tuple[int, int, float]] = []
    for chunk, length in orders.pending(source).items():
        ahead += length
        waits.append((chunk, length, pace.seconds(ahead)))
    chosen = []
    for chunk, length, wait in reversed(waits):
        other_owes += length
        if wait < ENDGAME_GAIN * other.seconds(other_owes) + ENDGAME_MARGIN:
            break
        chosen.append(chunk)
    return chosen
