"""What peers offer, and how rare each chunk is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import NodeId
from swarm.scheduler.peers import (
    DISTRUST_SECONDS,
    DOUBTFUL_FAILURES,
    ELSEWHERE_IDLE_CHUNKS,
    ELSEWHERE_IDLE_SECONDS,
    ELSEWHERE_SECONDS,
    LEVELS,
    MAX_REST_SECONDS,
    PAUSE_SECONDS,
    REFUSED_SECONDS,
    Peers,
)

NODES = [NodeId(bytes([number]) * 32) for number in range(4)]


def test_levels_count_holders() -> None:
    peers = Peers()
    for node, bits in zip(NODES, (0b111, 0b011, 0b001, 0b001), strict=True):
        assert peers.gained(peers.add(node), bits) == bits
    assert peers.held == [0b111, 0b011, 0b001]
    peers.remove(NODES[0])
    assert peers.held == [0b011, 0b001, 0b001]
    peers.lost(peers.add(NODES[1]), 0b010)
    assert peers.held == [0b001, 0b001, 0b001]


def test_news_told_twice_counts_once() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b11)
    assert peers.gained(peer, 0b110) == 0b100
    assert peers.held == [0b111, 0, 0]


def test_a_peer_at_rest_offers_nothing_until_it_has_rested() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b1)
    peers.distrust(peer, now=10.0)
    peers.gained(peer, 0b10)
    assert (peer.offers, peers.held[0]) == (0, 0)
    assert peers.next_wake() == 10.0 + DISTRUST_SECONDS
    peers.wake(9.9 + DISTRUST_SECONDS)
    assert peer.offers == 0
    peers.wake(10.0 + DISTRUST_SECONDS)
    assert (peer.offers, peers.held[0]) == (0b11, 0b11)
    assert peers.next_wake() is None


def test_distrust_doubles_up_to_its_limit_and_outlives_the_link() -> None:
    peers = Peers()
    peers.distrust(peers.add(NODES[0]), now=0.0)
    peers.remove(NODES[0])
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b1)
    assert peer.offers == 0
    peers.wake(DISTRUST_SECONDS)
    assert peer.offers == 0b1
    peers.distrust(peer, now=1000.0)
    assert peer.rests_until == 1000.0 + 2 * DISTRUST_SECONDS
    for _ in range(10):
        peers.distrust(peer, now=2000.0)
    assert peer.rests_until == 2000.0 + MAX_REST_SECONDS


def test_what_was_refused_is_left_for_a_while_and_the_peer_for_a_moment() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b11)
    peers.refused(peer, 0b01, now=0.0)
    assert peer.offers == 0
    peers.wake(PAUSE_SECONDS)
    assert peer.offers == 0b10
    peers.wake(REFUSED_SECONDS)
    assert peer.offers == 0b11


def test_pauses_double_while_nothing_comes() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.refused(peer, 0b1, now=0.0)
    peers.refused(peer, 0b1, now=1.0)
    assert peer.rests_until == 1.0 + 2 * PAUSE_SECONDS


def test_what_a_peer_says_anew_that_it_has_is_refused_no_more() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b11)
    peers.refused(peer, 0b01, now=0.0)
    peers.wake(PAUSE_SECONDS)
    peers.gained(peer, 0b01)
    assert peer.offers == 0b11
    assert peers.held[0] == 0b11


changes = st.lists(
    st.tuples(
        st.sampled_from(["gained", "lost", "refused", "forgive", "distrust", "remove"]),
        st.sampled_from(NODES),
        st.integers(0, 255),
        st.floats(0, 200),
    )
)


@given(changes)
def test_levels_kept_up_to_date_equal_levels_counted_anew(todo: list[tuple[str, NodeId, int, float]]) -> None:
    peers, now = Peers(), 0.0
    for what, node, bits, seconds in todo:
        now += seconds
        peers.wake(now)
        match what:
            case "gained":
                peers.gained(peers.add(node), bits)
            case "lost":
                peers.lost(peers.add(node), bits)
            case "refused":
                peers.refused(peers.add(node), bits, now)
            case "forgive":
                peers.forgive(bits)
            case "distrust":
                peers.distrust(peers.add(node), now)
            case _:
                peers.remove(node)
        for level in range(LEVELS):
            for chunk in range(8):
                holders = sum(peer.offers >> chunk & 1 for peer in peers)
                assert (peers.held[level] >> chunk & 1) == (holders > level)
        assert all(peer.offers & ~peer.has == 0 for peer in peers)


def test_who_refused_what_is_asked_for_otherwise_now_may_have_it() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b111)
    peers.refused(peer, 0b011, 0.0)
    peers.wake(4.0)
    assert peer.offers == 0b100
    peers.forgive(0b001)
    assert peer.offers == 0b101
    assert peers.held[0] == 0b101


def test_what_a_peer_lets_others_relay_is_left_to_them_for_a_while() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b111)
    peers.elsewhere(peer, 0b001, now=0.0)
    peers.elsewhere(peer, 0b010, now=ELSEWHERE_SECONDS - 0.1)
    assert (peer.offers, peers.held[0], peers.expected) == (0b100, 0b100, 0b111)
    assert peers.next_wake() == ELSEWHERE_SECONDS
    peers.wake(ELSEWHERE_SECONDS)
    peers.elsewhere(peer, 0b100, now=ELSEWHERE_SECONDS + 0.1)
    assert peer.offers == 0
    peers.wake(2 * ELSEWHERE_SECONDS)
    assert peer.offers == 0b011
    peers.wake(3 * ELSEWHERE_SECONDS)
    assert peer.offers == 0b111
    assert peers.next_wake() is None


def test_what_some_let_others_relay_may_be_asked_of_them_again_once_another_has_it() -> None:
    peers = Peers()
    first, second, other = (peers.add(node) for node in NODES[:3])
    for peer in (first, second):
        peers.gained(peer, 0b11)
    peers.elsewhere(first, 0b01, now=0.0)
    peers.elsewhere(second, 0b10, now=0.0)
    assert (first.offers, second.offers) == (0b10, 0b01)
    peers.gained(other, 0b01)
    assert (first.offers, second.offers) == (0b11, 0b01)
    peers.gained(other, 0b10)
    assert second.offers == 0b11


def test_a_peer_with_nothing_on_order_is_asked_again_soon() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b111)
    peers.elsewhere(peer, 0b001, now=0.0)
    peers.spared(peer, 1000, now=1.0)
    peers.spared(peer, 1000, now=1.2)
    assert peers.next_wake() == 1.0 + ELSEWHERE_IDLE_SECONDS
    peers.wake(1.0 + ELSEWHERE_IDLE_SECONDS)
    assert peer.offers == 0b111


def test_a_slow_peer_with_nothing_on_order_is_given_the_time_of_some_chunks() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b111)
    peer.pace.started(0.0)
    peer.pace.arrived(1000, 0.25)
    peers.elsewhere(peer, 0b001, now=1.0)
    peers.spared(peer, 1000, now=1.0)
    assert peers.next_wake() == 1.0 + 0.25 * ELSEWHERE_IDLE_CHUNKS


def test_only_what_is_offered_by_who_wants_more_is_relayed() -> None:
    peers = Peers()
    seed = peers.joined(NODES[0], wants=False, can_fetch=False)
    relay = peers.joined(NODES[1], wants=True, can_fetch=False)
    peers.gained(seed, 0b111)
    assert peers.relayed == 0
    peers.gained(relay, 0b011)
    assert peers.relayed == 0b011
    peers.lost(relay, 0b010)
    assert peers.relayed == 0b001
    peers.joined(NODES[1], wants=False, can_fetch=False)
    assert peers.relayed == 0


def test_what_another_has_by_now_may_be_asked_of_either() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b111)
    peers.elsewhere(peer, 0b011, now=0.0)
    peers.gained(peers.add(NODES[1]), 0b010)
    assert peer.offers == 0b110
    assert peers.held == [0b110, 0b010, 0]


def test_who_was_to_relay_may_be_the_one_that_left() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.add(NODES[1])
    peers.gained(peer, 0b111)
    peers.elsewhere(peer, 0b001, now=0.0)
    peers.remove(NODES[1])
    assert peer.offers == 0b111


def test_a_peer_is_counted_on_until_it_fails_again() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b11)
    for failures in range(1, DOUBTFUL_FAILURES + 1):
        assert peers.expected == 0b11
        peers.refused(peer, 0b01, now=0.0)
        assert peer.failures == failures
    assert peers.expected == 0
    peers.came(peer)
    assert peers.expected == 0b11
    peers.distrust(peer, now=0.0)
    assert peers.expected == 0


def test_what_a_peer_says_it_has_not_got_is_not_expected_of_it() -> None:
    peers = Peers()
    peer = peers.add(NODES[0])
    peers.gained(peer, 0b11)
    peers.refused(peer, 0b01, now=0.0, absent=True)
    assert peers.expected == 0b10
    peers.wake(REFUSED_SECONDS)
    assert peers.expected == 0b11
    peers.refused(peer, 0b01, now=0.0, absent=True)
    peers.gained(peer, 0b01)
    assert peer.absent == 0
