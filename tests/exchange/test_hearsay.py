"""What the word of others about addresses may cost."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import NodeId
from swarm.exchange.hearsay import MAX_CANDIDATES_OF_A_HOST, MAX_HEARSAY_OF_A_PEER, Budget, DialRate

ONE, OTHER = NodeId(b"\1" * 32), NodeId(b"\2" * 32)


def test_each_host_and_each_teller_has_its_own_budget() -> None:
    budget = Budget()
    for number in range(MAX_HEARSAY_OF_A_PEER):
        assert budget.allows(f"10.0.0.{number}", ONE)
        budget.spend(f"10.0.0.{number}", ONE)
    assert not budget.allows("10.0.1.1", ONE)
    assert budget.allows("10.0.1.1", OTHER)
    assert budget.allows("10.0.1.1", None)
    budget.free("10.0.0.0", ONE)
    assert budget.allows("10.0.1.1", ONE)


def test_one_host_is_not_noted_port_by_port() -> None:
    budget = Budget()
    for _ in range(MAX_CANDIDATES_OF_A_HOST):
        budget.spend("10.0.0.1", None)
    assert not budget.allows("10.0.0.1", None)
    assert not budget.allows("10.0.0.1", ONE)
    assert budget.allows("10.0.0.2", ONE)


@given(st.lists(st.floats(0, 5), max_size=60))
def test_a_rate_is_kept_over_any_time(pauses: list[float]) -> None:
    rate, now, taken = DialRate(3, 2), 0.0, list[float]()
    for pause in pauses:
        now += pause
        if rate.ready_at <= now:
            rate.take(now)
            taken.append(now)
    for start, end in itertools.combinations(range(len(taken)), 2):
        assert end - start + 1 <= 3 + 2 * (taken[end] - taken[start]) + 1e-6
