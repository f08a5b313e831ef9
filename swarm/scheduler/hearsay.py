"""What is passed on of the lease, and of seeds, where not everybody is linked with everybody.

Every node has to know of the one origin, lest several go upstream. So what a holder says of the lease, and
what it is about to fetch, is passed on to those who are not linked with it, and by them to others. Only
news is: of the best ranked live holder, or that one gave up; not older than what is known; chunks that were
neither announced before nor seen anywhere. Thus each node passes each thing on once, and what a node invents
counts no longer than a lease that it took itself: until nothing of what was announced turns up.

In the same way those linked with a seed tell the others of it (`seeds`).
"""

from __future__ import annotations

import math

from protocol.bits import minus
from protocol.ids import NodeId
from swarm.scheduler.events import (
    Command,
    PassFetching,
    PassLease,
    PassSeed,
    PeerFetching,
    PeerLease,
    PeerSeed,
)
from swarm.scheduler.lease import Lease
from swarm.scheduler.peers import Peers
from swarm.scheduler.seeds import SEED_SAY_SECONDS


class Hearsay:
    """Of node `me`, for the lease and peers of one transfer."""

    def __init__(self, me: NodeId, lease: Lease, peers: Peers) -> None:
        self._me = me
        self._lease = lease
        self._peers = peers
        self._tell_at = -math.inf

    def lease(self, event: PeerLease, now: float) -> list[Command]:
        """A peer says something of its lease, or of another's."""
        holder = event.holder or event.peer
        if holder == self._me:
            return []
        if holder == event.peer:
            self._lease.heard(holder, event.held, now)
            news = not event.held or self._lease.origin(now) == holder
        else:
            news = self._lease.heard_of(holder, event.held, now - event.age, now)
        to = self._audience(holder, event.peer) if news else ()
        return [PassLease(holder, event.held, event.fetched, event.age, to)] if to else []

    def fetching(self, event: PeerFetching, have: int, now: float) -> list[Command]:
        """A peer is about to fetch these, or says that another is. have: what this node holds."""
        holder = event.holder or event.peer
        if holder == self._me:
            return []
        if holder == event.peer:
            peer = self._peers.get(holder)
            news = minus(event.bits, peer.has if peer is not None else 0)
            self._lease.announced(holder, news, now)
        else:
            unseen = minus(minus(event.bits, have), self._peers.expected)
            news = self._lease.announced_by(holder, unseen, now)
        to = self._audience(holder, event.peer) if news else ()
        return [PassFetching(holder, news, to)] if to else []

    def seed(self, event: PeerSeed, now: float) -> list[Command]:
        """A peer tells of a seed."""
        if event.seed == self._me:
            return []
        news = self._lease.seeds.heard(event.seed, event.bits, now - event.age, now)
        to = self._audience(event.seed, event.peer) if news else ()
        return [PassSeed(event.seed, event.bits, event.age, to)] if to else []

    def company(self, peer: NodeId, nodes: tuple[NodeId, ...], now: float) -> None:
        """A peer says who else is linked with it: of a seed, the rest can be told at once."""
        known = self._peers.add(peer)
        if not known.company:
            self._tell_at = now
        known.company = nodes

    def seeds(self, missing: int, now: float) -> list[Command]:
        """Tell of peers that want nothing and have something of what is missing here, when that is due."""
        if now < self._tell_at:
            return []
        self._tell_at = now + SEED_SAY_SECONDS
        told: list[Command] = []
        for peer in self._peers:
            if peer.wants or not peer.company:
                continue
            bits = self._peers.expect(peer)
            to = self._audience(peer.node, self._me) if bits & missing else ()
            if to and self._lease.seeds.heard(peer.node, bits, now, now):
                told.append(PassSeed(peer.node, bits, 0.0, to))
        return told

    def newcomer(self, peer: NodeId, now: float) -> list[Command]:
        """Tell a peer that takes part from now on of seeds and of the origin, if that may be news to it."""
        return [*self._told_of_seeds(peer, now), *self._told_of_origin(peer, now)]

    def _told_of_seeds(self, peer: NodeId, now: float) -> list[Command]:
        return [
            PassSeed(seed, bits, age, (peer,))
            for seed, bits, age in self._lease.seeds.known(now)
            if peer in self._audience(seed, self._me)
        ]

    def _told_of_origin(self, peer: NodeId, now: float) -> list[Command]:
        origin = self._lease.origin(now)
        if origin is None or peer == origin or peer not in self._audience(origin, self._me):
            return []
        age, announced = self._lease.last_of(origin, now)
        told: list[Command] = [PassLease(origin, True, 0, age, (peer,))]
        return [*told, PassFetching(origin, announced, (peer,))] if announced else told

    def _audience(self, holder: NodeId, teller: NodeId) -> tuple[NodeId, ...]:
        """The peers that want chunks and may not hear it from the holder itself."""
        known = self._peers.get(holder)
        linked = known.company if known is not None else ()
        told = {holder, teller, *linked}
        return tuple(peer.node for peer in self._peers if peer.wants and peer.node not in told)
