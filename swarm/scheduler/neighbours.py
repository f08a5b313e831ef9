"""Whom a node wants links with when more nodes are known than it can hold links with. Pure.

Up to WANTED_LINKS known nodes everybody is linked with everybody. Beyond that a node wants

- its neighbours on the ring, the RING_NEIGHBOURS next ids on either side: the ring alone holds all nodes
  together, and whoever knows both ends of a gap closes it;
- of the others those that are nearest by `rank`, a hash of the two ids. It is the same seen from either
  side, so that whom a node wants mostly wants it as well, and it has nothing to do with where or when a
  node came up: the links of all nodes are a random graph, in which any two are three or four links apart.

A node thus holds somewhat more links than it wants, those that only the other side wanted and those it has
filled up with from the next in rank, and MAX_LINKS at most. When a link more is wanted than there is room
for, `spare` names the one to give up for it.

Who is known changes with every dial, and the answer is asked for as often: the nodes are kept in both orders,
by id and by rank, so that an answer looks at some dozens of a thousand.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass
from itertools import islice
from typing import Final

from blake3 import blake3

from protocol.ids import NodeId

WANTED_LINKS: Final = 24
"""Links a node sees to having. Up to so many others all are linked with all; past it, so many that each
chunk has many ways and the loss of a few links is not felt, few enough that telling all of each chunk costs
less than a thousandth of it."""

MAX_LINKS: Final = 32
"""Links a node holds at most: a third more than it wants, for those who want it and whom it does not want.
Each costs a keepalive, a copy of every Have, and a share of the time for each decision."""

RING_NEIGHBOURS: Final = 1
"""Next ids on each side. One holds all together; the random links are there when it breaks."""


@dataclass(frozen=True, slots=True)
class Links:
    """What there is to choose from. named: by the operator. busy: carrying chunks. wanted: as below.
    sought: has what another looks for, or the other way round. kept: given up for nobody.
    """

    linked: Set[NodeId]
    named: Set[NodeId]
    busy: Set[NodeId]
    wanted: Set[NodeId]
    sought: Set[NodeId] = frozenset()
    kept: Set[NodeId] = frozenset()


class Neighbours:
    """The choice of node `me`. wanted: links to aim for."""

    def __init__(self, me: NodeId, wanted: int = WANTED_LINKS) -> None:
        self._me = me
        self._wanted = wanted
        self._ranks: dict[NodeId, int] = {}
        self._nearest: list[tuple[int, NodeId]] = []
        self._ids: list[NodeId] = []

    def rank(self, peer: NodeId) -> int:
        """How near a node is: the same for both of a pair, the nearest smallest."""
        rank = self._ranks.get(peer)
        if rank is None:
            pair = min(self._me, peer) + max(self._me, peer)
            rank = self._ranks[peer] = int.from_bytes(blake3(pair).digest(8), "big")
            insort(self._nearest, (rank, peer))
            insort(self._ids, peer)
        return rank

    def forget(self, known: Collection[NodeId]) -> None:
        """Keep ranks of these nodes only, once there are many others."""
        if len(self._ranks) > 4 * len(known) + self._wanted:
            self._ranks = {peer: rank for peer, rank in self._ranks.items() if peer in known}
            self._nearest = [(rank, peer) for rank, peer in self._nearest if peer in known]
            self._ids = [peer for peer in self._ids if peer in known]

    def wanted(self, known: Iterable[NodeId], beyond: int = 0) -> frozenset[NodeId]:
        """Of these nodes, those to be linked with, and so many beyond them that are next in rank."""
        others = set(known)
        others.discard(self._me)
        most = self._wanted + beyond
        if len(others) <= most:
            return frozenset(others)
        ring = self._ring(others)
        near = (peer for _, peer in self._nearest if peer in others and peer not in ring)
        return ring.union(islice(near, max(0, most - len(ring))))

    def _ring(self, others: Set[NodeId]) -> frozenset[NodeId]:
        """Of these nodes, the next on either side."""
        for peer in others - self._ranks.keys():
            self.rank(peer)
        place, count = bisect_left(self._ids, self._me), len(self._ids)
        upward = (self._ids[(place + step) % count] for step in range(count))
        downward = (self._ids[place - 1 - step] for step in range(count))
        ring: set[NodeId] = set()
        for side in (upward, downward):
            ring.update(islice(filter(others.__contains__, side), RING_NEIGHBOURS))
        return frozenset(ring)

    def spare(self, links: Links, newcomer: NodeId) -> NodeId | None:
        """The link to give up for one with `newcomer`, or None when it has to do without.

        The farthest that is neither wanted nor busy, for a newcomer that is neither wanted nor sought only if
        it is farther. Where there is none: for a wanted newcomer the farthest that is not busy, if it is
        farther; for one that is sought the farthest that is not busy; for one next on the ring, or named by
        the operator, the farthest, whatever it does. Never one that was named or is kept, nor for another's
        sake one on the ring.
        """
        asked_for = newcomer in links.wanted | links.sought
        free = links.linked - links.named - links.kept
        idle = free - links.busy
        if unwanted := idle - links.wanted:
            farthest = max(unwanted, key=self.rank)
            return farthest if asked_for or self.rank(newcomer) < self.rank(farthest) else None
        if not asked_for:
            return None
        ring = self._ring({*links.linked, newcomer})
        if newcomer in ring or newcomer in links.named:
            return max(free - ring, key=self.rank, default=None)
        least = -1 if newcomer in links.sought else self.rank(newcomer)
        farther = {peer for peer in idle - ring if self.rank(peer) > least}
        return max(farther, key=self.rank, default=None)
