"""What to order from one peer: the chunks that the policy puts first, as many as its window has room for.

The policy (`picker`) ranks what is on order from nobody. When it has nothing for a peer, what is on order
elsewhere may be worth a second order (`hedges`). Chunks are taken until one does not fit any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Final

from protocol.bits import descending, members
from protocol.ids import NodeId
from protocol.limits import MAX_PIECES
from protocol.manifest import Layout
from swarm.scheduler.dispatch import Dispatch
from swarm.scheduler.hedges import duplicates
from swarm.scheduler.orders import Orders
from swarm.scheduler.peers import Peer
from swarm.scheduler.picker import Picker, View

MAX_PICKS: Final = 4 * MAX_PIECES
"""Chunks ordered from one peer in one step: a few milliseconds of work."""


class Choice:
    """Among chunks laid out by `layout`, the longest of `longest` bytes, by the policy `picker`.

    Each choice is chunk number to length in bytes, in the order in which to ask; `room` is in bytes.
    """

    def __init__(
        self, layout: Layout, longest: int, picker: Picker, orders: Orders, dispatch: Dispatch
    ) -> None:
        self._layout = layout
        self._longest = longest
        self._picker = picker
        self._orders = orders
        self._dispatch = dispatch

    def room(self, peer: Peer) -> int:
        """Bytes that may be ordered from a peer; nothing until at least half of its window is free."""
        if not peer.offers:
            return 0
        window = peer.pace.window(self._longest, self._orders.busy)
        room = window - self._orders.owed(peer.node)
        return room if 2 * room >= window else 0

    def first(self, peer: Peer, room: int, view: View, now: float) -> dict[int, int]:
        """What to order that is on order from nobody."""
        chosen: dict[int, int] = {}
        for tier in self._picker.tiers(peer, view, now):
            chunks = descending(tier.bits) if tier.backwards else members(tier.bits, tier.start)
            room = self._take(chunks, room, chosen)
        return chosen

    def again(
        self, peer: Peer, room: int, allowed: int, overdue: Set[NodeId], *, last: bool
    ) -> dict[int, int]:
        """What to order, out of `allowed`, though it is on order elsewhere. overdue: sources that are late.
        last: everything that is missing is on order."""
        chosen: dict[int, int] = {}
        if overdue or last:
            paces = {source: self._dispatch.pace(source) for source in self._orders.sources()}
            again = duplicates(peer, allowed, self._orders, paces, overdue, last=last)
            self._take(members(again), room, chosen)
        return chosen

    def _take(self, chunks: Iterator[int], room: int, chosen: dict[int, int]) -> int:
        """Add chunks to what is chosen while there is room; returns the room left."""
        if room <= 0:
            return room
        for chunk in chunks:
            length = self._layout.length(chunk)
            if length > room or len(chosen) == MAX_PICKS:
                return 0
            chosen[chunk] = length
            room -= length
        return room
