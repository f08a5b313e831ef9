"""The places a node has for links: most are for whoever comes, some for those it dials itself. Pure.

Ids cost nothing, and can be made up so that they are near a node's, or next to it on the ring: whoever calls
under many of them would in time be all the peers it has. That this node dialled a peer long ago cannot be
made up. So callers have so many places and no more, and those dialled first keep theirs while they last.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from protocol.ids import NodeId

OWN_SHARE: Final = 4
"""One place in so many is for links this node dialled: what it holds beyond those it wants (`neighbours`), so
that all it wants may call. One honest peer is enough to hear of everything; eight are rarely all bad."""


class Places:
    """`most`: links at a time. `linked`: the peers there are links with."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.callers = most - most // OWN_SHARE
        self.linked: set[NodeId] = set()
        self._dialled: dict[NodeId, None] = {}

    def take(self, peer: NodeId, *, mine: bool) -> None:
        """There is a link with this peer, dialled by this node (`mine`) or by the peer."""
        self.linked.add(peer)
        if mine:
            self._dialled[peer] = None

    def leave(self, peer: NodeId) -> None:
        """The link is gone."""
        self.linked.discard(peer)
        self._dialled.pop(peer, None)

    def has_room(self, peer: NodeId, *, mine: bool) -> bool:
        """Whether a link with this peer would be one of those there may be."""
        if peer in self.linked:
            return True
        return len(self.linked) < self.most and (mine or not self._full_of_callers)

    def kept(self, *, mine: bool) -> frozenset[NodeId]:
        """The links that are not given up for a newcomer that was dialled, or has called."""
        if self._full_of_callers and not mine:
            return frozenset(self._dialled)
        return frozenset(islice(self._dialled, self.most - self.callers))

    @property
    def _full_of_callers(self) -> bool:
        return len(self.linked) - len(self._dialled) >= self.callers
