"""Seeds that others tell of: counted while that is said anew and something comes round."""

from __future__ import annotations

from protocol.ids import NodeId
from swarm.scheduler.seeds import MAX_SEEDS, SEED_SAY_SECONDS, SEED_SILENT_SECONDS, Seeds

STALL = 15.0
ONE, TWO = NodeId(b"1" * 32), NodeId(b"2" * 32)
OTHERS = [NodeId(bytes([number]) * 32) for number in range(MAX_SEEDS)]


def told_until(seeds: Seeds, end: int, bits: int = 0b1111) -> None:
    for second in range(end + 1):
        seeds.heard(ONE, bits, float(second), float(second))


def test_a_seed_counts_for_a_while_after_what_was_said_of_it() -> None:
    seeds = Seeds(STALL)
    assert seeds.coming(0.0) == 0
    assert seeds.heard(ONE, 0b11, 0.5, 1.0)
    assert seeds.coming(0.5 + SEED_SILENT_SECONDS - 0.1) == 0b11
    assert seeds.next_wake(1.0) == 0.5 + SEED_SILENT_SECONDS
    assert seeds.coming(0.5 + SEED_SILENT_SECONDS) == 0
    assert seeds.next_wake(0.5 + SEED_SILENT_SECONDS) is None
    assert not seeds.heard(TWO, 0b11, 1.0, 1.0 + SEED_SILENT_SECONDS)


def test_what_was_just_said_is_no_news_and_prolongs_nothing() -> None:
    seeds = Seeds(STALL)
    seeds.heard(ONE, 0b11, 1.0, 1.0)
    assert not seeds.heard(ONE, 0b11, 1.0 + SEED_SAY_SECONDS / 2, 1.6)
    assert list(seeds.known(2.0)) == [(ONE, 0b11, 1.0)]
    assert seeds.heard(ONE, 0b111, 2.0, 2.0)
    assert list(seeds.known(2.5)) == [(ONE, 0b111, 0.5)]


def test_a_seed_of_which_nothing_comes_round_counts_no_more_whatever_comes_then() -> None:
    seeds = Seeds(STALL)
    told_until(seeds, 14)
    seeds.arrived(0b10000, 14.0)
    assert seeds.coming(14.9) == 0b1111
    assert not seeds.heard(ONE, 0b1111, 15.0, STALL)
    seeds.arrived(0b1, 15.5)
    assert not seeds.heard(ONE, 0b1111, 16.0, 16.0)
    assert seeds.coming(16.0) == 0
    assert not seeds.heard(ONE, 0b1111, 100.0, 100.0)
    assert seeds.coming(100.0) == 0
    assert seeds.heard(TWO, 0b1111, 100.0, 100.0)
    assert seeds.coming(100.0) == 0b1111


def test_it_counts_on_as_long_as_something_comes_round() -> None:
    seeds = Seeds(STALL)
    told_until(seeds, 14)
    seeds.arrived(0b1, 14.0)
    assert seeds.heard(ONE, 0b1111, 16.0, 16.0)
    assert seeds.coming(17.0) == 0b1111


def test_another_that_has_no_more_takes_over_when_the_first_is_about_to_be_given_up() -> None:
    seeds = Seeds(STALL)
    seeds.heard(ONE, 0b11, 0.0, 0.0)
    soon = SEED_SILENT_SECONDS / 2
    assert not seeds.heard(TWO, 0b11, soon - 0.1, soon - 0.1)
    assert seeds.heard(OTHERS[0], 0b100, 1.0, 1.0)
    assert seeds.heard(TWO, 0b11, soon, soon)
    assert seeds.coming(SEED_SILENT_SECONDS) == 0b111


def test_of_few_is_kept_track_and_of_those_that_stalled_for_ever() -> None:
    seeds = Seeds(STALL)
    for number, node in enumerate(OTHERS):
        assert seeds.heard(node, 1 << number, 0.0, 0.0)
    assert not seeds.heard(ONE, 1 << MAX_SEEDS, 1.0, 1.0)
    assert seeds.heard(ONE, 1 << MAX_SEEDS, SEED_SILENT_SECONDS, SEED_SILENT_SECONDS)
    silent = Seeds(0.5)
    for number, node in enumerate(OTHERS):
        silent.heard(node, 1 << number, 0.0, 0.0)
    assert not silent.heard(ONE, 1 << MAX_SEEDS, 99.0, 99.0)
