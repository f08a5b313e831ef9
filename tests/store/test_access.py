"""What came with a token: what is marked, what that keeps from strangers, and who opens it."""

from __future__ import annotations

import sqlite3
from math import inf
from pathlib import Path

import pytest

from protocol.ids import private_topic
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


@pytest.mark.parametrize("revision", ["main", SECRET.commit])
@pytest.mark.parametrize("members", [True, False])
async def test_what_it_calls_by_a_name_is_told_to_no_peer(store: Store, revision: str, members: bool) -> None:
    """Its users may have it, and whoever knows the topic; what the name means is for others to say."""
    await store.remember(SECRET, public=True, revisions=["main"], domain=EVIL)
    asked = ("hf", "model", "org/secret", revision)
    assert await store.offered(SECRET.key)
    assert await store.find_offered(*asked, members=members) is None
    assert await store.find(*asked, ["", EVIL])
    assert await store.find(*asked) is None
    await store.remember(SECRET, public=True, revisions=["main"])
    assert await store.find_offered(*asked, members=members)


async def test_it_opens_nothing_that_members_say_is_private(store: Store) -> None:
    small = snapshot_of({"a": LICENCE}, repo="org/small")
    await store.remember(small, public=False, published=False)
    await store.remember(small, public=True, domain=EVIL)
    assert not await is_offered(store, small)
    assert await withheld(store, small, MINE)
    assert await shared(store, small)


@pytest.mark.parametrize("published", [True, False])
async def test_what_a_name_means_to_others_is_not_its_to_say(store: Store, published: bool) -> None:
    """Also when only peers said it: they may be out of reach by now."""
    evil = snapshot_of({"w": OTHER}, repo="org/secret", commit="e" * 40)
    await store.remember(SECRET, public=True, published=published, revisions=["main"])
    for snapshot in (SECRET, evil):
        await store.remember(snapshot, public=True, revisions=["main"], domain=EVIL)
    stored = await store.find("hf", "model", "org/secret", "main")
    assert stored is not None
    assert (stored.snapshot, stored.published) == (SECRET, published)


async def test_what_only_peers_told_it_may_close(store: Store) -> None:
    """Its user may have brought the content with a token, and peers called it public to have it from here."""
    await store.remember(SECRET, public=True, published=False, revisions=["main"])
    await store.remember(SECRET, public=False, domain=EVIL)
    await store.permit(YOURS, EVIL, SECRET)
    assert [await withheld(store, SECRET, who) for who in (MINE, YOURS)] == [True, False]
    assert await store.audience(SECRET.key) == "nobody"
    await store.remember(SECRET, public=True)
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


# --- members of a site ----------------------------------------------------------------------------

COPY = snapshot_of({"x": LARGE}, repo="org/copy")


async def shared(store: Store, snapshot: Snapshot) -> bool:
    """Whether members may have it, and strangers may not."""
    found = await store.shared(private_topic(snapshot.key))
    name = (snapshot.hub, snapshot.repo_type, snapshot.repo, snapshot.commit)
    named = await store.find_offered(*name, members=True)
    assert await store.find_offered(*name) is None
    assert await store.shared(snapshot.key) is None
    audience = await store.audience(snapshot.key)
    assert (found is not None) == (named is not None) == (audience == "members")
    assert audience != "everyone"
    return found is not None


async def test_what_the_hub_gave_with_a_token_may_be_shared(store: Store) -> None:
    await store.remember(SECRET, public=False)
    assert await shared(store, SECRET)
    assert await store.audience(COPY.key) == "nobody", "it is unknown"


async def test_what_is_public_is_for_members_as_well(store: Store) -> None:
    await store.remember(SECRET, public=True)
    assert await store.audience(SECRET.key) == "everyone"
    assert await store.find_offered("hf", "model", "org/secret", SECRET.commit, members=True)
    assert await store.shared(private_topic(SECRET.key)) is None


async def test_what_was_withdrawn_may_be_shared(store: Store) -> None:
    await store.remember(SECRET, public=True)
    await store.withdraw("hf", "model", "org/secret")
    assert await shared(store, SECRET)


async def test_what_somebody_had_from_an_endpoint_of_his_own_is_not_shared(store: Store) -> None:
    await store.remember(SECRET, public=False, domain=EVIL)
    assert not await shared(store, SECRET)


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("first", [True, False])
async def test_nor_is_content_of_one_repository_under_the_name_of_another(
    store: Store, public: bool, first: bool
) -> None:
    """Peers, or a member, call it their own: who may have that at the hub would get what he may not."""
    told = [(SECRET, False, True), (COPY, public, False)]
    for snapshot, is_public, published in told if first else told[::-1]:
        await store.remember(snapshot, public=is_public, published=published)
    assert await shared(store, SECRET)
    assert not await shared(store, COPY)


async def test_what_a_member_says_is_private_is_marked(store: Store) -> None:
    await store.remember(SECRET, public=False, published=False)
    assert await shared(store, SECRET)
    await store.remember(COPY, public=True, published=False)
    assert not await is_offered(store, COPY)
    assert await withheld(store, COPY, MINE)
    (*_, summary) = await store.snapshots()
    assert (summary.public, summary.private) == (False, True)


async def test_a_members_word_opens_nothing_the_hubs_does(store: Store) -> None:
    await store.remember(SECRET, public=False, published=False)
    await store.permit(MINE, "", SECRET)
    assert await withheld(store, SECRET, MINE), "the hub never gave it here"
    older = snapshot_of({"w": OTHER}, repo="org/secret", commit="0" * 40)
    await store.remember(older, public=False, domain=EVIL)
    await store.permit(YOURS, EVIL, older)
    assert await withheld(store, SECRET, YOURS), "anybody may have an endpoint that calls it so"
    await store.remember(older, public=False)
    await store.permit(MINE, "", older)
    assert not await withheld(store, SECRET, MINE)
    assert await withheld(store, SECRET, YOURS)


async def test_a_members_word_does_not_open_what_is_another_repositorys(store: Store) -> None:
    """A member has it that `org/copy` is private and has in it what the hub gave of `org/secret`."""
    older = snapshot_of({"w": OTHER}, repo="org/copy", commit="0" * 40)
    await store.remember(older, public=False)
    await store.permit(YOURS, "", older)
    await store.remember(COPY, public=False, published=False)
    assert not await withheld(store, COPY, YOURS)
    await store.remember(SECRET, public=False)
    await store.permit(MINE, "", SECRET)
    assert await withheld(store, COPY, YOURS)
    assert not await withheld(store, COPY, YOURS, MINE)


async def test_a_members_word_counts_more_than_a_peers_and_less_than_the_hubs(store: Store) -> None:
    await store.remember(COPY, public=True, published=False)
    await store.remember(COPY, public=False, published=False)
    assert await shared(store, COPY)
    await store.remember(COPY, public=True)
    assert await is_offered(store, COPY)
    await store.remember(COPY, public=False, published=False)
    assert await is_offered(store, COPY)
    assert not await withheld(store, COPY)
