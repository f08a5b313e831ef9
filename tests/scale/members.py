"""Who is linked with whom: the real table of peers on every node, and the dials that it asks for.

Discovery is modelled as sightings after a random while: of every node (mDNS on one network), or of a few
(static peers), from whom the rest is learnt as peers pass on whom they are linked with.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from protocol.limits import DEFAULT_PORT, MAX_PEERS_PASSED_ON
from protocol.messages import Bye
from swarm.exchange.peers import PeerTable
from swarm.exchange.sessions import ENOUGH
from swarm.sources.address import Address
from tests.scale.traffic import HANDSHAKE_BYTES, peers_bytes, wire_bytes

if TYPE_CHECKING:
    from tests.scale.node import Node
    from tests.scale.swarm import Swarm

CONNECT_TRIPS: Final = 3
"""Trips across the LAN until both ends of a new link know each other: TCP, and two of the handshake."""


BYE_BYTES: Final = wire_bytes(Bye(ENOUGH))

LOOK_SECONDS: Final = 0.02
"""Changes that come within so long are looked at together, to be simulated sooner."""

LOOKS_A_SECOND: Final = 50_000
"""All nodes together look no more often: a thousand each LOOK_SECONDS, more nodes less often."""


def address_of(number: int) -> Address:
    return Address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", DEFAULT_PORT)


class Members:
    """The tables of all nodes."""

    def __init__(self, world: Swarm, max_links: int | None) -> None:
        self._world = world
        self._clock = world.clock
        self._max_links = max_links
        self._tables: dict[bytes, PeerTable] = {}
        self._addresses: dict[bytes, Address] = {}
        self._texts: dict[bytes, str] = {}
        self._numbers: dict[bytes, int] = {}
        self._told_of: dict[bytes, bytearray] = {}
        self._at: dict[Address, Node] = {}
        self._alarms: dict[bytes, float] = {}
        self.refused = 0
        self.dismissed = 0

    def add(self, node: Node, number: int) -> None:
        options = {} if self._max_links is None else {"max_links": self._max_links}
        self._tables[node.id] = PeerTable(node.id, **options)
        self._addresses[node.id] = address_of(number)
        self._texts[node.id] = str(address_of(number))
        self._numbers[node.id] = number
        self._told_of[node.id] = bytearray()
        self._at[address_of(number)] = node

    def sight(self, node: Node, other: Node, via: str = "mdns") -> None:
        """Discovery tells `node` of `other`."""
        if not node.alive:
            return
        if self._tables[node.id].sighting(other.id, [self._addresses[other.id]], via, self._clock.now):
            self._look(node)

    # --- dialling -------------------------------------------------------------------------------

    def _dial(self, node: Node) -> None:
        """Dial what the table says, and look again when it says."""
        if not node.alive:
            return
        table, now = self._tables[node.id], self._clock.now
        for address in table.dials(now):
            self._clock.after(CONNECT_TRIPS * self._world.latency, self._connected, node, address)
        self._set_alarm(node, table.next_dial(now))

    def _look(self, node: Node) -> None:
        """The table changed: what it asks for now is done soon."""
        self._set_alarm(node, self._clock.now + max(LOOK_SECONDS, len(self._tables) / LOOKS_A_SECOND))

    def _set_alarm(self, node: Node, due: float) -> None:
        if due < self._alarms.get(node.id, math.inf):
            self._alarms[node.id] = due
            self._clock.at(due, self._alarm, node, due)

    def _alarm(self, node: Node, due: float) -> None:
        if self._alarms.get(node.id) == due:
            del self._alarms[node.id]
            self._dial(node)

    def _connected(self, node: Node, address: Address) -> None:
        """A dial ended: a handshake, or nobody is there."""
        if not node.alive:
            return
        now = self._clock.now
        table, other = self._tables[node.id], self._at[address]
        if not other.alive:
            table.failed(address, now)
            self._look(node)
            return
        table.reached(address, other.id, now)
        node.tally.add("handshake", HANDSHAKE_BYTES)
        if other.id not in node.links:
            self._meet(node, other)
        self._look(node)

    def _meet(self, node: Node, other: Node) -> None:
        """A handshake succeeded: both sides let the other in, or `other` says goodbye."""
        now = self._clock.now
        mine, theirs = self._tables[node.id], self._tables[other.id]
        if not (self._make_room(other, node, mine=False) and self._make_room(node, other, mine=True)):
            self.refused += 1
            mine.link_up(other.id, None, now, mine=True)
            self._introduce(other, node)
            other.tally.add("Bye", BYE_BYTES)
            mine.turned_away(other.id, now)
            mine.link_down(other.id, now, lasted=0.0)
            return
        mine.link_up(other.id, self._addresses[other.id], now, mine=True)
        theirs.link_up(node.id, self._addresses[node.id], now, mine=False)
        for one, two in ((node, other), (other, node)):
            self._introduce(one, two, both=True)
        node.link_up(other)
        other.link_up(node)
        self._look(other)

    def _make_room(self, node: Node, newcomer: Node, *, mine: bool) -> bool:
        """Whether `node` has room for one more, having said goodbye to another perhaps."""
        table, now = self._tables[node.id], self._clock.now
        if table.has_room(newcomer.id, mine=mine):
            return True
        carried = {
            peer: link.flow.carried + link.peer.carried_to(node.id) for peer, link in node.links.items()
        }
        spare = table.spare(newcomer.id, node.usage.busy(carried, now), mine=mine)
        if spare is None or spare not in node.links:
            return False
        other = node.links[spare].peer
        table.turned_away(spare, now)
        node.tally.add("Bye", BYE_BYTES)
        self._tables[spare].turned_away(node.id, now)
        self.cut(node, other)
        self.dismissed += 1
        return True

    def cut(self, node: Node, other: Node) -> None:
        """The link between two nodes ends."""
        now = self._clock.now
        for one, two in ((node, other), (other, node)):
            link = one.links.get(two.id)
            if link is not None:
                self._tables[one.id].link_down(two.id, now, lasted=now - link.since)
                one.link_down(two.id)
                self._look(one)

    # --- what peers tell of one another ---------------------------------------------------------

    def _introduce(self, node: Node, new: Node, *, both: bool = False) -> None:
        """`node` tells `new` of whom it is linked with, and if `both` them of `new`."""
        others = [link.peer for link in node.links.values()]
        if others:
            self._tell(node, new, others)
            for other in others if both else ():
                self._tell(node, other, [new])

    def _tell(self, node: Node, target: Node, known: list[Node]) -> None:
        for start in range(0, len(known), MAX_PEERS_PASSED_ON):
            part = known[start : start + MAX_PEERS_PASSED_ON]
            node.tally.add("Peers", peers_bytes([self._texts[other.id] for other in part]))
            news = [other for other in part if self._is_news(target, other)]
            if news:
                self._clock.after(self._world.latency, self._told, node, target, news)

    def _is_news(self, target: Node, other: Node) -> bool:
        """Whether nobody told `target` of this node before; now somebody does."""
        told_of, number = self._told_of[target.id], self._numbers[other.id]
        if number >= len(told_of):
            told_of.extend(bytes(len(self._numbers) - len(told_of)))
        told, told_of[number] = told_of[number], 1
        return not told

    def _told(self, node: Node, target: Node, known: list[Node]) -> None:
        if target.alive:
            table, now = self._tables[target.id], self._clock.now
            news = [
                table.sighting(other.id, [self._addresses[other.id]], "exchange", now, node.id)
                for other in known
            ]
            if any(news):
                self._look(target)
