"""Nothing leaves a seed twice while others wait and somebody can relay it."""

from __future__ import annotations

from protocol.ids import SnapshotKey
from swarm.exchange.given import RELAY_SECONDS, Given

TOPIC, OTHER = SnapshotKey(b"t" * 32), SnapshotKey(b"o" * 32)


class Line:
    """A link that chunks are asked for on."""

    def __init__(self, given: Given) -> None:
        self.busy = True
        self.slow = False
        given.open(self)


def test_who_waits_is_counted() -> None:
    given = Given()
    lines = [Line(given) for _ in range(3)]
    assert given.waiting == 3
    lines[0].busy = False
    assert given.waiting == 2
    given.close(lines[1])
    assert given.waiting == 1


def test_who_comes_second_is_sent_to_the_first_once() -> None:
    given = Given()
    a, b = Line(given), Line(given)
    assert given.give(a, TOPIC, [0, 1], 0.0) == {0, 1}
    assert given.give(b, TOPIC, [1, 2], 0.0) == {2}
    assert given.give(b, TOPIC, [1], 1.0) == {1}
    assert given.give(a, TOPIC, [2, 0], 1.0) == {0}


def test_who_asks_again_for_what_it_was_given_gets_it() -> None:
    given = Given()
    a, _ = Line(given), Line(given)
    assert given.give(a, TOPIC, [0], 0.0) == given.give(a, TOPIC, [0], 0.0) == {0}


def test_topics_do_not_mix() -> None:
    given = Given()
    a, b = Line(given), Line(given)
    given.give(a, TOPIC, [0], 0.0)
    assert given.give(b, OTHER, [0], 0.0) == {0}


def test_an_upload_nobody_else_waits_for_is_free() -> None:
    given = Given()
    a, b = Line(given), Line(given)
    given.give(a, TOPIC, [0, 1], 0.0)
    a.busy = False
    assert given.give(b, TOPIC, [0], 0.0) == {0}
    a.busy = True
    assert given.give(b, TOPIC, [1], 0.0) == set()


def test_nobody_is_to_wait_for_what_a_slow_link_was_given() -> None:
    given = Given()
    a, b, c = Line(given), Line(given), Line(given)
    given.give(a, TOPIC, [0, 1], 0.0)
    a.slow = True
    assert given.give(b, TOPIC, [0], 0.0) == {0}
    assert given.give(c, TOPIC, [1], 0.0) == {1}
    a.slow = False
    assert given.give(b, TOPIC, [1], 0.0) == set()


def test_a_link_that_ended_relays_nothing() -> None:
    given = Given()
    a, b, c = Line(given), Line(given), Line(given)
    given.give(a, TOPIC, [0, 1], 0.0)
    given.give(b, TOPIC, [2], 0.0)
    given.close(a)
    assert given.give(c, TOPIC, [0, 1, 2], 0.0) == {0, 1}


def test_once_a_chunk_was_sent_for_a_while_others_know_who_has_it() -> None:
    given = Given()
    a, b = Line(given), Line(given)
    given.give(a, TOPIC, [0, 1, 2], 0.0)
    given.sent(a, TOPIC, [0], 4.0)
    given.sent(a, TOPIC, [1], 4.5)
    given.sent(b, TOPIC, [2], 4.0)
    assert given.give(b, TOPIC, [0, 1, 2], 4.0 + RELAY_SECONDS) == {0}
    assert given.give(a, TOPIC, [0], 4.0 + RELAY_SECONDS) == set()
