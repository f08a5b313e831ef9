"""What is said of the lease goes round where not everybody is linked with the holder."""

from __future__ import annotations

from blake3 import blake3

from protocol.ids import NodeId
from swarm.scheduler.events import PassFetching, PassLease, PassSeed, PeerFetching, PeerLease, PeerSeed
from swarm.scheduler.hearsay import Hearsay
from swarm.scheduler.lease import LEASE_SAY_SECONDS, MAX_DISTANT, Lease
from swarm.scheduler.peers import Peers
from swarm.scheduler.rival import LEASE_SILENT_SECONDS, LEASE_STALL_SECONDS, SPREAD_SECONDS
from swarm.scheduler.seeds import SEED_SAY_SECONDS, SEED_SILENT_SECONDS
from tests.scheduler.simulator import TOPIC

FIRST, SECOND, ME, A, B = sorted(
    (NodeId(bytes([number]) * 32) for number in range(5)), key=lambda node: blake3(TOPIC + node).digest()
)
"""As they rank. ME is linked with A, B and SECOND, but not with FIRST."""


class Bench:
    def __init__(self) -> None:
        self.peers = Peers()
        self.lease = Lease(ME, TOPIC, 0.0, settled_at=0.0, longest_chunk=0)
        self.hearsay = Hearsay(ME, self.lease, self.peers)
        for node in (SECOND, A, B):
            self.peers.add(node).wants = True
            self.lease.joined(node, True)

    def hears(
        self, teller: NodeId, holder: NodeId, now: float, *, held: bool = True, age: float = 0.0
    ) -> object:
        said = PeerLease(teller, held, 7, None if teller == holder else holder, age)
        return self.hearsay.lease(said, now)

    def hears_who_fetches(self, chunks: int) -> None:
        """A says at 1.0 that FIRST has the lease and is about to fetch these."""
        self.hears(A, FIRST, 1.0)
        self.hearsay.fetching(PeerFetching(A, chunks, FIRST), 0, 1.0)


def test_a_holder_is_told_of_to_those_it_is_not_linked_with() -> None:
    bench = Bench()
    bench.peers.add(SECOND).company = (ME, A)
    assert bench.hears(SECOND, SECOND, 1.0) == [PassLease(SECOND, True, 7, 0.0, (B,))]
    bench.peers.add(SECOND).company = (ME, A, B)
    assert bench.hears(SECOND, SECOND, 2.0) == []


def test_a_distant_holder_counts_and_is_told_of_once() -> None:
    bench = Bench()
    assert bench.hears(A, FIRST, 1.0, age=0.1) == [PassLease(FIRST, True, 7, 0.1, (SECOND, B))]
    assert bench.lease.origin(1.0) == FIRST
    assert bench.hears(B, FIRST, 1.01, age=0.1) == []
    assert bench.hears(A, FIRST, 1.0 + LEASE_SAY_SECONDS, age=0.1) != []


def test_old_news_prolongs_nothing() -> None:
    bench = Bench()
    bench.hears(A, FIRST, 1.0)
    assert bench.hears(B, FIRST, 4.0, age=3.0) == []
    assert bench.lease.origin(1.0 + LEASE_SILENT_SECONDS) is None


def test_a_worse_one_than_the_origin_is_noted_and_not_told_of() -> None:
    bench = Bench()
    bench.hears(A, FIRST, 1.0)
    assert bench.hears(SECOND, SECOND, 1.0) == []
    assert bench.lease.origin(1.0 + LEASE_STALL_SECONDS) is None
    bench.hears(SECOND, SECOND, 4.5)
    assert bench.lease.origin(5.5) == SECOND


def test_that_one_gave_up_is_told_of() -> None:
    bench = Bench()
    bench.hears(A, FIRST, 1.0)
    assert bench.hears(A, FIRST, 1.2, held=False) == [PassLease(FIRST, False, 7, 0.0, (SECOND, B))]
    assert bench.lease.origin(1.2) is None
    assert bench.hears(B, FIRST, 1.21, held=False, age=0.02) == []


def test_who_gave_up_is_not_forgotten_for_another_while_words_of_it_may_be_on_their_way() -> None:
    bench = Bench()
    another = NodeId(bytes([99]) * 32)
    bench.hears(A, FIRST, 100.0)
    bench.hears(A, FIRST, 100.001, held=False)
    bench.hears(A, another, 100.002)
    assert bench.hears(B, FIRST, 100.003) == []
    assert bench.lease.origin(100.003) == another
    bench.hears(A, FIRST, 100.003 + LEASE_SAY_SECONDS)
    assert bench.lease.origin(100.003 + LEASE_SAY_SECONDS) == FIRST


