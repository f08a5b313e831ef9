"""How much of what the policy puts first is ordered from one peer."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.ids import NodeId
from protocol.limits import KIB
from swarm.scheduler.choice import MAX_PICKS, Choice
from swarm.scheduler.dispatch import Dispatch
from swarm.scheduler.orders import Orders
from swarm.scheduler.peers import Peer, Peers
from swarm.scheduler.picker import Tier, View
from swarm.scheduler.windows import MIN_WINDOW, Pace
from tests.scheduler.simulator import layout

A, B = NodeId(b"a" * 32), NodeId(b"b" * 32)
CHUNK = 256 * KIB


class Fixed:
    """A policy that puts these first, whatever there is."""

    def __init__(self, *tiers: Tier) -> None:
        self._tiers = tiers

    def tiers(self, peer: Peer, view: View, now: float) -> Iterator[Tier]:
        return iter(self._tiers)

    def arrived(self, node: NodeId, new: int, now: float) -> None:
        """Nothing follows from it."""

    def next_wake(self, now: float) -> float | None:
        return None


class Desk:
    """A choice among ten chunks of CHUNK bytes, or what else is given, for peer A, which offers all."""

    def __init__(self, *tiers: Tier, sizes: tuple[int, ...] = (10 * CHUNK,)) -> None:
        chunks = layout(*sizes)
        self.orders, self.peers = Orders(), Peers()
        self.dispatch = Dispatch(self.orders, self.peers, Pace())
        self.choice = Choice(chunks, CHUNK, Fixed(*tiers), self.orders, self.dispatch)
        self.peer = self.peers.add(A)
        self.peers.gained(self.peer, (1 << chunks.total) - 1)

    def first(self, room: int) -> list[int]:
        view = View(self.peers, self.peer.offers, (A,), None, CHUNK)
        return list(self.choice.first(self.peer, room, view, 0.0))


def test_tiers_in_their_order_each_from_where_it_starts() -> None:
    desk = Desk(Tier(0b1011, start=1), Tier(0b1110000, backwards=True))
    assert desk.first(10 * CHUNK) == [1, 3, 0, 6, 5, 4]


def test_no_more_than_there_is_room_for() -> None:
    desk = Desk(Tier(0b111), Tier(0b111000))
    assert desk.first(4 * CHUNK) == [0, 1, 2, 3]
    assert desk.first(4 * CHUNK - 1) == [0, 1, 2]
    assert desk.first(CHUNK - 1) == []


def test_what_does_not_fit_ends_the_choice() -> None:
    """Nothing behind it is as good, however small."""
    desk = Desk(Tier(0b111), Tier(0b1000), sizes=(1000, CHUNK, 1000, 1000))
    assert desk.first(CHUNK) == [0]


def test_few_enough_for_one_step() -> None:
    sizes = (1,) * (MAX_PICKS + 1)
    assert len(Desk(Tier((1 << len(sizes)) - 1), sizes=sizes).first(10**9)) == MAX_PICKS


def test_there_is_room_once_half_of_the_window_is_free() -> None:
    desk = Desk()
    assert desk.choice.room(desk.peer) == MIN_WINDOW
    desk.dispatch.place(A, {0: MIN_WINDOW // 2}, 0.0)
    assert desk.choice.room(desk.peer) == MIN_WINDOW // 2
    desk.dispatch.place(A, {1: 1}, 0.0)
    assert desk.choice.room(desk.peer) == 0


def test_the_more_owe_something_the_less_is_ordered_from_each() -> None:
    desk = Desk()
    desk.dispatch.place(A, {0: CHUNK}, 0.0)
    desk.dispatch.came(0, A, 0.01)
    rooms = []
    for number in range(1, 6):
        desk.dispatch.place(NodeId(bytes([number]) * 32), {number: CHUNK}, 0.0)
        rooms.append(desk.choice.room(desk.peer))
    assert rooms[0] == rooms[1] > rooms[2] > rooms[3] > rooms[4] > MIN_WINDOW


def test_who_offers_nothing_is_asked_for_nothing() -> None:
    desk = Desk()
    assert desk.choice.room(desk.peers.add(B)) == 0


def test_a_second_order_only_when_somebody_is_late_or_all_is_on_order() -> None:
    desk = Desk()
    desk.dispatch.place(B, {3: CHUNK}, 0.0)
    allowed = desk.orders.bits
    assert desk.choice.again(desk.peer, CHUNK, allowed, set(), last=False) == {}
    assert desk.choice.again(desk.peer, CHUNK, allowed, {B}, last=False) == {3: CHUNK}
    assert desk.choice.again(desk.peer, CHUNK, 0, {B}, last=False) == {}
    assert desk.choice.again(desk.peer, CHUNK - 1, allowed, {B}, last=False) == {}
