"""What came with a token: what is marked, what that keeps from strangers, and who opens it."""

from __future__ import annotations

import sqlite3
from math import inf
from pathlib import Path

import pytest

from protocol.manifest import Snapshot
from swarm.store import Store, open_store
from swarm.store.access import COMMON, PERMIT_KEPT_SECONDS
from swarm.workers import InlineWorkers
from tests.store.samples import named, sample, snapshot_of

LARGE, OTHER = sample(COMMON + 1, algorithm="git-sha1"), sample(10)
LICENCE = named(b"the same everywhere", "git-sha1")
SECRET = snapshot_of({"w": LARGE, "LICENSE": LICENCE}, repo="org/secret")
MINE, YOURS = b"m" * 32, b"y" * 32
EVIL = "http://127.0.0.1:9"


async def withheld(store: Store, snapshot: Snapshot, *whos: bytes, age: float = inf) -> bool:
    return await store.withheld(snapshot.key, snapshot.layout.blobs, whos, age)


async def is_offered(store: Store, snapshot: Snapshot) -> bool:
    found = await store.offered(snapshot.key)
    named = await store.find_offered(snapshot.hub, snapshot.repo_type, snapshot.repo, snapshot.commit)
    to_all = await store.audience(snapshot.key) == "everyone"
    assert (found is not None) == (named is not None) == to_all
    return found is not None


async def test_a_private_repository_is_for_whom_it_was_given_to(store: Store) -> None:
    await store.remember(SECRET, public=False, revisions=["main"])
    assert not await is_offered(store, SECRET)
    assert await withheld(store, SECRET, MINE)
    await store.permit(MINE, "", SECRET)
    assert not await withheld(store, SECRET, MINE)
    assert not await withheld(store, SECRET, YOURS, MINE)
    assert await withheld(store, SECRET, YOURS)
    assert await withheld(store, SECRET)
    (summary,) = await store.snapshots()
    assert (summary.public, summary.private) == (False, True)


async def test_even_of_small_files_alone(store: Store) -> None:
    small = snapshot_of({"a": LICENCE, "b": named(b"2", "git-sha1")}, repo="org/small")
    await store.remember(small, public=False)
    assert await withheld(store, small, MINE)


async def test_its_content_stays_private_under_another_name(store: Store) -> None:
    copy = snapshot_of({"x": LARGE}, repo="org/copy")
    await store.remember(copy, public=True, published=False)
    assert await is_offered(store, copy)
    await store.remember(SECRET, public=False)
    assert not await is_offered(store, copy)
    assert await withheld(store, copy, YOURS)
    await store.permit(MINE, "", SECRET)
    assert not await withheld(store, copy, MINE)


async def test_a_licence_that_all_have_makes_nothing_private(store: Store) -> None:
    other = snapshot_of({"LICENSE": LICENCE}, repo="org/other")
    await store.remember(SECRET, public=False)
    await store.remember(other, public=True, published=False)
    assert await is_offered(store, other)
    assert not await withheld(store, other)


@pytest.mark.parametrize("public_first", [True, False])
async def test_what_the_hub_gives_to_everybody_is_not_private(store: Store, public_first: bool) -> None:
    fork = snapshot_of({"w": LARGE}, repo="org/fork")
    for snapshot, public in sorted([(SECRET, False), (fork, True)], key=lambda pair: pair[1] != public_first):
        await store.remember(snapshot, public=public)
    assert await is_offered(store, fork)
    assert not await withheld(store, fork)
    assert await withheld(store, SECRET)


async def test_a_repository_that_becomes_public(store: Store) -> None:
    await store.remember(SECRET, public=False)
    await store.remember(SECRET, public=True)
    assert await is_offered(store, SECRET)
    assert not await withheld(store, SECRET)


