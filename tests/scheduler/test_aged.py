"""What has been in a set for some time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.bits import members
from swarm.scheduler.aged import Aged


def test_a_member_is_aged_after_one_to_two_periods() -> None:
    aged = Aged(1.0, now=0.0)
    assert aged.update(0b1, 1.0) == 0
    assert aged.update(0b1, 1.9) == 0
    assert aged.update(0b11, 2.0) == 0b1
    assert aged.update(0b11, 3.0) == 0b11


def test_who_leaves_and_comes_back_is_young_again() -> None:
    aged = Aged(1.0, now=0.0)
    aged.update(0b1, 1.0)
    aged.update(0b0, 1.5)
    assert aged.update(0b1, 2.0) == 0
    assert aged.update(0b1, 2.9) == 0
    assert aged.update(0b1, 3.0) == 0b1


def test_next_wake_is_when_members_may_become_aged() -> None:
    aged = Aged(1.0, now=0.0)
    assert aged.next_wake() == 1.0
    aged.update(0, 1.25)
    assert aged.next_wake() == 2.25


@given(st.lists(st.tuples(st.floats(0.01, 2.0), st.integers(0, 255))))
def test_nothing_is_aged_before_a_period_has_passed(updates: list[tuple[float, int]]) -> None:
    aged, now, since = Aged(1.0, now=0.0), 0.0, dict[int, float]()
    for step, bits in updates:
        now += step
        since = {member: since.get(member, now) for member in members(bits)}
        assert all(now - since[member] >= 1.0 - 1e-9 for member in members(aged.update(bits, now)))
