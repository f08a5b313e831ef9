"""What a name stands for: by the hub, by memory, by peers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from protocol.ids import NodeId, SnapshotKey
from protocol.manifest import RepoType, Snapshot
from swarm.errors import NoSource, NotFound, SwarmError
from swarm.node.naming import Names
from swarm.sources import Source, SourceFailed
from swarm.store import Store, open_store
from swarm.transfer.requests import GetRequest
from swarm.upstreams.huggingface import Resolved
from swarm.workers import InlineWorkers
from tests.exchange.nodes import Content, identity

ONE, TWO, THREE = (identity(number).node_id for number in (1, 2, 3))
A, B = Content(5, seed=1).snapshot, Content(6, seed=2).snapshot
REQUEST = GetRequest("hf", "org/model")


class FakeHub:
    """Answers with a snapshot or a failure."""

    def __init__(self, answer: Snapshot | SwarmError, *, public: bool = True) -> None:
        self.answer = answer
        self.public = public
        self.asked: list[str] = []

    async def resolve(self, repo: str, repo_type: RepoType = "model", revision: str = "main") -> Resolved:
        await trio.lowlevel.checkpoint()
        self.asked.append(revision)
        if isinstance(self.answer, SwarmError):
            raise self.answer
        ref = None if revision == self.answer.commit else revision
        return Resolved(self.answer, ref, self.public, "https://hub.test", renamed_to=None)


class FakeExchange:
    """Peers: what each says the name means, and the manifests they send."""

    def __init__(self, *answers: tuple[NodeId, Snapshot], silent_for: int = 0) -> None:
        self.answers = [(peer, snapshot.key, snapshot.commit) for peer, snapshot in answers]
        self.manifests: dict[NodeId, bytes] = {peer: snapshot.encoded for peer, snapshot in answers}
        self.silent_for = silent_for
        self.asked: list[NodeId] = []

    async def lookup(
        self, hub: str, repo_type: str, repo: str, revision: str, timeout: float
    ) -> list[tuple[NodeId, SnapshotKey, str]]:
        await trio.lowlevel.checkpoint()
        self.silent_for -= 1
        return [] if self.silent_for >= 0 else self.answers

    async def manifest(self, peer: NodeId, topic: SnapshotKey) -> bytes:
        await trio.lowlevel.checkpoint()
        self.asked.append(peer)
        if not self.manifests[peer]:
            raise SourceFailed(Source("peer", peer.hex()), "gone")
        return self.manifests[peer]


class Desk:
    def __init__(self, store: Store, exchange: FakeExchange) -> None:
        self.store = store
        self.notes: list[str] = []
        self.names = Names(store, exchange, self.notes.append)  # type: ignore[arg-type]  # two methods of it


@asynccontextmanager
async def desk(root: Path, exchange: FakeExchange | None = None) -> AsyncIterator[Desk]:
    async with open_store(root, InlineWorkers()) as store:
        yield Desk(store, exchange or FakeExchange())


DOWN = NoSource("the hub does not answer")


async def resolve(
    at: Desk, hub: FakeHub | None, request: GetRequest = REQUEST
) -> tuple[Snapshot, str | None, str]:
    named = await at.names.resolve(request, hub)  # type: ignore[arg-type]  # `resolve` is all that is asked
    return named.snapshot, named.ref, named.verified


async def test_the_hub_says_and_is_remembered(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await resolve(at, FakeHub(A)) == (A, "main", "publisher")
        assert await resolve(at, FakeHub(DOWN)) == (A, "main", "publisher")
        assert await resolve(at, None) == (A, "main", "publisher")
        assert "as before" in at.notes[0]


async def test_a_branch_is_asked_for_each_time_and_a_known_commit_never(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        hub = FakeHub(A)
        await resolve(at, hub)
        await resolve(at, hub, GetRequest("hf", "org/model", revision=A.commit))
        hub.answer = B
        assert await resolve(at, hub) == (B, "main", "publisher")
        assert hub.asked == ["main", "main"]


async def test_a_repository_that_is_gone_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    async with desk(tmp_path, FakeExchange((ONE, A))) as at:
        with pytest.raises(NotFound):
            await resolve(at, FakeHub(NotFound("no such repository")))


async def test_peers_that_agree_are_believed_when_the_hub_is_out_of_reach(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    exchange = FakeExchange((ONE, A), (TWO, A), silent_for=2)
    async with desk(tmp_path, exchange) as at:
        assert await resolve(at, FakeHub(DOWN)) == (A, "main", "manifest")
        assert exchange.asked == [ONE]
        assert await resolve(at, None) == (A, "main", "manifest")
        assert exchange.asked == [ONE]


async def test_what_peers_said_is_checked_with_the_hub_once_it_answers(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    by_commit = GetRequest("hf", "org/model", revision=A.commit)
    async with desk(tmp_path, FakeExchange((ONE, A))) as at:
        assert await resolve(at, None, by_commit) == (A, None, "manifest")
        hub = FakeHub(A)
        assert await resolve(at, hub, by_commit) == (A, None, "publisher")
        assert await resolve(at, hub, by_commit) == (A, None, "publisher")
        assert hub.asked == [A.commit]


async def test_peers_that_disagree_about_a_commit_are_not_believed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    forged = Snapshot(A.hub, A.repo_type, A.repo, A.commit, B.files)
    async with desk(tmp_path, FakeExchange((ONE, A), (TWO, A), (THREE, forged))) as at:
        with pytest.raises(NoSource, match="peers disagree"):
            await resolve(at, FakeHub(DOWN))
        assert await at.store.snapshots() == []


async def test_most_peers_know_the_newer_commit_of_a_branch(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with desk(tmp_path, FakeExchange((ONE, A), (TWO, B), (THREE, B))) as at:
        assert await resolve(at, FakeHub(DOWN)) == (B, "main", "manifest")


async def test_nobody_knows_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk(tmp_path) as at:
        with pytest.raises(NoSource, match="does not answer"):
            await resolve(at, FakeHub(DOWN))
        with pytest.raises(NoSource, match="offline"):
            await resolve(at, None)
        assert trio.current_time() < 10


@pytest.mark.parametrize("bad", [b"", b"\x00", B.encoded])
async def test_a_manifest_that_is_not_the_one_is_had_from_the_next_peer(
    tmp_path: Path, autojump_clock: MockClock, bad: bytes
) -> None:
    exchange = FakeExchange((ONE, A), (TWO, A))
    exchange.manifests[ONE] = bad
    async with desk(tmp_path, exchange) as at:
        assert await resolve(at, FakeHub(DOWN)) == (A, "main", "manifest")
        assert exchange.asked == [ONE, TWO]


async def test_a_manifest_of_another_repository_is_not_taken_for_this_one(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    other = Snapshot("hf", "model", "org/other", A.commit, A.files)
    async with desk(tmp_path, FakeExchange((ONE, other))) as at:
        with pytest.raises(NoSource):
            await resolve(at, FakeHub(DOWN))
