"""The table of peers: which addresses to dial and when, and which of two connections stays. Pure.

Discovery only hints; an entry is an address, perhaps with the id of the node said to be there. A
handshake proves the id, or shows that the address is this node's own. Time is an argument. Which of many
nodes to be linked with is decided in `swarm.scheduler.neighbours`; peers that the operator named come first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Set
from typing import Final, Literal

from protocol.ids import NodeId
from swarm.exchange.candidates import Candidate, Candidates
from swarm.exchange.hearsay import UNPROVEN_DIALS_A_SECOND, UNPROVEN_DIALS_AT_ONCE, DialRate
from swarm.exchange.places import Places
from swarm.scheduler.neighbours import MAX_LINKS, Links, Neighbours
from swarm.sources.address import Address

MAX_CANDIDATES: Final = 1024
"""Addresses remembered: a thousand nodes, or a /24 with both families twice over. Peers and mDNS may name any
number of them."""

FIRST_RETRY_SECONDS: Final = 1.0
"""Wait after the first failure to connect; doubled by each further one: a node restarts in seconds."""

MAX_RETRY_SECONDS: Final = 30.0
"""Longest such wait: a connection attempt twice a minute costs nothing."""

SIGHTING_RETRY_SECONDS: Final = 5.0
"""Least time between dials that a repeated sighting can bring about."""

STAGGER_SECONDS: Final = 0.3
"""Head start of each address of a node over its next one: longer than a LAN's connect and handshake."""

REFUSED_RETRY_SECONDS: Final = 60.0
"""Wait after meeting a node there may be no link with: it calls by itself once it has joined the site."""

COURTESY_SECONDS: Final = 0.5
"""How much later the node with the larger id dials: mostly spares both a second connection."""

LASTING_SECONDS: Final = 5.0
"""A link that lived for so long was a success, and an attempt at it may be repeated at once."""

TURNED_AWAY_SECONDS: Final = 60.0
"""How long a peer that had enough links is not dialled: some end within minutes."""

LEFT_FREE: Final = 2
"""Places that a node does not fill up by itself: who comes while all links are in use finds some at each."""

BEYOND: Final = 32
"""Nodes next in rank after those wanted, to fill up with. Most have no room; each is asked once a minute."""

CALL_SECONDS: Final = 10.0
"""How long a node that seeks what this one has is dialled, whether there is room for it or not."""

MAX_CALLED: Final = 32
"""Such nodes at a time."""

FORGET_AFTER_FAILURES: Final = 6
"""Failures after which an address is forgotten (a minute's worth), unless the operator named it."""

Arrival = Literal["replace", "drop", "probe"]
"""What to do about a second connection of a pair: it replaces the first, is dropped, or is parked until
the first was asked for a sign of life: dropped if it gives one, else put in its place."""

_SECOND_CONNECTION: Final[dict[tuple[bool, bool, bool], Arrival]] = {
    # (first dialled by me, second dialled by me, my id is the smaller): what to do with the second
    (True, True, True): "drop",
    (True, True, False): "drop",
    (False, True, True): "replace",
    (False, True, False): "drop",
    (True, False, True): "probe",
    (True, False, False): "replace",
    (False, False, True): "probe",
    (False, False, False): "probe",
}
"""The connection dialled by the smaller id stays, and both sides come to the same answer. But a peer
that dials although it has a connection may have restarted and lost it, hence the probe; it succeeds
when both dialled at once. Who dialled while it had one knows best, hence the drop."""


def second_connection(me: NodeId, peer: NodeId, *, first_mine: bool, second_mine: bool) -> Arrival:
    """What to do when a pair that has a control connection gets another; `mine`: dialled by me."""
    return _SECOND_CONNECTION[first_mine, second_mine, me < peer]


