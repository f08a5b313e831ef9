"""What a name stands for: by the hub, by memory, by peers."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from protocol.manifest import Snapshot
from swarm.errors import NoSource, NotFound
from swarm.transfer.requests import GetRequest
from tests.node.naming_desk import (
    DOWN,
    ONE,
    THREE,
    TWO,
    A,
    B,
    FakeHub,
    FakePeers,
    desk,
    resolve,
)


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
