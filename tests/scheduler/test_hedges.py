"""What is ordered a second time."""

from __future__ import annotations

from protocol.ids import NodeId
from swarm.scheduler.hedges import duplicates
from swarm.scheduler.orders import Orders
from swarm.scheduler.peers import Peer, Peers
from swarm.scheduler.windows import Pace

FAST, SLOW, THIRD = (NodeId(bytes([number]) * 32) for number in range(3))
CHUNK = 1000


def pace(rate: float) -> Pace:
    made = Pace()
    made.started(0.0)
    made.arrived(int(rate), 1.0)
    return made


def peer(node: NodeId, rate: float | None, offers: int = 0b1111) -> Peer:
    peers = Peers()
    found = peers.add(node)
    peers.gained(found, offers)
    if rate is not None:
        found.pace = pace(rate)
    return found


def test_what_an_overdue_source_owes_is_asked_of_another() -> None:
    orders = Orders()
    orders.place(SLOW, {0: CHUNK, 1: CHUNK})
    paces = {SLOW: pace(CHUNK)}
    assert duplicates(peer(FAST, None), 0b11, orders, paces, {SLOW}, last=False) == 0b11
    assert duplicates(peer(FAST, None), 0b11, orders, paces, set(), last=False) == 0
    assert duplicates(peer(FAST, None, offers=0b10), 0b11, orders, paces, {SLOW}, last=False) == 0b10
    assert duplicates(peer(SLOW, None), 0b11, orders, paces, {SLOW}, last=False) == 0


def test_never_more_than_two_orders_for_a_chunk() -> None:
    orders = Orders()
    orders.place(SLOW, {0: CHUNK, 1: CHUNK})
    orders.place(THIRD, {0: CHUNK})
    paces = {SLOW: pace(CHUNK), THIRD: pace(CHUNK)}
    assert duplicates(peer(FAST, None), 0b11, orders, paces, {SLOW, THIRD}, last=False) == 0b10


def test_in_the_endgame_the_tail_of_a_long_queue_goes_to_a_faster_source() -> None:
    """Waits of 1, 2, 3 and 4 s against 0.25 s for each: worth it for all but the first."""
    orders = Orders()
    orders.place(SLOW, dict.fromkeys(range(4), CHUNK))
    paces = {SLOW: pace(CHUNK)}
    assert duplicates(peer(FAST, 4 * CHUNK), 0b1111, orders, paces, set(), last=True) == 0b1110
    assert duplicates(peer(FAST, 4 * CHUNK), 0b1111, orders, paces, set(), last=False) == 0
    assert duplicates(peer(FAST, 0.5 * CHUNK), 0b1111, orders, paces, set(), last=True) == 0


def test_what_the_faster_source_owes_already_counts() -> None:
    orders = Orders()
    orders.place(SLOW, dict.fromkeys(range(4), CHUNK))
    orders.place(FAST, dict.fromkeys(range(10, 18), CHUNK))
    paces = {SLOW: pace(CHUNK), FAST: pace(4 * CHUNK)}
    assert duplicates(peer(FAST, 4 * CHUNK), 0b1111, orders, paces, set(), last=True) == 0
