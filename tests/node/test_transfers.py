"""Which transfers run, who shares them, and what peers may have of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from protocol.bits import everything
from protocol.ids import SnapshotKey, private_topic
from protocol.limits import KIB
from protocol.standing import Standing
from swarm.exchange.exchange import Exchange
from swarm.node import transfers as module
from swarm.node.transfers import Transfers
from swarm.store import Store, open_store
from swarm.transfer.transfer import Transfer
from swarm.workers import InlineWorkers
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import PORT, Content, entropy
from tests.node.lan import Hub, Line
from tests.transfer.parts import ME, HeldWorkers

CONTENT = Content(2 * 256 * KIB, 50)
FILES = CONTENT.snapshot.files
SNAPSHOT, KEY = CONTENT.snapshot, CONTENT.key


class House:
    def __init__(self, store: Store, transfers: Transfers, workers: HeldWorkers) -> None:
        self.store = store
        self.transfers = transfers
        self.workers = workers

    async def get(self, line: Line | None, *, public: bool = True) -> None:
        await self.store.remember(SNAPSHOT, public=public, revisions=["main"])
        async with self.transfers.use(SNAPSHOT, line) as transfer:
            await transfer.want(FILES)


@asynccontextmanager
async def house(root: Path, *, share_private: bool = False) -> AsyncIterator[House]:
    workers = HeldWorkers()
    async with open_store(root, workers) as store, trio.open_nursery() as nursery:
        transfers = Transfers(store, ME, workers, lambda: 0.0, share_private=share_private)
        network = MemoryNetwork().host("10.0.0.1")
        exchange = Exchange(
            ME, network, transfers, port=PORT, agent="test", entropy=entropy(1), workers=InlineWorkers()
        )
        await nursery.start(exchange.run)
        transfers.start(nursery, exchange)
        yield House(store, transfers, workers)
        nursery.cancel_scope.cancel()


async def test_users_share_a_transfer_and_the_last_one_ends_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    line = Line(Hub(CONTENT))
    async with house(tmp_path) as at:
        async with at.transfers.use(SNAPSHOT, line) as one:
            async with at.transfers.use(SNAPSHOT, None) as two:
                assert one is two
            assert at.transfers.is_running(KEY)
            await one.want(FILES)
        assert not at.transfers.is_running(KEY)
        await trio.testing.wait_all_tasks_blocked()
    assert line.closed


async def test_a_new_transfer_waits_until_the_old_one_has_left_its_topic(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The old one may be in the middle of hashing, which nothing interrupts."""
    hub = Hub(CONTENT)
    async with house(tmp_path) as at, trio.open_nursery() as nursery:
        with trio.CancelScope() as first:
            async with at.transfers.use(SNAPSHOT, Line(hub)) as old:
                nursery.start_soon(old.want, FILES[:1])
                await hub.reached(0.4)
                at.workers.holding = True
                await trio.sleep(1)
                first.cancel()
        nursery.cancel_scope.shield = True
        nursery.start_soon(at.get, Line(hub))
        await trio.sleep(1)
        assert not at.transfers.is_running(KEY)
        at.workers.let_go()
        await trio.sleep(5)
        assert all(state.complete for state in (await at.store.held(file.blob for file in FILES)).values())
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("attempt", range(6))
async def test_a_transfer_can_be_used_as_soon_as_it_is_had(
    tmp_path: Path, autojump_clock: MockClock, attempt: int
) -> None:
    """All chunks are there and only the commit is missing: it begins at once, whoever trio lets run first."""
    async with house(tmp_path) as at:
        async with at.transfers.use(SNAPSHOT, Line(Hub(CONTENT))) as transfer:
            transfer._commit_if_whole = lambda blob: None  # type: ignore[method-assign]  # as if killed then
            with trio.move_on_after(10):
                await transfer.want(FILES)
        await at.get(None)


async def test_a_transfer_that_cannot_be_opened_leaves_nothing_behind(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path) as at:
        at.workers.holding = True
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(at.get, None)
                await trio.sleep(1)
                at.workers.let_go()
                scope.cancel()
        assert not at.transfers.is_running(KEY)
        await at.get(Line(Hub(CONTENT)))


