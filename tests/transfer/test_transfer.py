"""One snapshot on its way into the store: who is asked, what is said, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from protocol import bits as bitset
from protocol.ids import NodeId
from protocol.messages import Claims, FetchingHeard, Have, Join, LeaseHeard, Leave
from swarm.errors import NoSource
from swarm.exchange.interfaces import PeerGone, PeerMessage
from swarm.scheduler.stuck import STANDSTILL_SECONDS
from swarm.sources import Source, SourceFailed
from swarm.sources.interface import Deliver
from swarm.transfer.answers import ANSWER_SECONDS
from swarm.transfer.transfer import Transfer
from swarm.workers import InlineWorkers
from tests.node.lan import HUB, Hub, Line
from tests.transfer.bench import CHUNK, CONTENT, FILES, TOTAL, bench, digests
from tests.transfer.parts import ME, ORIGIN, PEER, kitchen


async def test_the_upstream_alone(tmp_path: Path, autojump_clock: MockClock) -> None:
    line = Line(Hub(CONTENT))
    async with bench(tmp_path, line) as at:
        await at.transfer.want(FILES)
        assert not at.transfer.wants
        own = [message for message in at.company.said if isinstance(message, Claims)]
        vouched = {claims.first + at: digest for claims in own for at, digest in enumerate(claims.digests)}
        assert vouched == {chunk: CONTENT.digest(chunk) for chunk in range(4)}
        told = [bitset.from_ranges(have.ranges) for have in at.company.said if isinstance(have, Have)]
        assert sum(told) == bitset.everything(TOTAL)
        assert isinstance(at.company.said[-1], Join)
        assert not line.closed
    assert line.closed


async def test_a_peer_slow_to_answer_may_have_everything(tmp_path: Path, autojump_clock: MockClock) -> None:
    hub = Hub(CONTENT)
    async with bench(tmp_path, Line(hub), linked=[PEER]) as at, trio.open_nursery() as nursery:
        nursery.start_soon(at.transfer.want, FILES)
        await trio.sleep(ANSWER_SECONDS - 1)
        await at.company.comes_with(PEER, bitset.everything(TOTAL))
        await at.company.attests(PEER, *digests(), whole=True)
    assert hub.share == 0
    assert {peer for peer, _ in at.company.asked} == {PEER.node_id}


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "silent"])
async def test_a_peer_that_never_answers_is_not_waited_for(
    tmp_path: Path, autojump_clock: MockClock, gone: bool
) -> None:
    hub = Hub(CONTENT, rate=float("inf"))
    async with bench(tmp_path, Line(hub), linked=[PEER]) as at:
        began = trio.current_time()
        if gone:
            await at.company.hears(PeerGone(PEER.node_id))
        await at.transfer.want(FILES)
        waited = trio.current_time() - began
    assert hub.share == 1
    assert waited < 1 if gone else waited >= ANSWER_SECONDS


async def test_an_error_says_what_upstream_said(tmp_path: Path, autojump_clock: MockClock) -> None:
    hub = Hub(CONTENT)
    async with bench(tmp_path, Line(hub)) as at:
        hub.down = True
        with pytest.raises(NoSource, match="out of reach"):
            await at.transfer.want(FILES)


async def test_the_first_failure_is_told_to_every_get(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as at:
        failures: list[NoSource] = []

        async def get(number: int) -> None:
            with pytest.raises(NoSource) as caught:
                await at.transfer.want([FILES[number]])
            failures.append(caught.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(get, 0)
            nursery.start_soon(get, 1)
        assert failures[0] is failures[1]


async def test_who_was_heard_of_before_it_wanted_anything_says_so(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Peers deal out what only one of them has among those that want something: all must know the same."""
    async with bench(tmp_path) as at, trio.open_nursery() as nursery:
        wanting = Join(CONTENT.key, True, False, False)
        assert wanting not in at.company.said
        nursery.start_soon(at.transfer.want, FILES[:1])
        nursery.start_soon(at.transfer.want, FILES[1:])
        await trio.testing.wait_all_tasks_blocked()
        assert at.company.said.count(wanting) == 1
        nursery.cancel_scope.cancel()


async def test_an_upstream_offered_later_is_used(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as at, trio.open_nursery() as nursery:
        nursery.start_soon(at.transfer.want, FILES)
        await trio.sleep(5)
        assert not at.transfer.can_fetch
        line, unneeded = Line(Hub(CONTENT)), Line(Hub(CONTENT))
        at.transfer.offer_upstream(line)
        at.transfer.offer_upstream(unneeded)
        assert Join(CONTENT.key, True, True, False) in at.company.said
    assert at.transfer.ledger.totals[Source("upstream", HUB)] == 4 * CHUNK + 50


async def test_a_peer_that_leaves_takes_its_chunks_along(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as at:
        await at.company.comes_with(PEER, 0b1111)
        await at.company.hears(PeerMessage(PEER.node_id, Leave(CONTENT.key)), PeerGone(ORIGIN.node_id))
        with pytest.raises(NoSource, match="nobody in reach"):
            await at.transfer.want(FILES)
        assert at.company.asked == []


async def test_a_private_transfer_says_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        transfer = Transfer(
            CONTENT.snapshot,
            store=kit.store,
            identity=ME,
            workers=InlineWorkers(),
            upstream=Line(Hub(CONTENT)),
            settle=0,
        )
        await transfer.open()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transfer.run, None, lambda peer, seconds: None)
            await trio.testing.wait_all_tasks_blocked()
            await transfer.want(FILES)
            nursery.cancel_scope.cancel()
        assert all(transfer.is_done(file.blob) for file in FILES)


async def test_upstreams_that_fail_are_told_of(tmp_path: Path, autojump_clock: MockClock) -> None:
    class Broken(Line):
        async def fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
            await trio.lowlevel.checkpoint()
            raise SourceFailed(Source("upstream", HUB), "no route", lasting=True)

    async with bench(tmp_path, Broken(Hub(CONTENT))) as at:
        with pytest.raises(NoSource):
            await at.transfer.want(FILES)
        assert f"{HUB}: no route" in at.transfer.notes
        assert trio.current_time() <= STANDSTILL_SECONDS


async def test_the_origin_is_told_of_to_those_who_are_not_linked_with_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """And what it fetches; a far one's lease keeps this node from going upstream."""
    async with bench(tmp_path) as b:
        key = CONTENT.key
        far = NodeId(bytes(32))
        for who in (PEER, ORIGIN):
            await b.company.hears(PeerMessage(who.node_id, Join(key, True, True, False)))
        b.company.said.clear()
        await b.company.hears(
            PeerMessage(PEER.node_id, LeaseHeard(key, far, True, 9, 250)),
            PeerMessage(PEER.node_id, FetchingHeard(key, far, ((0, 2),))),
        )
        passed_on = [said for said in b.company.said if isinstance(said, LeaseHeard | FetchingHeard)]
        assert passed_on == [LeaseHeard(key, far, True, 9, 250), FetchingHeard(key, far, ((0, 2),))]
