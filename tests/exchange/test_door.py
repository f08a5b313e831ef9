"""Places at the door: how many, for whom, and who leaves for whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.exchange.door import MAX_HANDSHAKES, MAX_HANDSHAKES_OF_A_HOST, REST_SECONDS, Door


def stays() -> None:
    raise AssertionError("was sent away")


class Caller:
    """A connection that may be sent away."""

    def __init__(self, door: Door, host: str, now: float = 0) -> None:
        self.host = host
        self.sent_away = False
        self.guest = door.enter(host, self.go, now)

    def go(self) -> None:
        self.sent_away = True


def test_one_machine_has_so_many_places_and_no_more() -> None:
    door = Door()
    guests = [door.enter("10.0.0.9", stays, 0) for _ in range(MAX_HANDSHAKES_OF_A_HOST)]
    assert None not in guests
    assert door.enter("10.0.0.9", stays, 0) is None
    assert door.enter("10.0.0.1", stays, 0) is not None


def test_a_place_stays_taken_for_a_while() -> None:
    door = Door(places=9, places_of_a_host=1)
    guest = door.enter("10.0.0.9", stays, 0)
    assert guest is not None
    door.leave(guest, 5)
    door.leave(guest, 5)
    assert door.waiting == 0
    assert door.enter("10.0.0.9", stays, 5 + REST_SECONDS / 2) is None
    assert door.enter("10.0.0.9", stays, 5 + REST_SECONDS) is not None


def test_the_machine_with_most_loses_its_oldest_when_all_places_are_taken() -> None:
    door = Door(places=4, places_of_a_host=4)
    first = Caller(door, "10.0.0.1")
    crowd = [Caller(door, "10.0.0.9") for _ in range(3)]
    assert Caller(door, "10.0.0.2").guest is not None
    assert [caller.sent_away for caller in (first, *crowd)] == [False, True, False, False]
    assert door.waiting == 4


def test_many_addresses_wear_one_another_out() -> None:
    """The oldest leaves: whoever shakes hands at once is done before that is him."""
    door = Door(places=4)
    honest = Caller(door, "10.0.0.1")
    for number in range(3):
        Caller(door, f"10.9.0.{number}")
    assert honest.guest is not None
    assert not honest.sent_away
    door.leave(honest.guest, 0)
    assert all(Caller(door, f"10.9.1.{number}").guest for number in range(100))
    assert door.waiting == 4


def test_this_machine_has_the_common_limit_only() -> None:
    door = Door(places=9, places_of_a_host=1)
    assert all(door.enter(host, stays, 0) for host in ("127.0.0.1", "127.0.0.1", "::1", "::1"))
    assert door.enter(None, stays, 0) is not None
    assert door.enter(None, stays, 0) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(0, 2)), max_size=200))
def test_never_more_than_there_are_places(steps: list[tuple[int, bool, float]]) -> None:
    door, now = Door(places=6, places_of_a_host=3), 0.0
    callers: list[Caller] = []
    for number, leaves, pause in steps:
        now += pause
        if leaves and callers:
            caller = callers.pop(number % len(callers))
            assert caller.guest is not None
            door.leave(caller.guest, now)
        elif (caller := Caller(door, f"10.0.0.{number}", now)).guest is not None:
            callers.append(caller)
        callers = [caller for caller in callers if not caller.sent_away]
        assert door.waiting == len(callers) <= 6
        hosts = [caller.host for caller in callers]
        assert all(hosts.count(host) <= 3 for host in hosts)
    for caller in callers:
        assert caller.guest is not None
        door.leave(caller.guest, now)
    assert all(door.enter("10.0.0.1", stays, now + REST_SECONDS) for _ in range(3))


def test_the_limits_leave_room_for_others() -> None:
    assert MAX_HANDSHAKES_OF_A_HOST <= MAX_HANDSHAKES // 2