async def test_what_was_fetched_goes_on_being_served(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path) as at:
        assert await at.transfers.open(KEY, "open") is None
        await at.get(Line(Hub(CONTENT)))
        served = await at.transfers.open(KEY, "open")
        assert served is not None
        assert (served.have, served.wants, served.can_fetch) == (everything(3), False, False)
        reader = served.reader(0, CONTENT.digest(0))
        assert reader is not None
        assert reader(memoryview(bytearray(CONTENT.layout.length(0)))) == CONTENT.chunk(0)
        assert await at.transfers.lookup("hf", "model", "org/model", "main", "open") == (KEY, SNAPSHOT.commit)
        at.transfers.forget(KEY)
        await at.store.remove("hf", "model", "org/model")
        assert await at.transfers.open(KEY, "open") is None


async def test_what_an_earlier_process_fetched_is_served(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path) as at:
        await at.get(Line(Hub(CONTENT)))
    async with house(tmp_path) as at:
        served = await at.transfers.open(KEY, "open")
        assert served is not None
        assert served.have == everything(3)
        assert await at.transfers.open(KEY, "open") is served


async def test_what_takes_a_token_is_nobodys_business(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path) as at:
        await at.store.remember(SNAPSHOT, public=False, revisions=["main"])
        async with at.transfers.use(SNAPSHOT, Line(Hub(CONTENT))) as transfer:
            assert await at.transfers.open(KEY, "open") is None
            await transfer.want(FILES)
        assert await at.transfers.open(KEY, "open") is None
        assert await at.transfers.lookup("hf", "model", "org/model", "main", "open") is None


async def test_few_snapshots_are_kept_open(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 2)
    async with house(tmp_path) as at:
        keys = []
        for seed in range(3):
            other = Content(5, seed=seed).snapshot
            keys.append(other.key)
            await at.store.remember(other, public=True)
        first = await at.transfers.open(keys[0], "open")
        await at.transfers.open(keys[1], "open")
        assert await at.transfers.open(keys[0], "open") is first
        await at.transfers.open(keys[2], "open")
        assert await at.transfers.open(keys[0], "open") is first
        assert list(at.transfers._opened) == [keys[2], keys[0]]


# --- private models within a site -----------------------------------------------------------------

TOPIC = private_topic(KEY)


async def had(at: House, topic: SnapshotKey) -> set[Standing]:
    """Who may have this."""
    standings: tuple[Standing, ...] = ("member", "open", "refused")
    return {standing for standing in standings if await at.transfers.open(topic, standing)}


async def test_what_takes_a_token_is_for_members_if_it_is_shared(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path, share_private=True) as at:
        await at.store.remember(SNAPSHOT, public=False, revisions=["main"])
        async with at.transfers.use(SNAPSHOT, Line(Hub(CONTENT))) as transfer:
            assert (await had(at, KEY), await had(at, TOPIC)) == (set(), {"member"})
            await transfer.want(FILES)
        assert (await had(at, KEY), await had(at, TOPIC)) == (set(), {"member"})
        name = ("hf", "model", "org/model", "main")
        assert await at.transfers.lookup(*name, "member") == (TOPIC, SNAPSHOT.commit)
        assert await at.transfers.lookup(*name, "open") is None
    async with house(tmp_path, share_private=True) as at:
        assert (await had(at, KEY), await had(at, TOPIC)) == (set(), {"member"})
        served = await at.transfers.open(TOPIC, "member")
        assert served is not None
        assert {claims.topic for claims in served.claims(((0, 2),))} == {TOPIC}
        at.transfers.forget(KEY)
        await at.store.remove("hf", "model", "org/model")
        assert await had(at, TOPIC) == set()
    async with house(tmp_path) as at:
        await at.store.remember(SNAPSHOT, public=False, revisions=["main"])
        assert await had(at, TOPIC) == set()
        assert await at.transfers.lookup(*name, "member") is None


async def test_what_is_public_is_served_to_members_by_its_key(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path, share_private=True) as at:
        await at.get(Line(Hub(CONTENT)))
        assert (await had(at, KEY), await had(at, TOPIC)) == ({"member", "open", "refused"}, set())
        assert await at.transfers.lookup("hf", "model", "org/model", "main", "member") == (
            KEY,
            SNAPSHOT.commit,
        )


