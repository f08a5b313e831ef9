"""Bytes by source, and how fast they came lately."""

from __future__ import annotations

from swarm.sources import Source
from swarm.transfer.ledger import RATE_SECONDS, Ledger

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