class PeerTable:
    """Candidates, links and distrust. `dials` hands out what to connect to; each must be reported back
    by `reached` or `failed`. `seeking`: searches under way, for which others call this node."""

    def __init__(self, me: NodeId, *, max_links: int = MAX_LINKS) -> None:
        self.me = me
        self.places = Places(max_links)
        self._neighbours = Neighbours(me, self.places.callers)
        self.candidates = Candidates()
        self._distrusted: dict[NodeId, float] = {}
        self._turned_away: dict[NodeId, float] = {}
        self._called: dict[NodeId, float] = {}
        self.seeking = 0
        self._under_way = 0
        self._rate = DialRate(UNPROVEN_DIALS_AT_ONCE, UNPROVEN_DIALS_A_SECOND)

    @property
    def linked(self) -> Set[NodeId]:
        """The peers there are links with."""
        return self.places.linked

    # --- what others say ---------------------------------------------------------------------------

    def sighting(
        self,
        node_id: NodeId | None,
        addresses: Iterable[Address],
        via: str,
        now: float,
        told_by: NodeId | None = None,
    ) -> bool:
        """A node is said to be at these addresses, the likeliest first; `told_by`: the peer that says so.

        Whether that was news, so that there may be something to dial.
        """
        if node_id == self.me:
            return False
        news = False
        for order, address in enumerate(a for a in addresses if a.dialable):
            candidate = self.candidates.at(address)
            if candidate is None:
                retry_at = now + self._head_start(node_id, order)
                news |= self._add(Candidate(address, node_id, via, retry_at, told_by))
            else:
                news |= self._seen_again(candidate, node_id, via, now)
        return news

    def _seen_again(self, candidate: Candidate, node_id: NodeId | None, via: str, now: float) -> bool:
        """An address that is known; whether what is said of it is news."""
        before = candidate.node_id, candidate.via, candidate.retry_at
        met = candidate.named and candidate.node_id != self.me
        if node_id is not None and candidate.node_id not in self.linked and not met:
            self.candidates.belongs(candidate, node_id)
        if via == "static":
            self.candidates.by_hand(candidate)
        if via != "exchange" and candidate.failures:
            soon = max(now, candidate.dialled_at + SIGHTING_RETRY_SECONDS)
            candidate.retry_at = min(candidate.retry_at, soon)
        return before != (candidate.node_id, candidate.via, candidate.retry_at)

    def vanished(self, node_id: NodeId) -> None:
        """A node said goodbye: its addresses are forgotten, unless it has a link or was named by hand."""
        if node_id in self.linked:
            return
        for candidate in self.candidates.of(node_id):
            if candidate.via != "static" and not candidate.dialling:
                self.candidates.drop(candidate)

    def _head_start(self, node_id: NodeId | None, order: int) -> float:
        courtesy = COURTESY_SECONDS if node_id is not None and self.me > node_id else 0.0
        return courtesy + order * STAGGER_SECONDS

    def _add(self, candidate: Candidate) -> bool:
        """Remember an address, unless there are too many; whether that was done."""
        if not self.candidates.allows(candidate):
            return False
        if len(self.candidates) >= MAX_CANDIDATES and not self._make_room(candidate):
            return False
        self.candidates.add(candidate)
        return True

    def _make_room(self, candidate: Candidate) -> bool:
        """Forget the least promising address; hearsay of peers never pushes out anything."""
        needed = (
            candidate.via == "static" or candidate.node_id in self.linked or candidate.node_id in self._called
        )
        if candidate.via == "exchange" and not needed:
            return False
        idle = [
            c
            for c in self.candidates
            if c.via != "static" and not c.dialling and c.node_id not in self.linked
        ]
        worst = max(idle, key=self._promise, default=None)
        if worst is None or not (needed or self._promise(candidate) <= self._promise(worst)):
            return False
        self.candidates.drop(worst)
        return True

    def _promise(self, candidate: Candidate) -> tuple[bool, int, int]:
        """The smaller, the better: who said it, failures, how near the node is."""
        peer = candidate.node_id
        rank = 1 << 64 if peer is None else self._neighbours.rank(peer)
        return candidate.via == "exchange", candidate.failures, rank

    # --- dialling ------------------------------------------------------------------------------------

    def dials(self, now: float) -> list[Address]:
        """Addresses to connect to now: what the operator named, those wanted, then others to fill up with; of
        each, first those that failed least."""
        room = self._room()
        eligible = self._eligible(now, now) if room or self._called else []
        due = [(free, candidate) for free, candidate in eligible if candidate.retry_at <= now]
        due.sort(key=lambda each: (each[1].via != "static", each[0], each[1].failures, each[1].retry_at))
        chosen: list[Address] = []
        for free, candidate in due:
            called = candidate.node_id in self._called
            if (room <= free and not called) or not (candidate.free or self._rate.ready_at <= now):
                continue
            if not candidate.free:
                self._rate.take(now)
            room -= not called
            candidate.dialling, candidate.dialled_at = True, now
            self._under_way += 1
            chosen.append(candidate.address)
        return chosen

    def next_dial(self, now: float) -> float:
        """When `dials` should be asked again; infinity when only a change of the table brings work."""
        room = self._room()
        if room == 0 and not self._called:
            return math.inf
        eligible = self._eligible(now, math.inf)
        due = [c for _, c in eligible if room or c.node_id in self._called]
        times = [c.retry_at if c.free else max(c.retry_at, self._rate.ready_at) for c in due]
        for untils in (self._distrusted, self._turned_away):
            times += [until for until in untils.values() if until > now]
        return min((time for time in times if time > now), default=math.inf)

    def _room(self) -> int:
        return max(0, self.places.most - len(self.linked) - self._under_way)

    def _eligible(self, now: float, by: float) -> list[tuple[int, Candidate]]:
        """Candidates worth dialling by that time, each with how many places it is to leave free: those wanted
        of all that can be had by then, and those next in rank."""
        self._called = {peer: until for peer, until in self._called.items() if until > now}
        barred = {self.me} | self.linked
        for untils in (self._distrusted, self._turned_away):
            barred.update([peer for peer, until in untils.items() if until > now])
        idle: list[Candidate] = []
        known = set(self.linked)
        for candidate in self.candidates:
            node = candidate.node_id
            if candidate.dialling:
                known.update([node] if node else [])
            elif node not in barred:
                idle.append(candidate)
                if node and candidate.retry_at <= by:
                    known.add(node)
        wanted = self._wanted(known)
        beyond = self._wanted(self.candidates.nodes, BEYOND) if self._room() > LEFT_FREE else wanted
        eligible: list[tuple[int, Candidate]] = []
        for candidate in idle:
            node = candidate.node_id
            if node is None or candidate.via == "static" or node in wanted:
                eligible.append((0, candidate))
            elif node in beyond:
                eligible.append((LEFT_FREE, candidate))
        return eligible

    def _wanted(self, known: Set[NodeId], beyond: int = 0) -> frozenset[NodeId]:
        self._neighbours.forget(self.candidates.nodes)
        return self._neighbours.wanted(known, beyond).union(self._called)

    def call(self, peer: NodeId, addresses: Iterable[Address], now: float, told_by: NodeId | None) -> None:
        """This node seeks what this one has: dial it now."""
        if peer in self.linked or len(self._called) >= MAX_CALLED:
            return
        self._called[peer] = now + CALL_SECONDS
        self._turned_away.pop(peer, None)
        self.sighting(peer, addresses, "exchange", now, told_by)
        for order, candidate in enumerate(self.candidates.of(peer)):
            candidate.retry_at = now + self._head_start(peer, order)

    @property
    def crowded(self) -> bool:
        """Whether nodes are known that there is no link with."""
        return not self.candidates.nodes <= self.linked

    def failed(self, address: Address, now: float) -> None:
        """The address could not be reached, or no node of ours is there."""
        candidate = self.candidates.at(address)
        if candidate is None:
            return
        self._dialled(candidate)
        candidate.failures += 1
        candidate.retry_at = now + self._backoff(candidate.failures)
        if candidate.via != "static" and candidate.failures >= FORGET_AFTER_FAILURES:
            self.candidates.drop(candidate)

    def reached(self, address: Address, node_id: NodeId, now: float) -> None:
        """A handshake proved who is at the address: a peer, or this node itself."""
        candidate = self.candidates.at(address)
        if candidate is None:
            return
        self._dialled(candidate)
        candidate.proven = True
        self.candidates.belongs(candidate, node_id)
        candidate.retry_at = now + FIRST_RETRY_SECONDS

    def _dialled(self, candidate: Candidate) -> None:
        """The attempt at it, if there is one, has ended."""
        self._under_way -= candidate.dialling
        candidate.dialling = False

    def called(self, address: Address | None, node_id: NodeId) -> None:
        """A peer that called says that it listens there: a named peer, if the operator named the address."""
        candidate = self.candidates.at(address) if address else None
        if candidate is not None and candidate.via == "static" and candidate.node_id not in self.linked:
            self.candidates.belongs(candidate, node_id)
            candidate.proven = True

    def refused(self, address: Address, now: float) -> None:
        """There may be no link with the node at this address, for the time being."""
        candidate = self.candidates.at(address)
        if candidate is not None:
            candidate.retry_at = now + REFUSED_RETRY_SECONDS

    def reconsider(self, now: float) -> None:
        """This node's own standing has changed: who refused it may not any more."""
        for candidate in self.candidates:
            if candidate.node_id not in self.linked:
                candidate.retry_at = min(candidate.retry_at, now + FIRST_RETRY_SECONDS)

    # --- links ---------------------------------------------------------------------------------------

    def admits(self, peer: NodeId, now: float) -> str | None:
        """None when a link with this node is welcome, else why it is not."""
        if peer == self.me:
            return "this is the node itself"
        if not self.trusts(peer, now):
            return "the peer is distrusted for now"
        return None

    def has_room(self, peer: NodeId, *, mine: bool) -> bool:
        """Whether there is a place for a link with this node. Named peers may call as if dialled."""
        return self.places.has_room(peer, mine=mine or self.named(peer))

    def spare(
        self, newcomer: NodeId, busy: Set[NodeId], kept: Set[NodeId] = frozenset(), *, mine: bool
    ) -> NodeId | None:
        """The link to give up for one with `newcomer` when there is no room; `busy` are in use, `kept` stay.
        `mine`: this node dialled it."""
        named = self.candidates.named
        known = self.linked | {newcomer} | self.candidates.nodes
        sought = {newcomer} if self.seeking else self._called.keys()
        kept = kept | self.places.kept(mine=mine)
        links = Links(frozenset(self.linked), named, busy, self._wanted(known) | named, sought, kept)
        return self._neighbours.spare(links, newcomer)

    def turned_away(self, peer: NodeId, now: float) -> None:
        """The peer has links enough: leave it alone for a while."""
        self._turned_away = {node: until for node, until in self._turned_away.items() if until > now}
        self._turned_away[peer] = now + TURNED_AWAY_SECONDS

    def link_up(self, peer: NodeId, address: Address | None, now: float, *, mine: bool) -> None:
        """There is a proven link with this node, dialled from here (`mine`) or by it; `address` is where it
        listens, if anywhere."""
        self.places.take(peer, mine=mine)
        if address is not None and address.dialable:
            candidate = self.candidates.at(address)
            if candidate is None:
                self._add(Candidate(address, peer, "inbound", now))
            elif candidate.node_id not in self.linked:
                self.candidates.belongs(candidate, peer)

    def link_down(self, peer: NodeId, now: float, *, lasted: float) -> None:
        """The link is gone after so many seconds; its addresses are tried again, by the smaller id first.

        A link that did not last is a failure, unless the peer had links enough.
        """
        self.places.leave(peer)
        blameless = lasted >= LASTING_SECONDS or self._turned_away.get(peer, now) > now
        for order, candidate in enumerate(self.candidates.of(peer)):
            candidate.failures = 0 if blameless else candidate.failures + 1
            wait = self._backoff(candidate.failures) + self._head_start(peer, order)
            candidate.retry_at = max(candidate.retry_at, now + wait)

    @staticmethod
    def _backoff(failures: int) -> float:
        return min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * (1 << max(0, min(failures - 1, 16))))

    def distrust(self, peer: NodeId, until: float, now: float) -> None:
        """Neither dial nor accept this node until then."""
        self._distrusted = {node: end for node, end in self._distrusted.items() if end > now}
        self._distrusted[peer] = max(until, self._distrusted.get(peer, until))

    def trusts(self, peer: NodeId, now: float) -> bool:
        return self._distrusted.get(peer, now) <= now

    def named(self, peer: NodeId) -> bool:
        """Was this node met at an address that the operator named?"""
        return any(candidate.named for candidate in self.candidates.of(peer))

    def via(self, peer: NodeId) -> str:
        """How this node was found: what the operator named comes first, its own call last."""
        ways = {candidate.via for candidate in self.candidates.of(peer)}
        return next((way for way in ("static", "mdns", "exchange") if way in ways), "inbound")
