"""What is computed from the kernel's counters."""

from __future__ import annotations

from tests.bench.usage import Processors, Segments


def test_time_that_nobody_wanted_counts_neither_as_wanted_nor_as_stolen() -> None:
    before = Processors.parse("cpu  100 0 50 9000 700 0 10 40 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
    later = Processors.parse("cpu  160 1 60 9500 800 2 17 60 5 0\n")
    assert before == Processors(wanted=200, stolen=40)
    assert before.share_stolen(later) == 20 / 100


def test_a_machine_on_which_nothing_ran_lost_nothing() -> None:
    assert Processors(200, 40).share_stolen(Processors(200, 40)) == 0


def test_segments_sent_again_are_a_share_of_those_sent_since() -> None:
    assert Segments(1000, 10).share_sent_again(Segments(1400, 14)) == 0.01
