"""What a name stands for where that takes a token, or members say that it does."""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from protocol.ids import NodeId, private_topic
from protocol.manifest import Snapshot
from swarm.errors import NoSource, NotAllowed, SwarmError
from swarm.node.access import PERMIT_SECONDS
from swarm.node.naming import Named, Names
from swarm.store import open_store
from swarm.transfer.requests import GetRequest
from swarm.upstreams.trouble import Gated, NoSuchRepo
from swarm.workers import InlineWorkers
from tests.node.naming_desk import (
    BY_COMMIT,
    DOWN,
    ONE,
    REQUEST,
    THREE,
    TWO,
    A,
    B,
    Desk,
    FakeHub,
    FakePeers,
    ask,
    desk,
    resolve,
)

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
