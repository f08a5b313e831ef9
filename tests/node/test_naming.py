"""What a name stands for: by the hub, by memory, by peers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from protocol.ids import NodeId, SnapshotKey, private_topic
from protocol.manifest import RepoType, Snapshot
from swarm.errors import NoSource, NotAllowed, NotFound, SwarmError
from swarm.node.access import PERMIT_SECONDS, Access
from swarm.node.naming import Named, Names
from swarm.sources import Source, SourceFailed
from swarm.store import Store, open_store
from swarm.transfer.requests import GetRequest
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.huggingface import Resolved
from swarm.upstreams.trouble import Gated, NoSuchRepo
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
    async with desk(tmp_path, FakePeers((ONE, A))) as at:
        with pytest.raises(NotFound):
            await resolve(at, FakeHub(NotFound("no such repository")))


async def test_peers_that_agree_are_believed_when_the_hub_is_out_of_reach(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    peers = FakePeers((ONE, A), (TWO, A), silent_for=2)
    async with desk(tmp_path, peers) as at:
        assert await resolve(at, FakeHub(DOWN)) == (A, "main", "manifest")
        assert peers.asked == [ONE]
        assert await resolve(at, None) == (A, "main", "manifest")
        assert peers.asked == [ONE]


async def test_what_peers_said_is_checked_with_the_hub_once_it_answers(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    by_commit = GetRequest("hf", "org/model", revision=A.commit)
    async with desk(tmp_path, FakePeers((ONE, A))) as at:
        assert await resolve(at, None, by_commit) == (A, None, "manifest")
        hub = FakeHub(A)
        assert await resolve(at, hub, by_commit) == (A, None, "publisher")
        assert await resolve(at, hub, by_commit) == (A, None, "publisher")
        assert hub.asked == [A.commit]


async def test_peers_that_disagree_about_a_commit_are_not_believed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    forged = Snapshot(A.hub, A.repo_type, A.repo, A.commit, B.files)
    async with desk(tmp_path, FakePeers((ONE, A), (TWO, A), (THREE, forged))) as at:
        with pytest.raises(NoSource, match="peers disagree"):
            await resolve(at, FakeHub(DOWN))
        assert await at.store.snapshots() == []


async def test_most_peers_know_the_newer_commit_of_a_branch(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with desk(tmp_path, FakePeers((ONE, A), (TWO, B), (THREE, B))) as at:
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
    peers = FakePeers((ONE, A), (TWO, A))
    peers.manifests[ONE] = bad
    async with desk(tmp_path, peers) as at:
        assert await resolve(at, FakeHub(DOWN)) == (A, "main", "manifest")
        assert peers.asked == [ONE, TWO]


async def test_a_manifest_of_another_repository_is_not_taken_for_this_one(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    other = Snapshot("hf", "model", "org/other", A.commit, A.files)
    async with desk(tmp_path, FakePeers((ONE, other))) as at:
        with pytest.raises(NoSource):
            await resolve(at, FakeHub(DOWN))


async def test_what_only_peers_say_can_be_ruled_out(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk(tmp_path, FakePeers((ONE, A)), hub_only=True) as at:
        with pytest.raises(NoSource, match="does not answer"):
            await resolve(at, FakeHub(DOWN))
        assert await resolve(at, FakeHub(A)) == (A, "main", "publisher")
        assert await resolve(at, FakeHub(DOWN)) == (A, "main", "publisher")


async def test_what_peers_said_before_it_was_ruled_out_is_not_believed_either(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with desk(tmp_path, FakePeers((ONE, A))) as at:
        assert await resolve(at, FakeHub(DOWN)) == (A, "main", "manifest")
        at.hub_only = True
        at.names = at.for_caller(None)
        with pytest.raises(NoSource):
            await resolve(at, FakeHub(DOWN))


# --- what takes a token ---------------------------------------------------------------------------

BLOBS = A.layout.blobs


async def named(names: Names, hub: FakeHub | None, request: GetRequest = BY_COMMIT) -> Named:
    found = await ask(names, hub, request)
    await names._access.check(found.snapshot, BLOBS, hub_answers=found.fresh)
    return found


async def test_a_known_private_commit_is_had_with_a_token_the_hub_accepted(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        hub = FakeHub(A, public=False)
        assert (await named(at.for_caller("good"), hub)).snapshot == A
        assert await at.store.audience(A.key) == "members"
        for _ in range(2):  # the hub's word is remembered
            assert (await named(at.for_caller("good"), None)).snapshot == A
        assert len(hub.asked) == 1
        for token in (None, "other"):
            with pytest.raises(NotAllowed, match="hub cannot be asked"):
                await named(at.for_caller(token), None)
            with pytest.raises(NotAllowed, match="hub cannot be asked"):
                await named(at.for_caller(token), FakeHub(DOWN))
            with pytest.raises(Gated):
                await named(at.for_caller(token), FakeHub(Gated("licence")))


async def test_the_hubs_word_on_a_token_grows_old(tmp_path: Path) -> None:
    clock = [1000.0]
    async with open_store(tmp_path, InlineWorkers(), now=lambda: clock[0]) as store:
        at = Desk(store, FakePeers())
        await named(at.for_caller("good"), FakeHub(A, public=False))
        clock[0] += PERMIT_SECONDS
        await named(at.for_caller("good"), None)
        clock[0] += 1
        with pytest.raises(NotAllowed, match="hub cannot be asked"):
            await named(at.for_caller("good"), None)
        await named(at.for_caller("good", known_is_enough=True), None)
        with pytest.raises(NotAllowed):
            await named(at.for_caller("other", known_is_enough=True), None)
        hub = FakeHub(A, public=False)
        await named(at.for_caller("good"), hub)
        assert hub.asked == [A.commit]


async def test_a_token_that_is_refused_by_now_is_no_good_from_then_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await named(at.for_caller("good"), FakeHub(A, public=False), REQUEST)
        with pytest.raises(NotAllowed):
            await named(at.for_caller("good"), FakeHub(NotAllowed("revoked")), REQUEST)
        with pytest.raises(NotAllowed, match="hub cannot be asked"):
            await named(at.for_caller("good"), None)


def _files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_the_token_itself_is_not_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await named(at.for_caller("canary-canary"), FakeHub(A, public=False))
    assert b"canary" not in b"".join(path.read_bytes() for path in _files_below(tmp_path))


async def test_an_endpoint_that_a_caller_chose_does_not_open_what_the_hub_closed(tmp_path: Path) -> None:
    """Whoever may name an endpoint may run one, that lists the same files to all, or takes any token."""
    async with desk(tmp_path) as at:
        await named(at.for_caller("good"), FakeHub(A, public=False))
        for public in (True, False):
            with pytest.raises(NotAllowed, match="private repository"):
                await named(at.for_caller("any", own=False), FakeHub(A, public=public), REQUEST)
            assert await at.store.offered(A.key) is None
        same_files = Snapshot("hf", "model", "evil/copy", B.commit, A.files)
        with pytest.raises(NotAllowed, match="private repository"):
            await named(at.for_caller("any", own=False), FakeHub(same_files), GetRequest("hf", "evil/copy"))
        assert await at.store.offered(same_files.key) is None


async def test_peers_that_name_private_content_do_not_get_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    forged = Snapshot("hf", "model", "org/forged", A.commit, A.files)
    async with desk(tmp_path, FakePeers((ONE, forged))) as at:
        await named(at.for_caller("good"), FakeHub(A, public=False))
        with pytest.raises(NotAllowed):
            await named(at.names, FakeHub(DOWN), GetRequest("hf", "org/forged"))
        assert await at.store.offered(forged.key) is None


async def test_what_was_private_is_for_everybody_once_the_hub_says_so(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await named(at.for_caller("good"), FakeHub(A, public=False))
        await named(at.names, FakeHub(A), REQUEST)
        assert await at.store.audience(A.key) == "everyone"
        assert (await named(at.names, None)).snapshot == A


@pytest.mark.parametrize("answer", [Gated("a licence by now"), NoSuchRepo("gone, or private by now")])
async def test_what_is_public_no_more_is_offered_no_more(tmp_path: Path, answer: SwarmError) -> None:
    async with desk(tmp_path) as at:
        await named(at.names, FakeHub(A), REQUEST)
        with pytest.raises(type(answer)):
            await named(at.names, FakeHub(answer), REQUEST)
        assert at.names.closing
        assert await at.store.offered(A.key) is None
        assert (await named(at.names, None)).snapshot == A, "it was given to everybody then"


async def test_a_refusal_that_is_not_the_hubs_own_withdraws_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await named(at.names, FakeHub(A), REQUEST)
        with pytest.raises(NotAllowed):
            await named(at.names, FakeHub(NotAllowed("says a proxy")), REQUEST)
        with pytest.raises(NoSuchRepo):
            await named(at.for_caller(None, own=False), FakeHub(NoSuchRepo("says who?")), REQUEST)
        assert await at.store.offered(A.key) is not None


async def test_what_an_endpoint_of_one_caller_says_is_not_told_to_others(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Neither what a branch is, nor what is in a commit."""
    forged = Snapshot(A.hub, A.repo_type, A.repo, A.commit, B.files)
    async with desk(tmp_path) as at:
        his = at.for_caller(None, own=False)
        assert (await ask(his, FakeHub(forged), REQUEST)).snapshot == forged
        assert (await his.resolve(REQUEST, None)).snapshot == forged
        for request in (REQUEST, BY_COMMIT):
            with pytest.raises(NoSource):
                await at.names.resolve(request, None)
        assert await resolve(at, FakeHub(A), REQUEST) == (A, "main", "publisher")
        assert (await ask(his, FakeHub(forged), REQUEST)).snapshot == forged
        for request in (REQUEST, BY_COMMIT):
            assert (await at.names.resolve(request, None)).snapshot == A


