"""One snapshot on its way into the store: commits, quarantine and races that whole nodes rarely meet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from protocol import bits as bitset
from protocol.ids import NodeId, SnapshotKey
from protocol.limits import KIB
from protocol.messages import Claims, FetchingHeard, Have, Join, LeaseHeard, Leave, Lost
from protocol.signing import Identity, attest
from swarm.errors import NoSource, WrongContent
from swarm.exchange.interfaces import PeerGone, PeerMessage, TopicEvent
from swarm.exchange.topics import Sayable
from swarm.scheduler.stuck import STANDSTILL_SECONDS
from swarm.sources import Source, SourceFailed
from swarm.sources.interface import Deliver
from swarm.store import Incident, Store
from swarm.transfer.answers import ANSWER_SECONDS
from swarm.transfer.blame import LIAR_SECONDS
from swarm.transfer.transfer import Transfer
from swarm.workers import InlineWorkers
from tests.exchange.nodes import Content
from tests.node.lan import HUB, Hub, Line, flipped
from tests.transfer.parts import LIAR, ME, ORIGIN, PEER, kitchen

CHUNK = 256 * KIB
CONTENT = Content(4 * CHUNK, 50)
TOTAL = CONTENT.layout.total
FILES = CONTENT.snapshot.files


class Company:
    """The peers of a transfer, as its topic: what was said to them, and what they send.

    `sends`: a peer's bytes by chunk, where they are not the right ones.
    """

    def __init__(self, key: SnapshotKey) -> None:
        self.key = key
        self.said: list[Sayable] = []
        self.asked: list[tuple[NodeId, int]] = []
        self.linked: frozenset[NodeId] = frozenset()
        self.searched = trio.Event()
        self.searched.set()
        self.sends: dict[NodeId, dict[int, bytes]] = {}
        self.refuses: set[NodeId] = set()
        self.distrusted: list[NodeId] = []
        self._events, self.events = trio.open_memory_channel[TopicEvent](float("inf"))

    def say(self, message: Sayable, peer: NodeId | None = None) -> None:
        self.said.append(message)

    def distrust(self, peer: NodeId, seconds: float) -> None:
        assert seconds == LIAR_SECONDS
        self.distrusted.append(peer)

    def source(self, peer: NodeId) -> _Seat:
        return _Seat(self, peer)

    async def hears(self, *events: TopicEvent) -> None:
        for event in events:
            self._events.send_nowait(event)
        await trio.testing.wait_all_tasks_blocked()

    async def attests(self, who: Identity, *digests: bytes, first: int = 0, whole: bool = False) -> None:
        claims = attest(who, self.key, first, digests, whole)  # type: ignore[arg-type]  # digests are bytes
        await self.hears(PeerMessage(who.node_id, claims, who.node_id))

    async def comes_with(self, who: Identity, bits: int) -> None:
        ranges = bitset.to_ranges(bits)
        await self.hears(
            PeerMessage(who.node_id, Join(self.key, False, False, False)),
            PeerMessage(who.node_id, Have(self.key, ranges)),
        )


class _Seat:
    """One peer as a source."""

    def __init__(self, company: Company, peer: NodeId) -> None:
        self._company = company
        self._peer = peer

    async def fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
        for chunk in chunks:
            await trio.lowlevel.checkpoint()
            self._company.asked.append((self._peer, chunk))
            data = self._company.sends.get(self._peer, {}).get(chunk, CONTENT.chunk(chunk))
            await deliver(Source("peer", self._peer.hex()), [(chunk, data)])

    def withdraw(self, chunks: Sequence[int]) -> None:
        pass


class Bench:
    def __init__(self, transfer: Transfer, company: Company, store: Store) -> None:
        self.transfer = transfer
        self.company = company
        self.store = store

    async def wrong(self) -> set[Source]:
        return {incident.source for incident in await self.store.incidents()}


@asynccontextmanager
async def bench(
    root: Path, line: Line | None = None, linked: Sequence[Identity] = ()
) -> AsyncIterator[Bench]:
    """A transfer that runs among peers who do as they are told; `linked` are there from the start."""
    async with kitchen(root, CONTENT) as kit:
        company = Company(CONTENT.key)
        company.linked = frozenset(who.node_id for who in linked)
        transfer = Transfer(
            CONTENT.snapshot, store=kit.store, identity=ME, workers=InlineWorkers(), upstream=line, settle=0
        )
        await transfer.open()
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[None]) -> None:
                await transfer.run(company, company.distrust, task_status=task_status)  # type: ignore[arg-type]

            await nursery.start(run)
            yield Bench(transfer, company, kit.store)
            nursery.cancel_scope.cancel()


def digests(*, wrong: Sequence[int] = ()) -> list[bytes]:
    """Of the four chunks of the long file; some of them of flipped bytes."""
    forged = Content(4 * CHUNK, seed=99)
    return [forged.digest(chunk) if chunk in wrong else CONTENT.digest(chunk) for chunk in range(4)]


def forged(chunk: int) -> bytes:
    return Content(4 * CHUNK, seed=99).chunk(chunk)


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


async def test_two_vouchers_of_one_lie_and_nobody_else(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as at, trio.open_nursery() as nursery:
        for who in (PEER, LIAR):
            at.company.sends[who.node_id] = {2: forged(2)}
            await at.company.comes_with(who, bitset.everything(TOTAL))
            await at.company.attests(who, *digests(wrong=[2]))

        async def fails() -> None:
            with pytest.raises((WrongContent, NoSource)) as caught:
                await at.transfer.want(FILES)
            assert caught.value.exit_code == 6

        nursery.start_soon(fails)
    assert trio.current_time() <= STANDSTILL_SECONDS


async def test_only_what_was_wrong_is_asked_for_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as at, trio.open_nursery() as nursery:
        at.company.sends[LIAR.node_id] = {2: forged(2)}
        await at.company.comes_with(LIAR, bitset.everything(TOTAL))
        await at.company.attests(LIAR, *digests(wrong=[2]))
        nursery.start_soon(at.transfer.want, FILES)
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.5)
        assert {chunk for _, chunk in at.company.asked} == set(range(TOTAL))
        assert at.transfer.have == 1 << 4
        assert [message.ranges for message in at.company.said if isinstance(message, Lost)] == [((0, 4),)]

        at.company.asked.clear()
        await at.company.comes_with(ORIGIN, bitset.everything(TOTAL))
        await at.company.attests(ORIGIN, *digests(), whole=True)
        await trio.sleep(0.5)
        assert {chunk for _, chunk in at.company.asked} == {2}
        assert at.transfer.have == bitset.everything(TOTAL)
    assert at.company.distrusted == [LIAR.node_id]


async def test_a_lie_about_the_whole_does_not_make_honest_peers_liars(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Chunks may come under the digest they were ordered under after somebody claimed another."""
    async with bench(tmp_path) as at, trio.open_nursery() as nursery:
        await at.company.attests(ORIGIN, *digests())
        nursery.start_soon(at.transfer.want, FILES)
        await trio.testing.wait_all_tasks_blocked()
        await at.company.comes_with(ORIGIN, bitset.everything(TOTAL))
        await at.company.attests(LIAR, *digests(wrong=range(4)), whole=True)
    assert trio.current_time() < 5
    assert at.company.distrusted in ([], [LIAR.node_id])


