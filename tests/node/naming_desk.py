"""A desk at which names are asked for: a store, a hub and peers that say what a test has them say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from protocol.ids import NodeId, SnapshotKey
from protocol.manifest import RepoType, Snapshot
from swarm.errors import NoSource, SwarmError
from swarm.node.access import Access
from swarm.node.naming import Named, Names
from swarm.sources import Source, SourceFailed
from swarm.store import Store, open_store
from swarm.transfer.requests import GetRequest
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.huggingface import Resolved
from swarm.workers import InlineWorkers
from tests.exchange.nodes import Content, identity

ONE, TWO, THREE = (identity(number).node_id for number in (1, 2, 3))
A, B = Content(5, seed=1).snapshot, Content(6, seed=2).snapshot
REQUEST = GetRequest("hf", "org/model")
BY_COMMIT = GetRequest("hf", "org/model", revision=A.commit)
HUB = "https://hub.test"


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
        return Resolved(self.answer, ref, self.public, HUB, renamed_to=None)


class FakePeers:
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
    """`token` is what the caller shows; `own` says whether the hub is one that the operator chose."""

    def __init__(
        self, store: Store, peers: FakePeers, *, hub_only: bool = False, private: bool = False
    ) -> None:
        self.store = store
        self.private = private
        self.peers = peers
        self.hub_only = hub_only
        self.notes: list[str] = []
        self.names = self.for_caller(None)

    def for_caller(self, token: str | None, *, own: bool = True, known_is_enough: bool = False) -> Names:
        access = Access(
            self.store, [HUB] if own else [], [Endpoint(HUB, token)], known_is_enough=known_is_enough
        )
        return Names(
            self.store,
            self.peers,  # type: ignore[arg-type]  # two methods of it
            access,
            self.notes.append,
            hub_only=self.hub_only,
            private=self.private,
        )


@asynccontextmanager
async def desk(
    root: Path, peers: FakePeers | None = None, *, hub_only: bool = False, private: bool = False
) -> AsyncIterator[Desk]:
    async with open_store(root, InlineWorkers()) as store:
        yield Desk(store, peers or FakePeers(), hub_only=hub_only, private=private)


DOWN = NoSource("the hub does not answer")


async def ask(names: Names, hub: FakeHub | None, request: GetRequest) -> Named:
    return await names.resolve(request, hub)  # type: ignore[arg-type]  # `resolve` is all that is asked


async def resolve(
    at: Desk, hub: FakeHub | None, request: GetRequest = REQUEST
) -> tuple[Snapshot, str | None, str]:
    named = await ask(at.names, hub, request)
    return named.snapshot, named.ref, named.verified
