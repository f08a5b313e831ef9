"""How many chunk bytes went to and came from each peer, for `swarm peers` and for the choice of links. Pure.

A peer's count outlives its links, as links break and come back. Keys cost nothing, so that counts are kept
of a bounded number of peers: of those without a link the ones gone longest are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from protocol.ids import NodeId

MAX_COUNTED: Final = 1024
"""Peers with a count: the nodes of a large LAN, in a hundred kilobytes. A few of them have a link."""


class Counter:
    """Chunk bytes exchanged with one peer since this node started."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0

    def count_sent(self, amount: int) -> None:
        self.sent += amount


class Counters:
    """See the module. `linked`: is there a link with this peer?"""

    def __init__(self, linked: Callable[[NodeId], bool]) -> None:
        self._linked = linked
        self._counters: dict[NodeId, Counter] = {}

    def __len__(self) -> int:
        return len(self._counters)

    def of(self, peer: NodeId) -> Counter:
        """The count of this peer, over all its connections."""
        counter = self._counters.get(peer)
        if counter is None:
            counter = self._counters[peer] = Counter()
            self._forget()
        return counter

    def gone(self, peer: NodeId) -> None:
        """The peer has no link any more: it is the one gone most recently."""
        if peer in self._counters:
            self._counters[peer] = self._counters.pop(peer)

    def _forget(self) -> None:
        surplus = len(self._counters) - MAX_COUNTED
        if surplus > 0:
            for peer in list(islice((each for each in self._counters if not self._linked(each)), surplus)):
                del self._counters[peer]
