"""How long to wait for what peers have to say."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from protocol.ids import NodeId
from swarm.transfer.answers import ANSWER_SECONDS, MAP_SECONDS, Answers

ONE, TWO = NodeId(b"1" * 32), NodeId(b"2" * 32)


def test_nobody_asked_nothing_due() -> None:
    assert not Answers().due


SEARCHED = trio.Event()
SEARCHED.set()


async def test_all_answered(autojump_clock: MockClock) -> None:
    answers = Answers([ONE, TWO])
    assert answers.due
    for peer in (ONE, TWO, NodeId(b"3" * 32)):
        answers.heard(peer)
    began = trio.current_time()
    await answers.wait(SEARCHED)
    assert trio.current_time() - began == MAP_SECONDS
    assert not answers.due


async def test_one_is_silent(autojump_clock: MockClock) -> None:
    answers = Answers([ONE, TWO])
    answers.heard(ONE)
    began = trio.current_time()
    await answers.wait(SEARCHED)
    assert trio.current_time() - began == ANSWER_SECONDS
    assert not answers.due


async def test_others_are_looked_for(autojump_clock: MockClock) -> None:
    answers, searched = Answers([ONE]), trio.Event()
    answers.heard(ONE)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answers.wait, searched)
        await trio.sleep(1)
        assert answers.due
        searched.set()
    assert trio.current_time() - began == 1 + MAP_SECONDS
    assert not answers.due