async def test_a_small_file_that_comes_wrong_from_a_peer(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as at, trio.open_nursery() as nursery:
        at.company.sends[LIAR.node_id] = {4: flipped(CONTENT.chunk(4))}
        await at.company.comes_with(LIAR, 1 << 4)
        nursery.start_soon(at.transfer.want, FILES[1:])
        await trio.testing.wait_all_tasks_blocked()
        assert await at.wrong() == {Source("peer", LIAR.node_id.hex())}
        await at.company.comes_with(PEER, 1 << 4)
    assert at.transfer.have == 1 << 4


async def test_who_sent_wrong_bytes_is_noted_even_if_the_get_ends_first(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    noted: list[Source] = []

    async def note(incident: Incident) -> None:
        await trio.sleep(5)
        noted.append(incident.source)

    async with bench(tmp_path) as at:
        at.company.sends[LIAR.node_id] = {4: flipped(CONTENT.chunk(4))}
        with patch.object(at.store, "note", note):
            async with trio.open_nursery() as nursery:
                await at.company.comes_with(LIAR, 1 << 4)
                nursery.start_soon(at.transfer.want, FILES[1:])
                await trio.testing.wait_all_tasks_blocked()
                await at.company.comes_with(PEER, 1 << 4)
    assert trio.current_time() == 5
    assert noted == [Source("peer", LIAR.node_id.hex())]


async def test_a_chunk_refused_is_asked_for_under_another_digest(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with bench(tmp_path) as at:
        await at.company.attests(LIAR, *digests(wrong=[0]))
        await at.company.attests(ORIGIN, *digests())
        book = at.transfer.book
        assert book.digest(0) == digests(wrong=[0])[0]
        assert book.second_opinion(0)
        assert book.digest(0) == CONTENT.digest(0)


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
