"""Who is believed about a blob that failed, what that costs upstream, and how long it is waited for."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from protocol.bits import everything
from protocol.ids import ChunkDigest, NodeId, SnapshotKey
from protocol.limits import KIB
from protocol.manifest import Blob, Layout
from protocol.signing import Identity, attest
from swarm.transfer import examiner
from swarm.transfer.claims import ClaimBook
from swarm.transfer.examiner import CHECKS, CHECKS_OF_A_SIGNER, SIGNER_SECONDS, Examiner

TOPIC = SnapshotKey(bytes(32))
COUNT = 100
BLOB = Blob("sha256", b"\1" * 32, COUNT * 256 * KIB)
LAYOUT = Layout([BLOB])
ALL = everything(COUNT)
TRUTH = [ChunkDigest(bytes([1, n]) * 16) for n in range(COUNT)]
FAILED = dict(enumerate([ChunkDigest(bytes([2, 0]) * 16), *TRUTH[1:]]))


def who(number: int) -> Identity:
    return Identity(bytes([number]) * 32, bytes([number]) * 32)


class Owner:
    """A transfer whose upstream always says the truth, and counts how often it was asked."""

    def __init__(self) -> None:
        self.have = 0
        self.online = True
        self.answers = True
        self.book = ClaimBook(LAYOUT)
        self.examiner = Examiner(LAYOUT, self.book, self)
        self.fetched: list[int] = []
        self.asked = 0
        self.accepted: dict[NodeId, int] = {}
        self.refused: set[NodeId] = set()

    @property
    def can_fetch(self) -> bool:
        return self.online

    async def upstream_digest(self, chunk: int, failed: ChunkDigest | None) -> ChunkDigest | None:
        await trio.lowlevel.checkpoint()
        self.fetched.append(chunk)
        return TRUTH[chunk] if self.answers else None

    def ask(self, chunks: int) -> None:
        self.asked |= chunks

    def accept(self, signer: NodeId, chunks: int) -> None:
        self.accepted[signer] = self.accepted.get(signer, 0) | chunks

    def doubt(self, chunks: int) -> None:
        for signer in self.accepted:
            self.accepted[signer] &= ~chunks

    def refuse(self, signer: NodeId, chunks: int) -> None:
        self.refused.add(signer)

    def patience_changed(self) -> None:
        pass

    async def say(
        self, number: int, digests: list[ChunkDigest], first: int = 0, *, whole: bool = True
    ) -> NodeId:
        """A peer attests these digests, and whoever waits for that goes on."""
        me = who(number)
        fresh = self.book.add(attest(me, TOPIC, first, digests, whole), me.node_id, self.have)
        assert self.examiner.hold(fresh) == 0
        await trio.testing.wait_all_tasks_blocked()
        return me.node_id


@pytest.fixture(autouse=True)
def _dice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examiner, "_DICE", random.Random(1))


@asynccontextmanager
async def failed() -> AsyncIterator[Owner]:
    """A blob has failed."""
    owner = Owner()
    owner.book.fail(BLOB)
    async with trio.open_nursery() as nursery:
        owner.examiner.open(BLOB, FAILED)
        nursery.start_soon(owner.examiner.examine, BLOB)
        await trio.testing.wait_all_tasks_blocked()
        assert owner.asked == ALL
        yield owner
        owner.examiner.settle(BLOB)


def lies(*chunks: int) -> list[ChunkDigest]:
    return [ChunkDigest(bytes([3, n]) * 16) if n in chunks else digest for n, digest in enumerate(TRUTH)]


async def test_who_differs_where_the_failed_bytes_were_wrong_is_believed_for_one_chunk() -> None:
    async with failed() as owner:
        honest = await owner.say(1, TRUTH)
        assert owner.accepted == {honest: ALL}
        assert owner.fetched == [0]


async def test_who_says_what_failed_is_refused_for_nothing() -> None:
    async with failed() as owner:
        assert owner.refused == {await owner.say(1, list(FAILED.values()))}
        assert owner.fetched == []
        assert owner.examiner.patient


async def test_who_says_part_of_what_failed_waits_until_it_says_more() -> None:
    async with failed() as owner:
        honest = await owner.say(1, TRUTH[50:], 50, whole=False)
        assert (owner.accepted, owner.refused) == ({}, set())
        await owner.say(1, TRUTH[:50], whole=False)
        assert owner.accepted == {honest: ALL}


async def test_a_liar_about_everything_costs_one_chunk_and_the_next_one_nothing() -> None:
    async with failed() as owner:
        liars = {await owner.say(number, lies(*range(COUNT))) for number in (1, 2, 3)}
        assert owner.refused >= {min(liars, key=lambda liar: liar != who(1).node_id)}
        assert len(owner.fetched) == 1
        honest = await owner.say(4, TRUTH)
        assert owner.accepted == {honest: ALL}
        assert len(owner.fetched) <= 1 + CHECKS_OF_A_SIGNER


async def test_a_liar_about_one_chunk_is_found_where_it_differs() -> None:
    async with failed() as owner:
        liar = await owner.say(1, lies(40))
        assert owner.refused == {liar}
        assert set(owner.fetched) <= {0, 40}
        honest = await owner.say(2, TRUTH)
        assert owner.accepted[honest] == ALL


async def test_a_referee_noted_meanwhile_takes_the_place_of_one_refuted() -> None:
    """Both have spoken before either is examined."""
    owner = Owner()
    owner.book.fail(BLOB)
    for number, digests in ((1, lies(*range(COUNT))), (2, TRUTH)):
        me = who(number)
        owner.examiner.hold(owner.book.add(attest(me, TOPIC, 0, digests, True), me.node_id, 0))
    async with trio.open_nursery() as nursery:
        owner.examiner.open(BLOB, FAILED)
        owner.examiner.hold(ALL)
        nursery.start_soon(owner.examiner.examine, BLOB)
        await trio.testing.wait_all_tasks_blocked()
        assert owner.refused == {who(1).node_id}
        assert owner.accepted == {who(2).node_id: ALL}
        owner.examiner.settle(BLOB)


async def test_all_that_is_ever_paid_is_bounded() -> None:
    """Thirty keys, each with lies of its own that only a look at them tells."""
    async with failed() as owner:
        for number in range(1, 31):
            await owner.say(number, lies(*range(3 * number, 3 * number + 3)))
        assert len(owner.fetched) <= CHECKS
        await owner.say(99, TRUTH)
        assert len(owner.fetched) <= CHECKS


async def test_nobody_is_believed_about_a_blob_that_is_closed() -> None:
    async with failed() as owner:
        assert owner.examiner.close(BLOB)
        assert not owner.examiner.close(BLOB)
        assert owner.refused == {await owner.say(1, TRUTH)} - set(owner.accepted)
        assert owner.fetched == []


async def test_without_upstream_who_comes_first_is_believed() -> None:
    async with failed() as owner:
        owner.online = False
        signer = await owner.say(1, lies(40))
        assert owner.accepted == {signer: ALL}


async def test_when_upstream_has_no_answer_who_is_asked_about_is_believed_but_not_for_ever() -> None:
    """As when mirrors differ: what that costs is bounded all the same."""
    async with failed() as owner:
        owner.answers = False
        signer = await owner.say(1, lies(40))
        assert owner.accepted == {signer: ALL}
        for number in range(2, 20):
            owner.book.refute({signer}, BLOB, 0)
            signer = await owner.say(number, lies(number, 50, 51, 52))
        assert len(owner.fetched) == CHECKS
        assert owner.refused


async def test_patience_ends(autojump_clock: MockClock) -> None:
    async with failed() as owner:
        assert owner.examiner.patient
        await trio.sleep(SIGNER_SECONDS - 1)
        await owner.say(1, TRUTH[50:], 50, whole=False)
        await trio.sleep(SIGNER_SECONDS - 1)
        assert owner.examiner.patient
        await trio.sleep(2)
        assert not owner.examiner.patient


async def test_once_all_is_vouched_for_patience_is_not_put_off(autojump_clock: MockClock) -> None:
    """Or one that vouches for a chunk every few seconds could keep a node from upstream."""
    async with failed() as owner:
        await owner.say(1, TRUTH)
        for _ in range(2):
            await trio.sleep(SIGNER_SECONDS / 2 - 0.1)
            assert owner.examiner.patient
            await owner.say(1, TRUTH)
            owner.examiner.hold(1)
        await trio.sleep(1)
        assert not owner.examiner.patient


async def test_other_blobs_are_none_of_its_business() -> None:
    owner = Owner()
    assert owner.examiner.hold(0b101) == 0b101
    assert not owner.examiner.patient
