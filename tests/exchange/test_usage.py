"""Which links count as in use."""

from __future__ import annotations

from protocol.ids import NodeId
from swarm.exchange.usage import USE_SECONDS, Usage

A, B = NodeId(b"a" * 32), NodeId(b"b" * 32)


def test_a_link_is_in_use_for_a_while_after_its_count_grew() -> None:
    usage = Usage()
    assert usage.busy({A: 0, B: 5}, 0) == {B}
    assert usage.busy({A: 1, B: 5}, USE_SECONDS / 2) == {A, B}
    assert usage.busy({A: 1, B: 5}, USE_SECONDS) == {A}
    assert usage.busy({A: 1, B: 5}, USE_SECONDS * 1.5) == set()


def test_a_link_that_is_gone_is_forgotten() -> None:
    usage = Usage()
    usage.busy({A: 5}, 0)
    assert usage.busy({}, 1) == set()
    assert usage.busy({A: 5}, 2) == {A}
