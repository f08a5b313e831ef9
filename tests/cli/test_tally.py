"""Adding up progress: speeds and what is left, at exact times."""

import pytest

from swarm.cli.tally import SPEED_WINDOW, Tally
from swarm.transfer.requests import FileProgress, Progress


def test_nothing_is_known_at_first() -> None:
    tally = Tally()
    assert tally.speed(0) == 0
    assert tally.eta(0) is None
    assert tally.under_way(3) == []


def test_speed_and_time_left() -> None:
    tally = Tally()
    for second in range(5):
        tally.take(Progress("fetching", bytes=100 * second, total=1000), second)
    assert tally.speed(4) == 100
    assert tally.eta(4) == 6


def test_the_speed_is_of_late() -> None:
    tally = Tally()
    for second in range(31):
        tally.take(Progress("fetching", bytes=1000 * min(second, 10), total=100_000), second)
    assert tally.speed(10 + SPEED_WINDOW) == 0


def test_what_was_there_already_is_no_speed() -> None:
    tally = Tally()
    tally.take(Progress("resolving"), 0)
    tally.take(Progress("waiting", bytes=500, total=1000), 1)
    tally.take(Progress("fetching", bytes=600, total=1000), 2)
    assert tally.speed(2) == 100


def test_the_speed_falls_while_no_report_comes() -> None:
    tally = Tally()
    tally.take(Progress("fetching", bytes=0, total=100), 0)
    tally.take(Progress("fetching", bytes=50, total=100), 1)
    assert tally.speed(1) == 50
    assert tally.speed(10) == 5


def test_files_under_way_are_those_that_moved_last() -> None:
    tally = Tally()
    files = tuple(FileProgress(name, 1, 5) for name in "abcd")
    tally.take(Progress("fetching", files=files), 0)
    tally.take(Progress("fetching", files=(FileProgress("a", 2, 5), FileProgress("c", 5, 5))), 1)
    assert [file.path for file in tally.under_way(2)] == ["d", "a"]


@pytest.mark.parametrize("bytes_now", [0, 5])
def test_a_count_that_falls_is_no_negative_speed(bytes_now: int) -> None:
    tally = Tally()
    tally.take(Progress("fetching", bytes=10, total=20), 0)
    tally.take(Progress("checking", bytes=bytes_now, total=20), 1)
    assert tally.speed(1) == 0
