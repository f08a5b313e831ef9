"""Chunks stored one by one are told of together, soon, and before what depends on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol.ids import ChunkDigest, SnapshotKey
from protocol.limits import MAX_CLAIMED_DIGESTS, MAX_RANGES
from protocol.messages import Claims, Have
from protocol.signing import attest, check_claims
from swarm.transfer.news import (
    COMMON_SHARE,
    LEAST_SECONDS,
    MOST_SECONDS,
    MOST_SECONDS_COMMON,
    PAUSE_SHARE,
    News,
    cut,
    pause,
)
from tests.transfer.parts import ME

KEY = SnapshotKey(b"k" * 32)


def digest(chunk: int) -> ChunkDigest:
    return ChunkDigest(chunk.to_bytes(32, "big"))


class Desk:
    """News that keeps what it says, and when."""

    def __init__(self, left: int = 1_000_000) -> None:
        self.said: list[tuple[float, Claims | Have]] = []
        self.news = News(KEY, self._attest, self._say, lambda: left)

    def _attest(self, first: int, digests: tuple[ChunkDigest, ...]) -> Claims:
        return attest(ME, KEY, first, digests, False)

    def _say(self, message: Claims | Have) -> None:
        self.said.append((trio.current_time(), message))

    def messages(self) -> list[Claims | Have]:
        return [message for _, message in self.said]


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[News]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.news.run)
        yield desk.news
        nursery.cancel_scope.cancel()


async def test_the_first_is_told_at_once_and_what_follows_is_gathered(autojump_clock: MockClock) -> None:
    desk = Desk()
    async with running(desk) as news:
        start = trio.current_time()
        news.stored(3, None)
        await wait_all_tasks_blocked()
        for chunk in (6, 5, 9):
            news.stored(chunk, None)
        await trio.sleep(1)
        news.stored(7, None)
        await wait_all_tasks_blocked()
    assert desk.said == [
        (start, Have(KEY, ((3, 1),))),
        (start + LEAST_SECONDS, Have(KEY, ((5, 2), (9, 1)))),
        (start + 1, Have(KEY, ((7, 1),))),
    ]


async def test_pauses_grow_with_the_time_a_transfer_takes(autojump_clock: MockClock) -> None:
    desk = Desk()
    async with running(desk) as news:
        for chunk in range(3000):
            news.stored(chunk, None)
            await trio.sleep(0.001)
    gaps = [later - sooner for (sooner, _), (later, _) in zip(desk.said, desk.said[1:], strict=False)]
    assert min(gaps) == pytest.approx(LEAST_SECONDS, abs=0.0011)
    assert max(gaps) == pytest.approx(MOST_SECONDS, abs=0.0011)
    assert gaps == sorted(gaps, key=lambda gap: round(gap, 2))


def test_a_pause_is_a_share_of_what_the_transfer_took_and_will_take() -> None:
    assert pause(0.64, 10, 100) == 0.64 * PAUSE_SHARE
    assert pause(0.64, 100, 50) == 0.32 * PAUSE_SHARE
    assert pause(0.0, 0, 100) == pause(100.0, 100, 0) == LEAST_SECONDS
    assert pause(100.0, 10, 1000) == MOST_SECONDS
    assert pause(0.64, 10, 100, common=True) == 0.64 * COMMON_SHARE
    assert pause(100.0, 10, 1000, common=True) == MOST_SECONDS_COMMON


async def test_what_several_have_waits_longer_or_for_a_message_that_goes_out_anyway(
    autojump_clock: MockClock,
) -> None:
    desk = Desk()
    async with running(desk) as news:
        news.stored(0, None)
        await trio.sleep(10)
        start = trio.current_time()
        news.stored(1, None, common=True)
        await trio.sleep(0.3)
        news.stored(2, None, common=True)
        await trio.sleep(1)
        news.stored(3, None, common=True)
        await trio.sleep(0.1)
        news.stored(4, None)
        await trio.sleep(1)
    assert desk.said[1:] == [
        (start + MOST_SECONDS_COMMON, Have(KEY, ((1, 2),))),
        (pytest.approx(start + 1.4), Have(KEY, ((3, 2),))),
    ]


async def test_digests_are_told_before_the_chunks_and_runs_of_them_under_one_signature(
    autojump_clock: MockClock,
) -> None:
    desk = Desk()
    for chunk in (4, 2, 3, 8):
        desk.news.stored(chunk, digest(chunk))
    desk.news.stored(5, None)
    desk.news.flush()
    *claims, have = desk.messages()
    assert have == Have(KEY, ((2, 4), (8, 1)))
    said = [(one.first, one.digests) for one in claims if isinstance(one, Claims)]
    assert said == [(2, (digest(2), digest(3), digest(4))), (8, (digest(8),))]
    assert {check_claims(one) for one in claims if isinstance(one, Claims)} == {ME.node_id}
    desk.news.flush()
    assert len(desk.said) == 3


async def test_no_message_is_longer_than_messages_may_be(autojump_clock: MockClock) -> None:
    desk = Desk()
    for chunk in range(MAX_CLAIMED_DIGESTS + 1):
        desk.news.stored(chunk, digest(chunk))
    for chunk in range(MAX_RANGES):
        desk.news.stored(10_000 + 2 * chunk, None)
    desk.news.flush()
    lengths = [len(one.digests) if isinstance(one, Claims) else len(one.ranges) for one in desk.messages()]
    assert lengths == [MAX_CLAIMED_DIGESTS, 1, MAX_RANGES, 1]


def test_sets_are_cut_into_lists_of_ranges() -> None:
    assert cut(0) == []
    assert cut(0b1011) == [((0, 2), (3, 1))]
