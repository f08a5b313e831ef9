"""Counts outlive links, and are not kept of everybody who ever called."""

from __future__ import annotations

import pytest

from protocol.ids import NodeId
from swarm.exchange import counters
from swarm.exchange.counters import MAX_COUNTED, Counters


def peer(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


def test_a_peer_that_comes_back_has_its_count() -> None:
    counts = Counters(lambda _: False)
    counts.of(peer(1)).count_sent(5)
    counts.gone(peer(1))
    assert counts.of(peer(1)).sent == 5


def test_no_more_than_the_limit_whoever_calls() -> None:
    linked = {peer(1)}
    counts = Counters(linked.__contains__)
    for number in range(1, 2 * MAX_COUNTED):
        counts.of(peer(number)).received = number
        counts.gone(peer(number))
        assert len(counts) <= MAX_COUNTED
    assert counts.of(peer(1)).received == 1


def test_those_gone_longest_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MAX_COUNTED", 2)
    counts = Counters(lambda _: False)
    for number in (1, 2):
        counts.of(peer(number)).received = number
    counts.gone(peer(2))
    counts.gone(peer(1))
    counts.of(peer(3))
    assert (counts.of(peer(1)).received, len(counts)) == (1, 2)
