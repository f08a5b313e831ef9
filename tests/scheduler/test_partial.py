"""What is asked of whom where not everybody is linked with everybody."""

from __future__ import annotations

from protocol.bits import everything, members
from protocol.ids import NodeId
from swarm.scheduler.partial import LEFT_OVER_SECONDS, MAX_LEFT_OVER_SECONDS, Partial
from swarm.scheduler.peers import Peer, Peers

TOTAL = 12
ALL = everything(TOTAL)
ME, A, B, SEED = (NodeId(bytes([number]) * 32) for number in (2, 1, 3, 9))


class Bench:
    """Node ME, linked with the seed and with B; A shares the seed, unseen."""

    def __init__(self) -> None:
        self.peers = Peers()
        self.policy = Partial(ME, TOTAL, 0.0)
        self.seed = self.add(SEED, ALL, (A, ME, B))
        self.relay = self.add(B, 0, (ME,))
        self.relay.wants = True

    def add(self, node: NodeId, has: int, company: tuple[NodeId, ...]) -> Peer:
        peer = self.peers.add(node)
        self.peers.gained(peer, has)
        peer.company = company
        return peer

    def applies(self, peer: Peer, *present: NodeId) -> bool:
        return self.policy.applies(peer, present, self.peers)

    def tiers(
        self, peer: Peer, want: int = ALL, now: float = 0.0, *, origin: bool = False
    ) -> list[list[int]]:
        found = self.policy.tiers(peer, want, self.peers, origin=origin, longest=1, now=now)
        return [list(members(bits)) for bits in found]


def test_it_is_for_peers_with_a_company_this_node_does_not_see() -> None:
    bench = Bench()
    assert bench.applies(bench.seed, ME, B)
    assert not bench.applies(bench.relay, ME)
    assert bench.applies(bench.add(A, 0, (ME,)), ME, B)
    bench.seed.company = (A, B)
    assert not bench.applies(bench.seed, ME, B)
    bench.seed.company = ()
    assert not bench.applies(bench.seed, ME, B)


def test_it_is_not_for_those_whom_all_see() -> None:
    bench = Bench()
    bench.add(A, 0, ())
    assert not bench.applies(bench.seed, A, ME, B)
    assert not bench.applies(bench.seed, ME, B), "A has ended"
    bench.add(NodeId(b"y" * 32), 0, ())
    assert bench.applies(bench.seed, A, ME, B, NodeId(b"y" * 32))


def test_a_seed_is_asked_for_every_third_chunk_by_each_of_three() -> None:
    assert Bench().tiers(Bench().seed)[0] == [1, 4, 7, 10]


def test_a_changed_company_is_dealt_to_anew() -> None:
    bench = Bench()
    bench.tiers(bench.seed)
    bench.seed.company = (ME, B)
    assert bench.tiers(bench.seed)[0] == [0, 2, 4, 6, 8, 10]


def test_it_is_dealt_to_in_the_order_that_is_told_and_twice_to_who_has_two_places() -> None:
    bench = Bench()
    bench.seed.company = (ME, B, A, ME)
    assert bench.tiers(bench.seed)[0] == [0, 3, 4, 7, 8, 11]


def test_what_is_left_over_is_taken_once_the_own_part_is_done_and_time_has_passed() -> None:
    bench = Bench()
    left = ALL & ~sum(1 << chunk for chunk in (1, 4, 7, 10))
    assert bench.tiers(bench.seed, left) == [[], []]
    assert bench.tiers(bench.seed, left, LEFT_OVER_SECONDS) == [[], []]
    assert bench.policy.next_wake(LEFT_OVER_SECONDS) == 2 * LEFT_OVER_SECONDS
    assert bench.tiers(bench.seed, left, 2 * LEFT_OVER_SECONDS)[1] == list(members(left))
    assert MAX_LEFT_OVER_SECONDS >= LEFT_OVER_SECONDS


def test_a_seed_with_chunks_of_its_own_is_not_asked_for_others() -> None:
    bench = Bench()
    bench.peers.gained(bench.relay, 0b10)
    assert bench.tiers(bench.seed) == [[4, 7, 10], []]
    assert bench.tiers(bench.seed, 0b10)[2] == []
    assert bench.tiers(bench.seed, 0b10)[3] == [1]


def test_of_a_relay_the_rarest_is_taken_first_whosever_it_is() -> None:
    bench = Bench()
    bench.peers.lost(bench.seed, 0b111)
    bench.peers.gained(bench.relay, 0b1111)
    assert bench.tiers(bench.relay) == [[0, 1, 2], [3], []]


def test_the_origin_is_dealt_like_a_seed_though_it_wants() -> None:
    bench = Bench()
    bench.peers.gained(bench.relay, 0b111)
    bench.peers.lost(bench.seed, ALL)
    bench.relay.company = (ME, NodeId(b"x" * 32))
    assert bench.tiers(bench.relay, origin=True)[0] == [0, 2]
