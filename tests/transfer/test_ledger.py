"""Bytes by source, and how fast they came lately."""

from __future__ import annotations

from swarm.sources import Source
from swarm.transfer.ledger import RATE_SECONDS, Counted, Ledger

HUB, PEER = Source("upstream", "https://hub"), Source("peer", "one")


def test_totals_by_source() -> None:
    ledger = Ledger()
    for source, count in ((HUB, 10), (PEER, 5), (HUB, 1)):
        ledger.add(source, count, 0.0)
    assert ledger.totals == {HUB: 11, PEER: 5}


def test_a_rate_is_the_mean_of_the_last_seconds() -> None:
    ledger = Ledger()
    assert ledger.rate(HUB, 0.0) == 0
    ledger.add(HUB, 100, 0.0)
    ledger.add(HUB, 50, 3.0)
    assert ledger.rate(HUB, 4.0) == 150 / RATE_SECONDS
    assert ledger.rate(HUB, RATE_SECONDS + 1) == 50 / RATE_SECONDS
    assert ledger.rate(HUB, RATE_SECONDS + 4) == 0
    assert ledger.rate(PEER, 4.0) == 0


def test_what_proves_wrong_does_not_count() -> None:
    ledger = Ledger()
    ledger.add(Source("peer", "a"), 100, 0)
    ledger.take_back(Source("peer", "a"), 60)
    assert ledger.totals == {Source("peer", "a"): 40}


def test_chunks_of_a_blob_that_failed_count_once_they_prove_right() -> None:
    counted = Counted(Ledger())
    counted.add(0, HUB, 10, 0.0)
    for chunk in (0, 0, 1):
        counted.set_aside(chunk, HUB, 10)
    assert counted.ledger.totals[HUB] == 0
    for chunk in (0, 0, 1):
        counted.put_back(chunk, 10, 0.0)
    assert counted.ledger.totals == {HUB: 10}
    counted.set_aside(0, HUB, 10)
    assert counted.ledger.totals[HUB] == 0
