"""Resolving names against hubs in memory."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from protocol.manifest import RepoType
from swarm.cli.demo_repo import Kind, Repository
from swarm.errors import NoSource, NotAllowed, NotFound, SwarmError, UsageError
from swarm.upstreams import huggingface
from swarm.upstreams.endpoint import Endpoint
from tests.hub.faults import Faults
from tests.hub.transport import site, url
from tests.upstreams.hubs import CANARY, FILES, REPO, Hubs, repository


def one(**faults: Any) -> Hubs:
    """A single hub with these faults."""
    return Hubs(hub=site("hub", repository(), faults=Faults(**faults)))


def with_token(**faults: Any) -> Hubs:
    """The same; the client has a token, and so has the hub."""
    return Hubs(CANARY, hub=site("hub", repository(), faults=Faults(token=CANARY, **faults)))


async def test_a_branch_resolves_to_commit_sizes_and_digests() -> None:
    source = repository()
    async with Hubs(hub=site("hub", source)) as hub:
        found = await hub.resolve(REPO)
    (commit,) = source.commits
    assert found.snapshot.commit == commit
    assert (found.ref, found.public, found.endpoint, found.renamed_to) == ("main", True, url("hub"), None)
    told = {file.path: file.blob for file in found.snapshot.files}
    assert set(told) == set(FILES)
    for path, content in FILES.items():
        assert isinstance(content, bytes)
        told[path].check(content)
    assert {path for path, blob in told.items() if blob.algorithm == "sha256"} == {
        "weights/model.safetensors",
        "weights/copy.safetensors",
    }


async def test_metadata_takes_one_request_however_many_files_there_are() -> None:
    files = {f"part-{number:05}.txt": b"%d" % number for number in range(3000)}
    hubs = Hubs(hub=site("hub", Repository(REPO, files)))
    async with hubs as hub:
        found = await hub.resolve(REPO)
    assert [file.path for file in found.snapshot.files] == sorted(files)
    assert len(hubs.transport.asked) == 1


async def test_a_hub_that_does_not_list_all_at_once_says_the_same_page_by_page() -> None:
    hubs = one(plain=True)
    async with hubs as hub, one() as other:
        assert (await hub.resolve(REPO)).snapshot == (await other.resolve(REPO)).snapshot
    assert len(hubs.transport.asked) == 2


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
async def test_every_kind_of_repository(kind: Kind) -> None:
    async with Hubs(hub=site("hub", repository(kind=kind))) as hub:
        assert (await hub.resolve(REPO, kind)).snapshot.repo_type == kind
        others: list[RepoType] = [other for other in ("model", "dataset", "space") if other != kind]
        for other in others:
            with pytest.raises(NotFound):
                await hub.resolve(REPO, other)


async def test_a_name_without_namespace() -> None:
    async with Hubs(hub=site("hub", repository("gpt2"))) as hub:
        assert (await hub.resolve("gpt2")).snapshot.repo == "gpt2"


@pytest.mark.parametrize(
    "ref", ["refs/tags/v1.0", "refs/heads/feature/x", "refs/pr/1", "refs/convert/parquet"]
)
async def test_tags_branches_with_slashes_and_pull_requests(ref: str) -> None:
    source = repository()
    commit = source.commit({"only.txt": b"here"}, ref=ref)
    asked = ref.removeprefix("refs/tags/").removeprefix("refs/heads/")
    async with Hubs(hub=site("hub", source)) as hub:
        found = await hub.resolve(REPO, revision=asked)
    assert (found.snapshot.commit, found.ref) == (commit, asked)
    assert [file.path for file in found.snapshot.files] == ["only.txt"]


async def test_a_commit_is_no_ref() -> None:
    source = repository()
    (old,) = source.commits
    source.commit({"new.txt": b"new"})
    async with Hubs(hub=site("hub", source)) as hub:
        found = await hub.resolve(REPO, revision=old)
        assert (found.snapshot.commit, found.ref) == (old, None)
        assert (await hub.resolve(REPO, revision=old[:8])).snapshot.commit == old


async def test_a_hub_that_gives_another_commit_than_asked_for_is_not_believed(
    autojump_clock: MockClock,
) -> None:
    source = repository()
    (commit,) = source.commits
    async with Hubs(hub=site("hub", source, faults=Faults(other_commit=True))) as hub:
        with pytest.raises(NoSource, match="it gives commit 0000"):
            await hub.resolve(REPO, revision=commit)


@pytest.mark.parametrize("link", ["absolute", "relative", "foreign"])
async def test_all_pages_of_a_listing(link: str) -> None:
    files = {f"part-{number:03}.txt": b"%d" % number for number in range(25)}
    paged = site("hub", Repository(REPO, files), faults=Faults(link=link, plain=True))
    paged.page_entries = 10
    hubs = Hubs(hub=paged)
    async with hubs as hub:
        found = await hub.resolve(REPO)
    assert [file.path for file in found.snapshot.files] == sorted(files)
    assert {request.url.host for request in hubs.transport.asked} == {"hub.test"}
    assert len(hubs.transport.asked) == 4


async def test_pages_that_lead_in_a_circle_are_refused(autojump_clock: MockClock) -> None:
    paged = site("hub", repository(), faults=Faults(link="loop", plain=True))
    paged.page_entries = 2
    async with Hubs(hub=paged) as hub:
        with pytest.raises(NoSource, match="a listing without end"):
            await hub.resolve(REPO)


async def test_a_renamed_repository_keeps_the_name_it_was_asked_by() -> None:
    async with one(renamed={"old/name": REPO}) as hub:
        found = await hub.resolve("old/name")
    assert (found.snapshot.repo, found.renamed_to) == ("old/name", REPO)


async def test_an_endpoint_under_a_path_prefix_keeps_it() -> None:
    hubs = one()
    async with hubs:
        prefixed = huggingface.HuggingFace(hubs.client, [Endpoint("https://hub.test/some/hf/")])
        with pytest.raises(NotFound):
            await prefixed.resolve(REPO)
    assert hubs.transport.asked[0].url.path == f"/some/hf/api/models/{REPO}/revision/main"


@pytest.mark.parametrize("name", ["", "a/b/c", "../etc", "ns/..", "ns/na me", "ns/", "héllo/x"])
async def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    hubs = one()
    async with hubs as hub:
        with pytest.raises(UsageError):
            await hub.resolve(name)
    assert hubs.transport.asked == []


# --- refusals -------------------------------------------------------------------------------------


async def test_missing_repository() -> None:
    async with one() as hub:
        with pytest.raises(NotFound, match=r"does not exist on https://hub\.test, or is private"):
            await hub.resolve("ns/other")


async def test_missing_revision() -> None:
    async with one() as hub:
        with pytest.raises(NotFound, match="has no revision 'nope'"):
            await hub.resolve(REPO, revision="nope")


async def test_disabled_repository() -> None:
    async with one(disabled=True) as hub:
        with pytest.raises(NotFound, match="has been disabled"):
            await hub.resolve(REPO)


async def test_private_repository_without_a_token() -> None:
    async with one(private=True) as hub:
        with pytest.raises(NotFound, match="or is private"):
            await hub.resolve(REPO)


async def test_private_repository_with_a_token_is_not_public() -> None:
    async with with_token(private=True) as hub:
        assert not (await hub.resolve(REPO)).public


async def test_a_wrong_token() -> None:
    hubs = Hubs("hf_stale", hub=site("hub", repository(), faults=Faults(token=CANARY, private=True)))
    async with hubs as hub:
        with pytest.raises(NotAllowed, match="did not accept the token"):
            await hub.resolve(REPO)


async def test_gated_repository_without_a_token() -> None:
    async with one(gated=True) as hub:
        with pytest.raises(NotAllowed, match="is gated") as refused:
            await hub.resolve(REPO)
    assert "HF_TOKEN" in refused.value.advice


async def test_gated_repository_without_access() -> None:
    async with with_token(gated=True, granted=False) as hub:
        with pytest.raises(NotAllowed, match="your account has no access") as refused:
            await hub.resolve(REPO)
    assert refused.value.advice.startswith("Accept its licence")


async def test_gated_repository_with_access_is_not_public() -> None:
    async with with_token(gated=True) as hub:
        assert not (await hub.resolve(REPO)).public


async def test_a_token_is_not_shown_where_none_is_needed() -> None:
    hubs = with_token()
    async with hubs as hub:
        assert (await hub.resolve(REPO)).public
    assert not [request for request in hubs.transport.asked if "authorization" in request.headers]


@pytest.mark.parametrize(
    ("path", "rule"),
    [("../evil", "'..'"), ("/etc/passwd", "absolute"), ("a\\b", "backslash"), ("aux.txt", "device name")],
)
async def test_file_names_that_lead_out_of_the_folder(path: str, rule: str) -> None:
    entry = {"type": "file", "path": path, "size": 1, "oid": "00" * 20}
    async with one(files={"x": entry}) as hub:
        with pytest.raises(SwarmError, match=f"cannot be stored safely.*{rule}") as refused:
            await hub.resolve(REPO)
    assert "must rename that file" in refused.value.advice


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "file", "path": "x", "size": 1},
        {"type": "file", "path": "x", "size": 1, "oid": "an-opaque-tag"},
        {"type": "file", "path": "x", "size": -1, "oid": "00" * 20},
        {"type": "file", "path": "x", "size": "1", "oid": "00" * 20},
        {"type": "file", "path": "x", "size": 1, "oid": "00" * 20, "lfs": {"size": 1}},
        {"type": "file", "path": "x", "size": 1, "oid": "00" * 20, "lfs": {"oid": "00" * 20, "size": 1}},
        {"type": "file", "oid": "00" * 20, "size": 1},
        "x",
    ],
)
async def test_a_listing_that_cannot_be_checked_is_not_used(entry: object, autojump_clock: MockClock) -> None:
    broken = site("hub", repository(), faults=Faults(files={"x": entry}))
    async with Hubs(hub=broken, mirror=site("mirror", repository())) as hub:
        assert (await hub.resolve(REPO)).endpoint == url("mirror")


async def test_xet_is_not_taken_up() -> None:
    hubs = one(xet=True, plain=True)
    async with hubs as hub:
        await hub.resolve(REPO)
    assert len(hubs.transport.asked) == 2


# --- endpoints that fail --------------------------------------------------------------------------


async def test_one_refused_connection_is_made_up_for_and_then_reported(autojump_clock: MockClock) -> None:
    hubs = one()
    hubs.transport.down.add("hub.test")
    async with hubs as hub:
        with pytest.raises(NoSource, match=r"cannot connect to hub\.test"):
            await hub.resolve(REPO)
    assert len(hubs.transport.asked) == huggingface.ATTEMPTS_UNANSWERED
    assert trio.current_time() == huggingface.FIRST_PAUSE_SECONDS


async def test_the_next_endpoint_is_asked_when_one_is_down(autojump_clock: MockClock) -> None:
    hubs = Hubs(hub=site("hub", repository()), mirror=site("mirror", repository()))
    hubs.transport.down.add("hub.test")
    async with hubs as hub:
        assert (await hub.resolve(REPO)).endpoint == url("mirror")
    assert trio.current_time() == 0


async def test_the_next_endpoint_is_asked_when_one_is_silent(autojump_clock: MockClock) -> None:
    silent = site("hub", repository(), faults=Faults(delay=3600))
    async with Hubs(hub=silent, mirror=site("mirror", repository())) as hub:
        assert (await hub.resolve(REPO)).endpoint == url("mirror")
    assert trio.current_time() == 30


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
async def test_the_next_endpoint_is_asked_when_one_is_overloaded(
    status: int, autojump_clock: MockClock
) -> None:
    overloaded = site("hub", repository(), faults=Faults(status=status))
    async with Hubs(hub=overloaded, mirror=site("mirror", repository())) as hub:
        assert (await hub.resolve(REPO)).endpoint == url("mirror")
    assert trio.current_time() == 0


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"RateLimit": '"api";r=0;t=42', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}, 42.0),
        ({"RateLimit": '"api";r=3;t=42'}, 1.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 1.0),
        ({}, 1.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_an_overloaded_hub_is_asked_again_when_it_says(
    status: int, headers: dict[str, str], waited: float, autojump_clock: MockClock
) -> None:
    hubs = one(status=status, times=1, headers=headers)
    async with hubs as hub:
        await hub.resolve(REPO)
    assert trio.current_time() == waited
    reason = "too many requests" if status == 429 else "status 503"
    told = "" if waited == 1.0 else f" (it says: wait {waited:.0f} s)"
    assert hubs.notes == [f"https://hub.test: {reason}{told}; trying again in {waited:.0f} s"]


async def test_nobody_waits_for_an_hour(autojump_clock: MockClock) -> None:
    async with one(status=429, headers={"Retry-After": "3600"}) as hub:
        with pytest.raises(NoSource, match="too many requests"):
            await hub.resolve(REPO)
    assert trio.current_time() == 0


async def test_a_hub_that_stays_overloaded_ends_in_an_error(autojump_clock: MockClock) -> None:
    hubs = one(status=502)
    async with hubs as hub:
        with pytest.raises(NoSource, match="status 502"):
            await hub.resolve(REPO)
    assert len(hubs.transport.asked) == huggingface.ATTEMPTS
    assert trio.current_time() == 1 + 2 + 4


async def test_what_is_no_hub_is_reported_as_such(autojump_clock: MockClock) -> None:
    async with one(status=200) as hub:
        with pytest.raises(NoSource, match="is this the base URL of a hub"):
            await hub.resolve(REPO)


async def test_an_olah_that_lacks_it_is_no_reason_to_give_up(autojump_clock: MockClock) -> None:
    olah = site("olah", repository("some/other"), faults=Faults(olah=True))
    async with Hubs(olah=olah, hub=site("hub", repository())) as hub:
        assert (await hub.resolve(REPO)).endpoint == url("hub")


async def test_an_olah_that_has_it(autojump_clock: MockClock) -> None:
    async with Hubs(olah=site("olah", repository(), faults=Faults(olah=True))) as hub:
        assert len((await hub.resolve(REPO)).snapshot.files) == len(FILES)


async def test_the_clear_word_of_one_outweighs_the_unclear_of_another(autojump_clock: MockClock) -> None:
    olah = site("olah", repository(), faults=Faults(olah=True))
    async with Hubs(olah=olah, hub=site("hub", repository())) as hub:
        with pytest.raises(NotFound, match="has no revision 'nope'"):
            await hub.resolve(REPO, revision="nope")


async def test_the_first_says_no_and_the_others_are_out_of_reach(autojump_clock: MockClock) -> None:
    hubs = Hubs(hub=site("hub", repository()), mirror=site("mirror", repository()))
    hubs.transport.down.add("mirror.test")
    async with hubs as hub:
        with pytest.raises(NotFound):
            await hub.resolve(REPO, revision="nope")
    assert trio.current_time() == 0


async def test_a_mirror_that_lacks_it_does_not_speak_for_a_hub_out_of_reach(
    autojump_clock: MockClock,
) -> None:
    hubs = Hubs(hub=site("hub", repository()), mirror=site("mirror", repository("some/other")))
    hubs.transport.down.add("hub.test")
    async with hubs as hub:
        with pytest.raises(
            NoSource, match=r"cannot connect to hub.test.*mirror.test: ns/model does not exist"
        ):
            await hub.resolve(REPO)


async def test_both_say_no(autojump_clock: MockClock) -> None:
    async with Hubs(hub=site("hub", repository()), mirror=site("mirror", repository())) as hub:
        with pytest.raises(NotFound):
            await hub.resolve("no/such")
