"""The maths of the tables that tests/bench prints."""

from __future__ import annotations

import pytest

from tests.bench.table import Column, Run, Target, middle, table, verdicts

RUNS: list[Run] = [
    {"we": {"seconds": 2.0, "sent": 1.0}, "they": {"seconds": 4.0}},
    {"we": {"seconds": 9.0, "sent": 1.1}, "they": {"seconds": 6.0}},
    {"we": {"seconds": 3.0}, "they": {"seconds": 2.0}},
]
SECONDS = Column("seconds", "s", ".1f")
SENT = Column("sent", "sent ÷ size")
BESIDE = Column("seconds", "÷ they", to="they")


def test_a_cell_is_the_median_of_what_was_measured() -> None:
    assert middle(SECONDS, "we", RUNS) == 3.0
    assert middle(SENT, "we", RUNS) == pytest.approx(1.05)
    assert middle(SENT, "they", RUNS) is None


def test_a_ratio_is_taken_within_each_run() -> None:
    assert middle(BESIDE, "we", RUNS) == 1.5  # of 0.5, 1.5, 1.5; the medians' ratio would be 0.75
    assert middle(BESIDE, "they", RUNS) == 1.0


def test_a_ratio_to_one_who_failed_is_left_out() -> None:
    assert middle(BESIDE, "we", [{"we": {"seconds": 2.0}}]) is None


def test_the_table_is_markdown() -> None:
    assert table([SECONDS, SENT], RUNS).splitlines() == [
        "|      |   s | sent ÷ size |",
        "| ---- | --: | ----------: |",
        "| we   | 3.0 |        1.05 |",
        "| they | 4.0 |             |",
    ]


def test_targets_hold_at_their_limit() -> None:
    targets = [
        Target("we", "s", "at most", 3.0),
        Target("we", "s", "at least", 3.1),
        Target("nobody", "s", "at most", 1.0),
    ]
    assert verdicts(targets, [SECONDS], RUNS) == [
        "met: we, s: 3.0, at most 3.0",
        "MISSED: we, s: 3.0, at least 3.1",
    ]