@pytest.mark.parametrize("share_private", [True, False])
async def test_what_turns_out_to_be_private_while_it_is_fetched(
    tmp_path: Path, autojump_clock: MockClock, share_private: bool
) -> None:
    """It is served to nobody until the transfer ends, as its topic was that of everybody; then to members."""
    hub = Hub(CONTENT, rate=100 * KIB)
    async with house(tmp_path, share_private=share_private) as at:
        await at.store.remember(SNAPSHOT, public=True)
        async with at.transfers.use(SNAPSHOT, Line(hub)) as transfer, trio.open_nursery() as nursery:
            nursery.start_soon(transfer.want, FILES)
            await hub.reached(0.4)
            served = await at.transfers.open(KEY, "open")
            assert served is not None
            await at.store.withdraw("hf", "model", "org/model")
            await at.transfers.review()
            assert not served.admits("member")
            assert (await had(at, KEY), await had(at, TOPIC)) == (set(), set())
        assert await had(at, KEY) == set()
        await trio.sleep(1)
        assert await had(at, TOPIC) == ({"member"} if share_private else set())


async def test_what_was_open_is_closed_with_what_it_has_in_common(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    secret = replace(SNAPSHOT, repo="org/secret")
    async with house(tmp_path) as at:
        await at.store.remember(SNAPSHOT, public=True, published=False)
        await at.store.remember(Content(9, seed=2).snapshot, public=True)
        other = await at.transfers.open(Content(9, seed=2).key, "open")
        served = await at.transfers.open(KEY, "open")
        assert served is not None
        await at.store.remember(secret, public=False)
        await at.transfers.review()
        assert not served.admits("open")
        assert await had(at, KEY) == set()
        assert await at.transfers.open(Content(9, seed=2).key, "open") is other, "it has no part in it"


async def test_what_is_in_use_is_closed_though_it_is_no_longer_kept_open(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer may have ordered all of it, and others have asked for many others since."""
    monkeypatch.setattr(module, "MAX_OPEN", 1)
    async with house(tmp_path) as at:
        for snapshot in (SNAPSHOT, Content(9, seed=2).snapshot):
            await at.store.remember(snapshot, public=True)
        served = await at.transfers.open(KEY, "open")
        assert served is not None
        await at.transfers.open(Content(9, seed=2).key, "open")
        await at.store.withdraw("hf", "model", "org/model")
        await at.transfers.review()
        assert not served.admits("open")


async def test_what_turns_out_to_be_private_while_it_is_opened(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A review does not see what is not open yet, so it is looked at once more when it is."""
    async with house(tmp_path) as at:
        await at.store.remember(SNAPSHOT, public=True)
        opening = Transfer.open

        async def slowly(transfer: Transfer) -> None:
            await opening(transfer)
            await at.store.withdraw("hf", "model", "org/model")
            await at.transfers.review()

        with patch.object(Transfer, "open", slowly):
            assert await had(at, KEY) == set()
            await at.store.remember(SNAPSHOT, public=True)
            async with at.transfers.use(SNAPSHOT, Line(Hub(CONTENT))) as transfer:
                assert await had(at, KEY) == set()
                await transfer.want(FILES)


async def test_what_becomes_public_goes_on_among_members(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path, share_private=True) as at:
        await at.store.remember(SNAPSHOT, public=False)
        async with at.transfers.use(SNAPSHOT, None):
            await at.store.remember(SNAPSHOT, public=True)
            await at.transfers.review()
            assert (await had(at, KEY), await had(at, TOPIC)) == (set(), {"member"})
        await trio.sleep(1)
        assert await had(at, KEY) == {"member", "open", "refused"}


@pytest.mark.parametrize("runs", [True, False])
async def test_a_stranger_waits_no_longer_for_what_is_private_than_for_what_is_unknown(
    tmp_path: Path, autojump_clock: MockClock, runs: bool
) -> None:
    """The store is asked the same, as often, whatever the answer."""
    async with house(tmp_path, share_private=True) as at:
        await at.store.remember(SNAPSHOT, public=False, revisions=["main"])
        async with at.transfers.use(SNAPSHOT, None) if runs else nullcontext():
            asked: list[list[str]] = []
            run = at.workers.run

            async def noted(function: Any, *arguments: Any) -> Any:
                asked[-1].append(function.args[0].__qualname__)
                return await run(function, *arguments)

            with patch.object(at.workers, "run", noted):
                for topic in (Content(9, seed=2).key, KEY, TOPIC):
                    asked.append([])
                    assert await at.transfers.open(topic, "open") is None
                assert asked == [["Catalog.offered"]] * 3
                del asked[:]
                for repo in ("org/unknown", "org/model"):
                    asked.append([])
                    assert await at.transfers.lookup("hf", "model", repo, "main", "open") is None
                assert asked[0] == asked[1] != []
