"""Orders on their way: a choice of chunks becomes Fetches, what need not come any more Cancels.

Here is also known how fast each source delivers, and all together, from which follows when one is late and
when it has stopped (`windows`).
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.bits import from_members, single
from protocol.ids import NodeId
from protocol.limits import MAX_PIECES
from swarm.scheduler.events import UPSTREAM, Cancel, Command, Fetch
from swarm.scheduler.orders import Order, Orders
from swarm.scheduler.peers import Peers
from swarm.scheduler.windows import Crowd, Pace

Clocks = Mapping[NodeId, tuple[float, float]]
"""Source to the times at which it is overdue and at which it counts as stopped."""


class Dispatch:
    """Of these orders, to these peers and to an upstream of this pace."""

    def __init__(self, orders: Orders, peers: Peers, upstream: Pace) -> None:
        self._orders = orders
        self._peers = peers
        self._upstream = upstream
        self._crowd = Crowd()

    def pace(self, source: NodeId) -> Pace:
        """How fast a source delivers."""
        return self._upstream if source == UPSTREAM else self._peers.add(source).pace

    def look(self, now: float) -> None:
        """Note how many sources owe something by now."""
        self._crowd.busy(self._orders.busy, now)

    def place(self, source: NodeId, chunks: dict[int, int], now: float) -> list[Command]:
        """Order these chunks (number to length), in as many Fetches as it takes."""
        if not self._orders.owed(source):
            self.pace(source).started(now)
        parts = [chunks]
        if len(chunks) > MAX_PIECES:
            items = list(chunks.items())
            parts = [dict(items[at : at + MAX_PIECES]) for at in range(0, len(items), MAX_PIECES)]
        orders: list[Order] = [self._orders.place(source, part) for part in parts]
        self.look(now)
        return [Fetch(order.number, source, tuple(order.pending)) for order in orders]

    def came(self, chunk: int, source: NodeId, now: float) -> list[Command]:
        """A chunk came from this source: it need not come from another any more."""
        commands: list[Command] = []
        for order in self._orders.holding(chunk):
            length = self._orders.settle_one(order, chunk)
            if order.source == source:
                self.pace(source).arrived(length, now)
                self._crowd.arrived(length, now)
            else:
                commands.append(Cancel(order.number, single(chunk)))
        return commands

    def call_off(self, source: NodeId, bits: int | None = None) -> list[Command]:
        """Cancel what is on order from a source: these chunks, or all."""
        commands: list[Command] = []
        for order in self._orders.of(source):
            gone = self._orders.settle_bits(order, from_members(order.pending) if bits is None else bits)
            if gone:
                commands.append(Cancel(order.number, gone))
        return commands

    def clocks(self) -> Clocks:
        """Those of each source that owes something."""
        clocks = {}
        for source in self._orders.sources():
            pace, longest = self.pace(source), self._orders.longest(source)
            clocks[source] = pace.overdue_at(longest, self._crowd), pace.stalled_at(longest, self._crowd)
        return clocks
