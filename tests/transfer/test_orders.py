"""Orders under way: how each of them ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trio.testing

from protocol.ids import NodeId, to_text
from protocol.limits import KIB
from swarm.errors import StoreError
from swarm.scheduler import events as ev
from swarm.sources import Source, SourceFailed
from swarm.sources.interface import Deliver
from swarm.transfer.orders import Orders
from tests.exchange.nodes import Content
from tests.node.faulty import fills_up
from tests.node.lan import flipped
from tests.transfer.parts import HUB, Kitchen, kitchen, vouch

CONTENT = Content(6 * 256 * KIB)
SMALL = Content(5, 6, 7)
GIVER = NodeId(bytes(32))


class FakeSource:
    """Upstream and peer in one: sends what it is told to, and may then wait or fail."""

    usable = True

    def __init__(self, content: Content) -> None:
        self.content = content
        self.wrong: set[int] = set()
        self.stop_after = 99
        self.failure: SourceFailed | None = None
        self.withdrawn: list[int] = []
        self.go_on = trio.Event()

    async def fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
        async with trio.open_nursery() as nursery:  # as an UpstreamPool does
            nursery.start_soon(self._fetch, chunks, deliver)
        if self.failure is not None:
            raise self.failure

    async def _fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
        for chunk in chunks[: self.stop_after]:
            data = self.content.chunk(chunk)
            await deliver(HUB, [(chunk, flipped(data) if chunk in self.wrong else data)])
        if len(chunks) > self.stop_after and self.failure is None:
            await self.go_on.wait()

    def withdraw(self, chunks: Sequence[int]) -> None:
        self.withdrawn += list(chunks)

    def source(self, peer: NodeId) -> FakeSource:
        """For it to be a topic, too."""
        return self

    def avoid(self, source: Source, seconds: float) -> None:
        raise AssertionError

    async def aclose(self) -> None:
        raise AssertionError


Ended = list[tuple[ev.OrderFailed, str, int | None, Source]]


@asynccontextmanager
async def ordering(
    root: Path, content: Content = CONTENT
) -> AsyncIterator[tuple[Orders, FakeSource, Kitchen, Ended]]:
    async with kitchen(root, content) as kit, trio.open_nursery() as nursery:
        ended: Ended = []
        source = FakeSource(content)
        orders = Orders(kit.intake, kit.book, source, lambda *told: ended.append(told))

        def spawn(work: Callable[..., Awaitable[Any]], *arguments: object) -> None:
            nursery.start_soon(work, *arguments)

        orders.start(spawn, source)  # type: ignore[arg-type]  # all that is asked of a topic is `source`
        yield orders, source, kit, ended
        nursery.cancel_scope.cancel()


async def test_an_order_that_is_carried_out_ends_in_silence(tmp_path: Path) -> None:
    async with ordering(tmp_path) as (orders, _, kit, ended):
        orders.place(ev.Fetch(1, ev.UPSTREAM, (0, 1, 2)))
        await trio.testing.wait_all_tasks_blocked()
        assert kit.have == 0b111
        assert ended == []


async def test_what_a_source_still_owes_is_told(tmp_path: Path) -> None:
    async with ordering(tmp_path) as (orders, source, kit, ended):
        source.stop_after, source.failure = 1, SourceFailed(HUB, "gone", lasting=True)
        orders.place(ev.Fetch(1, ev.UPSTREAM, (0, 1, 2)))
        await trio.testing.wait_all_tasks_blocked()
        assert kit.have == 0b001
        assert ended == [(ev.OrderFailed(1, ev.UPSTREAM, 0b110, True), "gone", None, HUB)]


async def test_wrong_bytes_end_the_order_and_a_peer_is_left_alone(tmp_path: Path) -> None:
    async with ordering(tmp_path) as (orders, source, kit, ended):
        vouch(kit.book, CONTENT, 0, 1, 2)
        source.wrong = {1}
        orders.place(ev.Fetch(4, GIVER, (0, 1, 2)))
        await trio.testing.wait_all_tasks_blocked()
        ((failed, reason, wrong, culprit),) = ended
        assert failed == ev.OrderFailed(4, GIVER, 0b110, True)
        assert (wrong, culprit) == (1, HUB)
        assert reason.startswith("expected")


async def test_a_mirror_that_sends_a_wrong_small_file_may_be_followed_by_another(tmp_path: Path) -> None:
    async with ordering(tmp_path, SMALL) as (orders, source, _, ended):
        source.wrong = {1}
        orders.place(ev.Fetch(4, ev.UPSTREAM, (0, 1, 2)))
        await trio.testing.wait_all_tasks_blocked()
        ((failed, _, wrong, culprit),) = ended
        assert failed == ev.OrderFailed(4, ev.UPSTREAM, 0b110, False)
        assert (wrong, culprit) == (1, HUB)


async def test_part_of_a_peers_order_can_be_called_off(tmp_path: Path) -> None:
    async with ordering(tmp_path) as (orders, source, kit, ended):
        vouch(kit.book, CONTENT, 0, 1, 2)
        source.stop_after = 1
        orders.place(ev.Fetch(1, GIVER, (0, 1, 2)))
        await trio.testing.wait_all_tasks_blocked()
        orders.cancel(1, 0b010)
        assert source.withdrawn == [1]
        source.failure = SourceFailed(Source("peer", to_text(GIVER)), "gone")
        source.go_on.set()
        await trio.testing.wait_all_tasks_blocked()
        ((failed, _, _, _),) = ended
        assert failed == ev.OrderFailed(1, GIVER, 0b100, False)


async def test_an_order_called_off_as_a_whole_owes_no_answer(tmp_path: Path) -> None:
    async with ordering(tmp_path) as (orders, source, _, ended):
        source.stop_after = 0
        orders.place(ev.Fetch(1, ev.UPSTREAM, (0, 1)))
        await trio.testing.wait_all_tasks_blocked()
        orders.cancel(1, 0b11)
        await trio.testing.wait_all_tasks_blocked()
        assert ended == []
        orders.cancel(1, 0b11)


async def test_a_node_without_upstream_fails_such_orders_for_good(tmp_path: Path) -> None:
    async with ordering(tmp_path) as (orders, _, _, ended):
        orders.upstream = None
        orders.place(ev.Fetch(1, ev.UPSTREAM, (0,)))
        await trio.testing.wait_all_tasks_blocked()
        assert [failed for failed, _, _, _ in ended] == [ev.OrderFailed(1, ev.UPSTREAM, 0b1, True)]


async def test_a_disk_that_is_full_is_the_transfers_failure_not_the_sources(tmp_path: Path) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        faults: list[Exception] = []
        ended: Ended = []
        orders = Orders(kit.intake, kit.book, FakeSource(CONTENT), lambda *told: ended.append(told))
        async with trio.open_nursery() as nursery:

            def spawn(work: Callable[..., Awaitable[None]], *arguments: object) -> None:
                nursery.start_soon(guarded, work, arguments)

            async def guarded(work: Callable[..., Awaitable[None]], arguments: Sequence[object]) -> None:
                try:
                    await work(*arguments)
                except StoreError as error:
                    faults.append(error)

            with fills_up(kit.store, after=2):
                orders.start(spawn, None)
                orders.place(ev.Fetch(1, ev.UPSTREAM, (0, 1, 2, 3)))
                await trio.testing.wait_all_tasks_blocked()
        assert len(faults) == 1
        assert ended == []
