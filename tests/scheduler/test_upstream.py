"""What is remembered of an upstream, and what follows for the next order."""

from __future__ import annotations

from protocol.bits import everything
from protocol.ids import NodeId
from protocol.limits import KIB
from swarm.scheduler.spans import FIRST_PARALLEL, FIRST_SPAN_BYTES, UPSTREAM_PARALLEL
from swarm.scheduler.upstream import (
    HOPELESS_BREAKDOWNS,
    UPSTREAM_ATTEMPTS,
    UPSTREAM_PAUSE_SECONDS,
    UpstreamRecord,
)
from tests.scheduler.simulator import layout

CHUNK = 256 * KIB
CHUNKS = 100


def record() -> UpstreamRecord:
    return UpstreamRecord(NodeId(bytes(32)), layout(CHUNKS * CHUNK), CHUNK, 0.0)


def test_the_first_spans_are_small_and_few() -> None:
    spans = list(record().spans(everything(CHUNKS), 0))
    assert [list(span) for span in spans] == [[0, 1], [2, 3]]
    assert len(spans) == FIRST_PARALLEL
    assert {sum(span.values()) for span in spans} == {FIRST_SPAN_BYTES}


def test_the_first_spans_are_of_a_place_of_its_own_and_later_ones_of_the_beginning() -> None:
    """Two that both take themselves for the origin fetch different chunks; one is hashed as it comes."""
    place = CHUNKS - 3
    known = UpstreamRecord(NodeId(place.to_bytes(8, "big") + bytes(24)), layout(CHUNKS * CHUNK), CHUNK, 0.0)
    assert [list(span) for span in known.spans(everything(CHUNKS), 0)] == [[place, place + 1], [place + 2]]
    known.came(CHUNK)
    assert next(known.spans(everything(CHUNKS), 1)) == {0: CHUNK, 1: CHUNK}


def test_those_under_way_count() -> None:
    assert len(list(record().spans(everything(CHUNKS), 1))) == FIRST_PARALLEL - 1
    assert list(record().spans(everything(CHUNKS), UPSTREAM_PARALLEL)) == []
    assert list(record().spans(0, 0)) == []


def test_each_failure_in_a_row_is_waited_for_twice_as_long() -> None:
    known = record()
    for attempt in range(UPSTREAM_ATTEMPTS):
        last = attempt == UPSTREAM_ATTEMPTS - 1
        assert known.failed(False, 10.0) is last
        assert known.paused_until == 10.0 + UPSTREAM_PAUSE_SECONDS * 2**attempt
    known.works_again(11.0)
    assert known.paused_until == 11.0


def test_a_failure_for_good_is_one_too_many() -> None:
    assert record().failed(True, 0.0)


def test_what_comes_makes_good_for_what_failed() -> None:
    known = record()
    for _ in range(HOPELESS_BREAKDOWNS):
        assert known.hopeful
        known.failed(True, 0.0)
        known.broke()
    assert not known.hopeful
    known.came(CHUNK)
    assert known.hopeful
    assert known.fetched == CHUNK
    assert not known.failed(False, 0.0)
