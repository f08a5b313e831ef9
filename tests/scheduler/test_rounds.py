"""What is said of the lease goes round a LAN of which nobody sees all, and then it is quiet."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator

import pytest
from blake3 import blake3

from protocol.ids import NodeId
from swarm.scheduler.events import PassLease, PeerLease
from swarm.scheduler.hearsay import Hearsay
from swarm.scheduler.lease import LEASE_SAY_SECONDS, Lease
from swarm.scheduler.peers import Peers
from tests.scheduler.simulator import TOPIC

TRIP = 1 / 2048
"""Seconds from one node to the next."""

NODES, LINKS = 30, 6


def _linked() -> list[set[int]]:
    """A ring, and chords until every node has LINKS links at least."""
    chance = random.Random(1)
    links = [{(node + 1) % NODES, (node - 1) % NODES} for node in range(NODES)]
    while min(map(len, links)) < LINKS:
        one, other = min(range(NODES), key=lambda node: len(links[node])), chance.randrange(NODES)
        if one != other:
            links[one].add(other)
            links[other].add(one)
    return links


class Round:
    """Nodes that pass on what they hear, each to those it is linked with."""

    def __init__(self) -> None:
        self.ids = [NodeId(blake3(b"%d" % number).digest()) for number in range(NODES)]
        self.links = _linked()
        self.number = {node: number for number, node in enumerate(self.ids)}
        self.leases = [Lease(node, TOPIC, 0.0, settled_at=0.0, longest_chunk=0) for node in self.ids]
        self.hearsay = [self._hearsay(number) for number in range(NODES)]
        self._queue: list[tuple[float, int, int, PeerLease]] = []
        self.sent = 0

    def _hearsay(self, number: int) -> Hearsay:
        peers = Peers()
        for linked in self.links[number]:
            peer = peers.add(self.ids[linked])
            peer.wants = True
            peer.company = tuple(sorted(self.ids[other] for other in self.links[linked]))
            self.leases[number].joined(peer.node, True)
        return Hearsay(self.ids[number], self.leases[number], peers)

    def say(self, holder: int, held: bool, time: float) -> None:
        for peer in self.links[holder]:
            self._post(time + TRIP, peer, PeerLease(self.ids[holder], held, 0))

    def _post(self, time: float, to: int, said: PeerLease) -> None:
        self.sent += 1
        heapq.heappush(self._queue, (time, self.sent, to, said))

    def goes_on(self) -> Iterator[float]:
        """Times at which somebody hears something."""
        while self._queue:
            now, _, to, said = heapq.heappop(self._queue)
            for command in self.hearsay[to].lease(said, now):
                assert isinstance(command, PassLease)
                passed = PeerLease(self.ids[to], command.held, 0, command.holder, command.age)
                for peer in command.to:
                    self._post(now + TRIP, self.number[peer], passed)
            yield now

    @property
    def best(self) -> int:
        return min(range(NODES), key=lambda number: blake3(TOPIC + self.ids[number]).digest())


@pytest.mark.parametrize("trips", [0.5, 1, 2, 3, 100])
def test_a_node_that_claims_and_gives_up_at_once_is_told_of_once_and_no_more(trips: float) -> None:
    """A claim and its end that follow each other closely never overtake one another for ever."""
    lan = Round()
    lan.say(lan.best, True, 100.0)
    lan.say(lan.best, False, 100.0 + trips * TRIP)
    ways = sum(map(len, lan.links))
    for _ in lan.goes_on():
        assert lan.sent <= 2 * ways
    assert not any(lease.origin(101.0) for lease in lan.leases)


def test_who_claims_anew_is_believed_when_it_says_so_again() -> None:
    lan = Round()
    for held, time in ((True, 10.0), (False, 10.01), (True, 10.02), (True, 10.03 + LEASE_SAY_SECONDS)):
        lan.say(lan.best, held, time)
    last = max(lan.goes_on())
    holders = {lease.origin(last) for number, lease in enumerate(lan.leases) if number != lan.best}
    assert holders == {lan.ids[lan.best]}