async def test_peers_do_not_make_it_public(store: Store) -> None:
    await store.remember(SECRET, public=False)
    await store.remember(SECRET, public=True, published=False)
    assert not await is_offered(store, SECRET)
    assert await withheld(store, SECRET)


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("first", [True, False])
async def test_another_endpoint_does_not_open_what_the_operators_gave(
    store: Store, public: bool, first: bool
) -> None:
    copy = snapshot_of({"w": LARGE}, repo="evil/copy")
    claims = [(SECRET, False, ""), (SECRET, public, EVIL), (copy, public, EVIL)]
    for snapshot, claimed, domain in claims[1:] + claims[:1] if first else claims:
        await store.remember(snapshot, public=claimed, domain=domain)
        if not claimed:
            await store.permit(MINE if domain == "" else YOURS, domain, snapshot)
    for snapshot in (SECRET, copy):
        assert not await is_offered(store, snapshot)
        assert await withheld(store, snapshot, YOURS)
    assert not await withheld(store, SECRET, MINE)


async def test_nor_does_it_close_what_is_public(store: Store) -> None:
    await store.remember(SECRET, public=True)
    await store.remember(SECRET, public=False, domain=EVIL)
    assert await is_offered(store, SECRET)
    assert not await withheld(store, SECRET)


async def test_of_two_endpoints_that_somebody_named_neither_opens_the_others(store: Store) -> None:
    for domain, who in ((EVIL, YOURS), ("http://intranet", MINE)):
        await store.remember(SECRET, public=False, domain=domain)
        await store.permit(who, domain, SECRET)
    assert await withheld(store, SECRET, YOURS)
    assert await withheld(store, SECRET, MINE)
    assert not await withheld(store, SECRET, MINE, YOURS)


async def test_a_permit_ages_is_revoked_and_forgotten(tmp_path: Path) -> None:
    clock = [0.0]
    async with open_store(tmp_path, InlineWorkers(), now=lambda: clock[0]) as store:
        await store.remember(SECRET, public=False)
        await store.permit(MINE, "", SECRET)
        clock[0] = 10
        assert not await withheld(store, SECRET, MINE, age=10)
        assert await withheld(store, SECRET, MINE, age=9)
        clock[0] = PERMIT_KEPT_SECONDS + 1
        await store.permit(YOURS, "", SECRET)
        assert await withheld(store, SECRET, MINE)
        await store.revoke([YOURS], [EVIL], "hf", "model", "org/secret")
        assert not await withheld(store, SECRET, YOURS)
        await store.revoke([YOURS], [""], "hf", "model", "org/secret")
        assert await withheld(store, SECRET, YOURS)


async def test_what_was_public_is_withdrawn(store: Store) -> None:
    await store.remember(SECRET, public=True)
    await store.withdraw("hf", "model", "org/secret")
    assert not await is_offered(store, SECRET)
    assert not await withheld(store, SECRET)


async def test_marks_stay_as_long_as_any_snapshot_names_the_content(store: Store) -> None:
    copy = snapshot_of({"x": LARGE}, repo="org/copy")
    await store.remember(SECRET, public=False)
    await store.remember(copy, public=True, published=False)
    await store.remove("hf", "model", "org/secret")
    assert not await is_offered(store, copy)
    assert await withheld(store, copy)
    await store.remove("hf", "model", "org/copy")
    await store.remember(copy, public=True, published=False)
    assert await is_offered(store, copy)


async def test_a_store_of_the_version_before(tmp_path: Path) -> None:
    async with open_store(tmp_path, InlineWorkers()) as store:
        await store.remember(SECRET, public=False)
        await store.remember(snapshot_of({"w": OTHER}, repo="org/open"), public=True)
    with sqlite3.connect(tmp_path / "index.sqlite") as old:
        for table in ("permit", "restricted", "private_repo"):
            old.execute(f"DROP TABLE {table}")
        old.execute("ALTER TABLE snapshot DROP COLUMN domain")
        old.execute("PRAGMA user_version = 1")
    old.close()
    async with open_store(tmp_path, InlineWorkers()) as store:
        copy = snapshot_of({"x": LARGE}, repo="org/copy")
        await store.remember(copy, public=True, published=False)
        assert await withheld(store, SECRET, MINE)
        assert not await is_offered(store, copy)
        assert not await withheld(store, snapshot_of({"w": OTHER}, repo="org/open"))