def test_what_a_node_hears_of_itself_is_dropped() -> None:
    bench = Bench()
    assert bench.hears(A, ME, 1.0) == []
    assert bench.hearsay.fetching(PeerFetching(A, 0b11, ME), 0, 1.0) == []
    assert bench.lease.origin(1.0) is None


def test_what_is_fetched_is_told_of_once_and_not_if_it_was_seen() -> None:
    bench = Bench()
    bench.hears(A, FIRST, 1.0)
    bench.peers.gained(bench.peers.add(B), 0b1)
    said = PeerFetching(A, 0b1111, FIRST)
    assert bench.hearsay.fetching(said, 0b10, 1.0) == [PassFetching(FIRST, 0b1100, (SECOND, B))]
    assert bench.hearsay.fetching(PeerFetching(B, 0b1111, FIRST), 0b10, 1.1) == []
    assert bench.lease.under_way(1.1) == 0b1100


def test_a_distant_holder_lives_by_what_turns_up_anywhere() -> None:
    bench = Bench()
    bench.hears_who_fetches(0b1111)
    for second in range(2, 40):
        if second < 20:
            bench.lease.arrived(B, 1 << (second % 4), float(second))
            bench.lease.announced_by(FIRST, 0b1111, float(second))
        bench.hears(A, FIRST, float(second))
    assert bench.lease.origin(19.0 + LEASE_STALL_SECONDS - 0.5) == FIRST
    bench.hears(A, FIRST, 19.5 + LEASE_STALL_SECONDS)
    assert bench.lease.origin(19.5 + LEASE_STALL_SECONDS) is None


def test_what_a_distant_holder_had_announced_is_waited_for_after_it_gave_up() -> None:
    bench = Bench()
    bench.hears_who_fetches(0b1111)
    bench.lease.arrived(B, 0b1, 2.0)
    bench.hears(A, FIRST, 3.0, held=False)
    assert bench.lease.origin(3.0) is None
    assert bench.lease.under_way(3.0 + SPREAD_SECONDS - 0.1) == 0b1110
    assert bench.lease.under_way(3.0 + SPREAD_SECONDS) == 0


def test_a_late_word_of_what_it_was_about_to_fetch_prolongs_nothing() -> None:
    bench = Bench()
    bench.hears_who_fetches(0b11)
    bench.lease.arrived(B, 0b1, 2.0)
    bench.hears(A, FIRST, 3.0, held=False)
    bench.hearsay.fetching(PeerFetching(B, 0b110, FIRST), 0, 3.001)
    assert bench.lease.under_way(3.001) == 0b110
    over = 3.0 + SPREAD_SECONDS
    assert bench.lease.under_way(over) == 0
    bench.hearsay.fetching(PeerFetching(B, 0b1000, FIRST), 0, over + 1.0)
    assert bench.lease.under_way(over + 1.0 + SPREAD_SECONDS) == 0b1000


def test_nothing_is_waited_for_of_a_holder_that_gave_up_before_anything_came_or_that_is_linked() -> None:
    bench = Bench()
    bench.hears_who_fetches(0b1111)
    bench.hears(A, FIRST, 3.0, held=False)
    assert bench.lease.under_way(3.0) == 0
    bench.hears(SECOND, SECOND, 4.0)
    bench.hearsay.fetching(PeerFetching(SECOND, 0b1111), 0, 4.0)
    bench.lease.arrived(B, 0b1, 4.5)
    bench.hears(SECOND, SECOND, 5.0, held=False)
    assert bench.lease.under_way(5.0) == 0


def test_a_newcomer_is_told_of_the_origin_unless_it_hears_it_itself() -> None:
    bench = Bench()
    assert bench.hearsay.newcomer(B, 1.0) == []
    bench.hears(A, FIRST, 1.0)
    assert bench.hearsay.newcomer(B, 1.5) == [PassLease(FIRST, True, 0, 0.5, (B,))]
    bench.hearsay.fetching(PeerFetching(A, 0b11, FIRST), 0, 1.5)
    assert bench.hearsay.newcomer(B, 1.5)[1:] == [PassFetching(FIRST, 0b11, (B,))]
    bench.peers.add(FIRST).company = (B, ME)
    assert bench.hearsay.newcomer(B, 1.5) == []


def test_a_link_with_the_holder_may_end_without_its_lease() -> None:
    bench = Bench()
    bench.hears(SECOND, SECOND, 1.0)
    bench.lease.left(SECOND, 1.5)
    bench.hears(A, SECOND, 2.0, age=0.1)
    assert bench.lease.origin(4.0) == SECOND


