"""What a node answers, with a hub in memory: names, upstreams, store and transfers put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import trio
from trio.testing import MockClock

from protocol.ids import to_text
from swarm.cli.demo_repo import Repository
from swarm.config.settings import Settings
from swarm.errors import NoSource, NotFound, SwarmError, UsageError, WrongContent
from swarm.exchange.exchange import Exchange
from swarm.node.access import Access
from swarm.node.node import Node
from swarm.node.transfers import Transfers
from swarm.store import Store, open_store
from swarm.transfer.requests import GetRequest, GetResult, Progress, RepoName, Root, Roots, SourceBytes
from swarm.upstreams.http import open_client
from swarm.workers import InlineWorkers
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import PORT, entropy
from tests.hub.faults import Faults
from tests.hub.transport import HubTransport, site, url
from tests.transfer.parts import ME
from tests.upstreams.hubs import FILES, REPO, repository

TOKEN = "hf_token"
CONTENT = {path: data for path, data in FILES.items() if isinstance(data, bytes)}
SIZE = sum(map(len, CONTENT.values()))
UNIQUE = sum(map(len, set(CONTENT.values())))
REQUEST = GetRequest("hf", REPO, endpoints=(url("hub"),))
NAME = RepoName("hf", "model", REPO)


def read(result: GetResult) -> dict[str, bytes]:
    """What lies in the store, by path in the repository."""
    return {file.path: Path(file.stored).read_bytes() for file in result.files}


class Desk:
    def __init__(self, node: Node, store: Store, transfers: Transfers, transport: HubTransport) -> None:
        self.node = node
        self.store = store
        self.transfers = transfers
        self.transport = transport
        self.told: list[Progress] = []

    async def get(self, request: GetRequest = REQUEST) -> GetResult:
        return await self.node.get(request, self.told.append)


@asynccontextmanager
async def desk(root: Path, *sources: Repository, faults: Faults | None = None) -> AsyncIterator[Desk]:
    transport = HubTransport(
        hub=site("hub", *(sources or (repository(),)), faults=faults), good=site("good", repository())
    )
    async with (
        open_store(root / "store", InlineWorkers()) as store,
        open_client(transport=transport) as http,
        trio.open_nursery() as nursery,
    ):
        transfers = Transfers(store, ME, InlineWorkers(), lambda: 0.2)
        network = MemoryNetwork().host("10.0.0.1")
        exchange = Exchange(
            ME, network, transfers, port=PORT, agent="test", entropy=entropy(1), workers=InlineWorkers()
        )
        await nursery.start(exchange.run)
        transfers.start(nursery, exchange)
        node = Node(
            Settings(home=root),
            ME.node_id,
            store,
            transfers,
            exchange,
            http,
            upstream_limit=None,
            listening=lambda: ["10.0.0.1:7677"],
        )
        yield Desk(node, store, transfers, transport)
        nursery.cancel_scope.cancel()


async def test_a_whole_model(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk(tmp_path) as at:
        result = await at.get()
        assert (result.ref, result.verified, result.bytes) == ("main", "publisher", SIZE)
        assert read(result) == CONTENT
        assert {file.path for file in result.all_files} == set(CONTENT)
        assert result.sources == (SourceBytes("upstream", url("hub"), UNIQUE),)
        assert at.told[0] == Progress("resolving")
        assert (at.told[-1].bytes, at.told[-1].total) == (SIZE, SIZE)
        (row,) = await at.node.models()
        assert (row["repo"], row["complete"], row["held"]) == (REPO, True, UNIQUE)


async def test_what_is_held_is_not_fetched_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk(tmp_path) as at:
        await at.get()
        asked = len(at.transport.asked)
        again = await at.get()
        assert len(at.transport.asked) == asked + 1
        assert again.sources == (SourceBytes("local", str(at.store.root), UNIQUE),)


async def test_offline_what_is_known_can_be_had(tmp_path: Path, autojump_clock: MockClock) -> None:
    offline = GetRequest("hf", REPO, offline=True)
    async with desk(tmp_path) as at:
        with pytest.raises(NoSource):
            await at.get(offline)
        await at.get()
        at.transport.down |= set(at.transport.hosts)
        assert (await at.get(offline)).bytes == SIZE
        assert (await at.get()).bytes == SIZE
        assert any("as before" in progress.message for progress in at.told)


async def test_some_of_the_files(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk(tmp_path) as at:
        result = await at.get(GetRequest("hf", REPO, endpoints=(url("hub"),), files=("README.md",)))
        assert [file.path for file in result.files] == ["README.md"]
        assert len(result.all_files) == len(CONTENT)
        result = await at.get(GetRequest("hf", REPO, endpoints=(url("hub"),), include=("*.json", "*.md")))
        assert [file.path for file in result.files] == ["README.md", "config.json"]
        assert [(row.kind, row.bytes) for row in result.sources] == [
            ("local", len(CONTENT["README.md"])),
            ("upstream", len(CONTENT["config.json"])),
        ]
        (row,) = await at.node.models()
        assert not row["complete"]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (GetRequest("nohub", REPO), UsageError),
        (GetRequest("hf", "ns/none", endpoints=(url("hub"),)), SwarmError),
        (GetRequest("hf", REPO, endpoints=(url("hub"),), files=("none",)), NotFound),
        (GetRequest("hf", REPO, endpoints=(url("hub"),), include=("*.none",)), NotFound),
    ],
)
async def test_what_cannot_be_had(
    tmp_path: Path, autojump_clock: MockClock, request_: GetRequest, error: type[SwarmError]
) -> None:
    async with desk(tmp_path) as at:
        with pytest.raises(error):
            await at.get(request_)


async def test_a_model_that_takes_a_token_is_for_this_node_alone(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with desk(tmp_path, faults=Faults(token=TOKEN, private=True)) as at:
        with pytest.raises(NotFound, match="or is private"):
            await at.get()
        await at.get(GetRequest("hf", REPO, endpoints=(url("hub"),), token=TOKEN))
        (summary,) = await at.store.snapshots()
        assert not summary.public
        assert await at.transfers.open(summary.key, "open") is None


async def test_a_model_that_comes_to_take_a_token_is_offered_no_more(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    faults = Faults(token=TOKEN)
    async with desk(tmp_path, faults=faults) as at:
        await at.get()
        (summary,) = await at.store.snapshots()
        assert await at.transfers.open(summary.key, "open") is not None
        faults.private = True
        await at.get(GetRequest("hf", REPO, endpoints=(url("hub"),), token=TOKEN))
        assert await at.transfers.open(summary.key, "open") is None


async def test_also_when_whoever_asked_does_not_wait(tmp_path: Path, autojump_clock: MockClock) -> None:
    """He is gone once the store knows that it takes a token, and before anybody else does."""
    faults = Faults(token=TOKEN)
    async with desk(tmp_path, faults=faults) as at:
        await at.get()
        (summary,) = await at.store.snapshots()
        served = await at.transfers.open(summary.key, "open")
        assert served is not None
        faults.private = True
        with trio.CancelScope() as scope:

            async def interrupted(*_: object) -> None:
                scope.cancel()
                await trio.lowlevel.checkpoint()

            with patch.object(Access, "given", interrupted):
                await at.get(GetRequest("hf", REPO, endpoints=(url("hub"),), token=TOKEN))
        assert scope.cancelled_caught
        assert not served.admits("open")


async def test_a_mirror_that_sends_wrong_bytes_is_named_and_another_is_used(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with desk(tmp_path, faults=Faults(wrong_bytes="weights/")) as at:
        result = await at.get(GetRequest("hf", REPO, endpoints=(url("hub"), url("good"))))
        assert read(result) == CONTENT
        (report,) = await at.node.why(NAME)
        assert {row["name"] for row in report["incidents"]} == {url("hub")}
        assert {row["path"] for row in report["incidents"]} == {"weights/model.safetensors"}
        weights = [file for file in report["files"] if file["path"].startswith("weights/")]
        assert {row["name"] for file in weights for row in file["sources"]} == {url("good")}


async def test_a_mirror_that_sends_wrong_bytes_and_no_other(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    faults = Faults(wrong_bytes="weights/")
    async with desk(tmp_path, faults=faults) as at:
        with pytest.raises(WrongContent, match=url("hub")):
            await at.get()
        faults.wrong_bytes = ""
        assert (await at.get()).bytes == SIZE


async def test_a_small_file_that_is_wrong(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk(tmp_path, faults=Faults(wrong_bytes="config.json")) as at:
        with pytest.raises(WrongContent, match=url("hub")):
            await at.get()


async def test_removing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk(tmp_path) as at:
        with pytest.raises(NotFound):
            await at.node.remove(NAME)
        await at.get()
        assert await at.node.remove(NAME) == {"snapshots": 1, "bytes": UNIQUE}
        assert await at.node.models() == []
        with pytest.raises(NotFound):
            await at.node.why(NAME)


async def test_nothing_is_removed_under_a_get(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk(tmp_path, faults=Faults(rate=1000)) as at, trio.open_nursery() as nursery:
        nursery.start_soon(at.get)
        await trio.sleep(5)
        with pytest.raises(SwarmError, match="being fetched"):
            await at.node.remove(NAME)
        nursery.cancel_scope.cancel()


async def test_what_a_link_leads_to_stays(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk(tmp_path) as at:
        result = await at.get()
        (file,) = [file for file in result.files if file.path == "weights/model.safetensors"]
        link = tmp_path / "link"
        link.symlink_to(file.stored)
        await at.node.add_roots(Roots((Root(str(link), file.algorithm, file.digest, file.size),)))
        await at.node.remove(NAME)
        assert link.read_bytes() == CONTENT[file.path]


async def test_status(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        status = await at.node.status()
        assert status["node"] == to_text(ME.node_id)
        assert status["listen"] == ["10.0.0.1:7677"]
        assert (status["peers"], status["snapshots"], status["store"]) == ([], [], {"bytes": 0, "quota": 0})
