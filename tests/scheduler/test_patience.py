"""Others are waited for while anything comes of it."""

from __future__ import annotations

from swarm.scheduler.patience import Patience


def test_it_is_over_once_nothing_came_for_so_long() -> None:
    patience = Patience(30.0)
    for now in (1.0, 5.0, 30.9):
        patience.watch(True, now)
        assert not patience.over
        assert patience.next_wake() == 31.0
    patience.watch(True, 31.0)
    assert patience.over
    assert patience.next_wake() is None


def test_what_comes_begins_it_anew() -> None:
    patience = Patience(30.0)
    patience.watch(True, 1.0)
    patience.reward()
    patience.watch(True, 20.0)
    patience.watch(True, 49.9)
    assert not patience.over


def test_it_stays_over_until_something_comes() -> None:
    patience = Patience(30.0)
    patience.watch(True, 1.0)
    patience.watch(True, 31.0)
    patience.watch(False, 32.0)
    assert patience.over
    patience.reward()
    assert not patience.over


def test_who_goes_itself_waits_for_nobody() -> None:
    patience = Patience(30.0)
    patience.watch(True, 1.0)
    patience.watch(False, 30.0)
    patience.watch(True, 40.0)
    patience.watch(True, 69.0)
    assert not patience.over