def test_invented_holders_are_forgotten_and_limited() -> None:
    bench = Bench()
    invented = [NodeId(bytes([number, 99]) * 16) for number in range(2 * MAX_DISTANT)]
    for node in invented:
        bench.hears(A, node, 1.0)
    assert sum(bool(bench.lease.announced_by(node, 1, 1.0)) for node in invented) == MAX_DISTANT
    bench.hears(A, FIRST, 100.0)
    assert bench.lease.origin(100.0) == FIRST


# --- seeds ----------------------------------------------------------------------------------------


def with_a_seed() -> Bench:
    """SECOND has two chunks and wants nothing."""
    bench = Bench()
    bench.peers.joined(SECOND, wants=False, can_fetch=False)
    bench.peers.gained(bench.peers.add(SECOND), 0b11)
    return bench


def test_a_seed_is_told_of_to_those_it_is_not_linked_with_as_soon_as_that_is_known() -> None:
    bench = with_a_seed()
    assert bench.hearsay.seeds(0b1, 1.0) == []
    bench.hearsay.company(SECOND, (ME, A), 1.1)
    assert bench.hearsay.seeds(0b1, 1.1) == [PassSeed(SECOND, 0b11, 0.0, (B,))]


def test_a_seed_is_told_of_once_a_second_while_it_has_what_is_missing() -> None:
    bench = with_a_seed()
    bench.hearsay.company(SECOND, (ME, A), 1.0)
    assert bench.hearsay.seeds(0b1, 1.0) != []
    bench.hearsay.company(SECOND, (A, ME), 1.5)
    assert bench.hearsay.seeds(0b1, 1.5) == []
    assert bench.hearsay.seeds(0b1, 1.0 + SEED_SAY_SECONDS) != []
    assert bench.hearsay.seeds(0b100, 1.0 + 2 * SEED_SAY_SECONDS) == []


def test_who_wants_chunks_itself_is_no_seed_nor_one_that_all_are_linked_with() -> None:
    bench = with_a_seed()
    bench.hearsay.company(SECOND, (A, B, ME), 1.0)
    bench.peers.gained(bench.peers.add(A), 0b11)
    bench.hearsay.company(A, (ME,), 1.0)
    assert bench.hearsay.seeds(0b1, 1.0) == []
    assert bench.lease.under_way(1.0) == 0


def test_of_two_with_as_much_one_is_told_of() -> None:
    bench = with_a_seed()
    bench.peers.joined(A, wants=False, can_fetch=False)
    bench.peers.gained(bench.peers.add(A), 0b11)
    for peer in (SECOND, A):
        bench.hearsay.company(peer, (ME,), 1.0)
    assert bench.hearsay.seeds(0b1, 1.0) == [PassSeed(SECOND, 0b11, 0.0, (B,))]


def test_who_does_not_send_what_it_has_is_not_told_of() -> None:
    bench = with_a_seed()
    bench.hearsay.company(SECOND, (ME,), 1.0)
    bench.peers.distrust(bench.peers.add(SECOND), 1.0)
    assert bench.hearsay.seeds(0b1, 1.0) == []


def test_what_is_heard_of_a_seed_counts_and_is_passed_on_once() -> None:
    bench = Bench()
    said = PeerSeed(A, FIRST, 0b11, 0.25)
    assert bench.hearsay.seed(said, 1.0) == [PassSeed(FIRST, 0b11, 0.25, (SECOND, B))]
    assert bench.hearsay.seed(PeerSeed(B, FIRST, 0b11, 0.0), 1.1) == []
    assert bench.lease.under_way(1.1) == 0b11
    assert bench.lease.next_wake(1.1) == 0.75 + SEED_SILENT_SECONDS
    assert bench.lease.under_way(0.75 + SEED_SILENT_SECONDS) == 0
    assert bench.hearsay.seed(PeerSeed(A, ME, 0b11, 0.0), 9.0) == []
    assert bench.lease.under_way(9.0) == 0


def test_a_newcomer_is_told_of_seeds_it_is_not_linked_with() -> None:
    bench = Bench()
    bench.hearsay.seed(PeerSeed(A, FIRST, 0b11, 0.0), 1.0)
    assert bench.hearsay.newcomer(B, 1.5) == [PassSeed(FIRST, 0b11, 0.5, (B,))]
    bench.peers.add(FIRST).company = (B, ME)
    assert bench.hearsay.newcomer(B, 1.5) == []


def test_what_a_seed_has_counts_while_it_comes_round_from_anybody() -> None:
    bench = Bench()
    for second in range(1, 20):
        bench.lease.arrived(B, 0b1, float(second))
        bench.hearsay.seed(PeerSeed(A, FIRST, 0b11, 0.0), float(second))
    assert bench.lease.under_way(20.0) == 0b11
