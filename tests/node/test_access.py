"""What a file that is refused, or given for a credential only, says of who may have a snapshot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path

import pytest

from swarm.errors import NotAllowed, NotFound, SwarmError
from swarm.node.access import Access, _whos
from swarm.store import Store, open_store
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.trouble import Gated, NoSuchRepo
from swarm.workers import InlineWorkers
from tests.exchange.nodes import Content

MODEL = Content(5).snapshot
HUB, MIRROR, HIS = "https://hub.test", "https://mirror.test", "https://his.test"


@asynccontextmanager
async def listed(root: Path, *, published: bool = True) -> AsyncIterator[Store]:
    """A store that knows a model, which anybody may have: as the hub said, or peers."""
    async with open_store(root, InlineWorkers()) as store:
        await store.remember(MODEL, public=True, published=published)
        yield store


def of(store: Store, token: str | None, *urls: str) -> Access:
    """A caller who asks these, of which the operator chose the hub and the mirror."""
    return Access(store, [HUB, MIRROR], [Endpoint(url, token) for url in urls], known_is_enough=False)


async def may(store: Store, token: str | None) -> bool:
    return await of(store, token, HUB).may(MODEL.key, MODEL.layout.blobs)


@pytest.mark.parametrize(
    ("url", "counts"),
    [
        (HUB, True),
        (MIRROR + "/", True),
        ("https://HUB.test:443", True),
        ("https://huggingface.co", False),
        (HIS, False),
        ("http://hub.test", False),
        ("https://hub.test:8443", False),
        ("https://hub.test/evil/repo/resolve/main", False),
        ("https://hub.test.evil.test", False),
    ],
)
async def test_whose_word_counts_for_all(tmp_path: Path, url: str, counts: bool) -> None:
    """The operator's endpoints', but not that of files which somebody put on one of them."""
    async with listed(tmp_path) as store:
        assert (of(store, None, url).domain(Endpoint(url).url) == "") is counts


async def test_a_file_given_by_ones_own_endpoint_is_no_word_of_a_member(tmp_path: Path) -> None:
    async with listed(tmp_path, published=False) as store:
        await of(store, "his", HIS).file_given(MODEL, HIS)
        assert await store.audience(MODEL.key) == "nobody", "not of members either"
        assert not await store.withheld(MODEL.key, MODEL.layout.blobs, _whos([Endpoint(HIS, "his")]), inf)


async def test_what_a_credential_opens_is_for_whom_it_is(tmp_path: Path) -> None:
    async with listed(tmp_path) as store:
        await of(store, "good", HUB).file_given(MODEL, HUB)
        assert await store.audience(MODEL.key) == "members"
        assert [await may(store, token) for token in ("good", "other", None)] == [True, False, False]
        stored = await store.snapshot(MODEL.key)
        assert stored is not None
        assert stored.published


async def test_it_does_not_say_that_the_listing_is_the_hubs(tmp_path: Path) -> None:
    async with listed(tmp_path, published=False) as store:
        await of(store, "good", HUB).file_given(MODEL, HUB)
        stored = await store.snapshot(MODEL.key)
        assert stored is not None
        assert (stored.public, stored.published) == (False, False)
        assert await store.withheld(MODEL.key, MODEL.layout.blobs, [], inf)


async def test_an_endpoint_of_ones_own_closes_nothing_by_that(tmp_path: Path) -> None:
    async with listed(tmp_path) as store:
        await of(store, "his", HIS).file_given(MODEL, HIS)
        assert await store.audience(MODEL.key) == "everyone"


@pytest.mark.parametrize(
    ("urls", "number", "why", "closes"),
    [
        ([HUB, MIRROR], 0, Gated("licence"), True),
        ([HUB, MIRROR], 1, Gated("licence"), True),
        ([HUB, MIRROR], 0, NoSuchRepo("gone"), True),
        ([HUB, MIRROR], 1, NoSuchRepo("not copied yet"), False),
        ([HUB], 0, NotAllowed("says a proxy"), False),
        ([HUB], 0, NotFound("a file that is missing"), False),
        ([HIS], 0, Gated("says who?"), False),
    ],
)
async def test_a_file_that_is_refused(
    tmp_path: Path, urls: list[str], number: int, why: SwarmError, closes: bool
) -> None:
    async with listed(tmp_path) as store:
        await of(store, None, *urls).file_refused(MODEL, Endpoint(urls[number]), why)
        assert (await store.audience(MODEL.key) == "members") == closes


async def test_a_token_that_a_file_is_refused_to_is_good_no_more(tmp_path: Path) -> None:
    async with listed(tmp_path) as store:
        for token in ("good", "other"):
            await of(store, token, HUB).file_given(MODEL, HUB)
        await of(store, "good", HUB).file_refused(MODEL, Endpoint(HUB, "good"), NotFound("no such file"))
        assert await may(store, "good")
        await of(store, "good", HUB).file_refused(MODEL, Endpoint(HUB, "good"), NotAllowed("no more"))
        assert [await may(store, token) for token in ("good", "other")] == [False, True]