# --- what members say is private ------------------------------------------------------------------


def told_private(*answers: tuple[NodeId, Snapshot]) -> FakePeers:
    """Members that name the topic under which those meet who know it to be private."""
    peers = FakePeers(*answers)
    peers.answers = [(peer, private_topic(key), commit) for peer, key, commit in peers.answers]
    return peers


async def test_a_member_says_what_a_private_model_is(tmp_path: Path) -> None:
    async with desk(tmp_path, told_private((ONE, A), (TWO, A)), private=True) as at:
        assert await resolve(at, FakeHub(DOWN)) == (A, "main", "manifest")
        assert at.names.closing
        assert await at.store.audience(A.key) == "members"
        for token in (None, "other"):
            with pytest.raises(NotAllowed, match="hub cannot be asked"):
                await named(at.for_caller(token), None, REQUEST)


async def test_but_not_where_none_are_shared(tmp_path: Path) -> None:
    async with desk(tmp_path, told_private((ONE, A))) as at:
        with pytest.raises(NoSource, match="does not answer"):
            await resolve(at, FakeHub(DOWN))
        assert await at.store.snapshots() == []


async def test_one_that_says_it_is_private_is_believed(tmp_path: Path) -> None:
    peers = FakePeers((ONE, A), (TWO, A), (THREE, A))
    peers.answers[1] = (TWO, private_topic(A.key), A.commit)
    async with desk(tmp_path, peers, private=True) as at:
        assert await resolve(at, FakeHub(DOWN)) == (A, "main", "manifest")
        assert peers.asked == [TWO]
        assert await at.store.audience(A.key) == "members"
