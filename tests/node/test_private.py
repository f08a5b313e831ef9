"""Private models among the members of a site: who has them from whom, and who hears of them at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import trio
from trio.testing import MockClock

from protocol.connection import Connection, Laid
from protocol.ids import private_topic
from protocol.limits import KIB
from protocol.messages import (
    BulkMessage,
    Claims,
    ControlMessage,
    Data,
    Fetching,
    Have,
    Lease,
    ManifestPart,
)
from swarm.errors import NoSource, NotAllowed, NotFound
from swarm.sources import SourceFailed
from tests.hub.faults import Faults
from tests.leaks import leaks
from tests.node.private_lan import CONFIG, REPO, TOKEN, WEIGHTS, PrivateLan, private_lan
from tests.node.site_lan import SOON
from tests.upstreams.hubs import CHUNK, seeded

SIZE = len(WEIGHTS) + len(CONFIG)

WRONG = "hf_Wrong+canary/of=another%kind?9876543210"


async def test_a_member_has_it_from_a_member(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with private_lan(tmp_path) as at:
        await at.members(1, 2, 3)
        assert await at.get(1) == {"upstream": SIZE}
        sent = at.sent
        assert await at.get(2) == {"peer": SIZE}
        await at.site.lan.crash(1)
        assert await at.get(3) == {"peer": SIZE}, "whoever had it from a member passes it on"
        assert at.sent == sent
        assert [await at.audience(number) for number in (2, 3)] == ["members"] * 2


async def test_members_that_want_it_at_once_pay_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with private_lan(tmp_path) as at:
        await at.members(1, 2, 3)
        async with trio.open_nursery() as nursery:
            for number in (1, 2, 3):
                nursery.start_soon(at.get, number)
        assert at.sent < 1.1 * SIZE


@pytest.mark.parametrize(("giver", "taker"), [(False, True), (True, False), (False, False)])
async def test_who_does_not_share_goes_to_the_hub(
    tmp_path: Path, autojump_clock: MockClock, giver: bool, taker: bool
) -> None:
    async with private_lan(tmp_path) as at:
        await at.members(1, share_private=giver)
        await at.members(2, share_private=taker)
        await at.get(1)
        assert await at.get(2) == {"upstream": SIZE}
        names = ("hf", "model", REPO, "main")
        if not giver:
            assert await at.site.lan.nodes[2].exchange.asking.lookup(*names) == []


async def test_bytes_that_are_here_are_for_whom_the_hub_lets_have_them(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with private_lan(tmp_path) as at:
        await at.members(1, 2)
        await at.get(1)
        assert await at.get(2) == {"peer": SIZE}
        commit = (await at.result(2)).commit
        for revision in (None, commit):
            with pytest.raises(NotFound):
                await at.get(2, None, revision)
            with pytest.raises(NotAllowed):
                await at.get(2, WRONG, revision)
        at.cut_off(2)
        for revision in (None, commit):
            for token in (None, WRONG):
                with pytest.raises(NotAllowed, match="hub cannot be asked"):
                    await at.get(2, token, revision)
            assert await at.get(2, revision=revision) == {"local": SIZE}


# --- the hub out of reach -------------------------------------------------------------------------------


async def with_news(at: PrivateLan, private_offline: str = "closed") -> str:
    """Machine 2 has had the model; 1 gets a new commit of it, that 2 cannot ask the hub about. The commit."""
    await at.members(1, 2, private_offline=private_offline)
    await at.get(2)
    commit = at.repository.commit({"config.json": CONFIG, "weights.safetensors": WEIGHTS[::-1]})
    await at.get(1)
    at.cut_off(2)
    return commit


async def test_what_a_member_says_is_private_is_so_here(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with private_lan(tmp_path) as at:
        commit = await with_news(at)
        sent = at.sent
        assert await at.get(2, revision=commit) == {"peer": len(WEIGHTS), "local": len(CONFIG)}
        assert at.sent == sent
        assert await at.key(2) == await at.key(1)
        assert await at.audience(2) == "members"
        (new, _) = await at.site.lan.nodes[2].store.snapshots()
        assert (new.public, new.private) == (False, True)
        for token in (None, WRONG):
            with pytest.raises(NotAllowed, match="hub cannot be asked"):
                await at.get(2, token, commit)


@pytest.mark.parametrize("private_offline", ["closed", "known"])
async def test_a_token_that_was_good_some_time_ago(
    tmp_path: Path, autojump_clock: MockClock, private_offline: str
) -> None:
    async with private_lan(tmp_path) as at:
        commit = await with_news(at, private_offline)
        at.site.wall.pass_days(1)
        await trio.sleep(SOON)
        before = await at.site.lan.nodes[2].store.size()
        if private_offline == "known":
            assert (await at.get(2, revision=commit))["peer"] == len(WEIGHTS)
        else:
            with pytest.raises(NotAllowed, match="private_offline"):
                await at.get(2, revision=commit)
            assert await at.site.lan.nodes[2].store.size() == before
        with pytest.raises(NotAllowed):
            await at.get(2, WRONG, commit)


async def test_a_token_that_the_hub_never_saw_here(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Known or not, a member's word opens nothing to anybody."""
    async with private_lan(tmp_path) as at:
        await at.members(1, 2, private_offline="known")
        await at.get(1)
        at.cut_off(2)
        with pytest.raises(NotAllowed, match="hub cannot be asked"):
            await at.get(2)
        assert await at.site.lan.nodes[2].store.size() == 0


@pytest.mark.parametrize(("giver", "taker"), [(False, True), (True, False)])
async def test_who_does_not_share_neither_tells_nor_hears_what_it_is(
    tmp_path: Path, autojump_clock: MockClock, giver: bool, taker: bool
) -> None:
    async with private_lan(tmp_path) as at:
        await at.members(1, share_private=giver)
        await at.members(2, share_private=taker)
        await at.get(1)
        at.cut_off(2)
        with pytest.raises(NoSource):
            await at.get(2)
        assert await at.site.lan.nodes[2].store.snapshots() == []


# --- strangers ------------------------------------------------------------------------------------------


async def test_an_open_peer_has_nothing_of_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Not even one that has it itself, shares it, and knows how members call it."""
    async with private_lan(tmp_path) as at:
        await at.members(1, 2, serves_open=True)
        await at.start(9)
        await trio.sleep(SOON)
        assert at.site.standing(1) == {2: "member", 9: "open"}
        await at.get(1)
        assert await at.get(9) == {"upstream": SIZE}
        stranger, key = at.site.lan.nodes[9].exchange.asking, await at.key(9)
        assert key == await at.key(1)
        assert await stranger.lookup("hf", "model", REPO, "main") == []
        for topic in (key, private_topic(key)):
            with pytest.raises(SourceFailed, match="does not have the manifest"):
                await stranger.manifest(at.site.me(1).node_id, topic)
        await trio.sleep(60)  # it may be called again by now
        assert await at.site.lan.nodes[2].exchange.asking.manifest(at.site.me(1).node_id, private_topic(key))
        assert await at.get(2) == {"peer": SIZE}
        assert at.site.lan.nodes[9].payload == 0


async def test_who_leaves_the_site_is_told_no_more(tmp_path: Path, autojump_clock: MockClock) -> None:
    """It stays as an open peer, as both link with such."""
    async with private_lan(tmp_path) as at:
        await at.members(1, 2, serves_open=True)
        await at.get(1)
        await at.get(2)
        at.site.folder(2).path.rename(tmp_path / "left")
        await trio.sleep(2 * SOON)
        assert at.site.standing(1) == {2: "open"}
        key = await at.key(1)
        with pytest.raises(SourceFailed):
            await at.site.lan.nodes[2].exchange.asking.manifest(at.site.me(1).node_id, private_topic(key))


async def test_who_is_put_out_has_no_more_of_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with private_lan(tmp_path) as at:
        await at.members(1, 2)
        await at.get(1)
        at.site.revoke(1, 2)
        await trio.sleep(SOON)
        assert await at.get(2) == {"upstream": SIZE}


# --- public until now -----------------------------------------------------------------------------------


async def test_a_transfer_leaves_what_turns_out_to_be_private(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """An open peer is in the middle of having it from this node, which has it from the hub still."""
    said: list[ControlMessage | BulkMessage] = []
    async with private_lan(tmp_path, Faults(token=TOKEN, rate=20 * KIB)) as at:
        await at.start(1)
        await at.start(2)
        at.cut_off(2)
        await trio.sleep(SOON)
        with overheard(said):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(at.get, 1)
                nursery.start_soon(refused, at, 2)
                await trio.sleep(20)
                one, two = at.site.lan.nodes[1], at.site.lan.nodes[2]
                assert two.payload
                at.hub.set({"private": True})
                with pytest.raises(NotFound):
                    await at.get(1, None)
                await trio.sleep(0.1)  # what was on its way
                before = two.payload
                del said[:]
                assert one.transfers.is_running(await at.key(1))
                assert await two.exchange.asking.lookup("hf", "model", REPO, "main") == []
        assert two.payload == before
        assert not any(isinstance(message, Have | Lease | Fetching | Claims) for message in said)
        assert await at.audience(1) == "members"


@pytest.mark.parametrize("token", [TOKEN, None])
async def test_a_hub_that_closes_a_model_while_it_is_fetched(
    tmp_path: Path, autojump_clock: MockClock, token: str | None
) -> None:
    """Nobody asks what it is: that the next file is refused, or given for the token alone, tells."""
    async with private_lan(tmp_path, Faults(token=TOKEN, rate=20 * KIB)) as at:
        at.repository.commit(
            {f"weights-{number}.safetensors": seeded(2 * CHUNK, number) for number in range(40)}
        )
        await at.start(1)
        await at.start(9)
        await trio.sleep(SOON)
        asked = ("hf", "model", REPO, "main")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fetched if token else lost, at, token)
            await trio.sleep(10)
            stranger = at.site.lan.nodes[9].exchange.asking
            assert await stranger.lookup(*asked)
            at.hub.set({"gated": True})
            await trio.sleep(40)
            assert at.site.lan.nodes[1].transfers.is_running(await at.key(1)) == bool(token)
            assert await stranger.lookup(*asked) == []
            with pytest.raises(SourceFailed):
                await stranger.manifest(at.site.me(1).node_id, await at.key(1))
        (summary,) = await at.site.lan.nodes[1].store.snapshots()
        assert (summary.public, summary.private) == (False, bool(token))
        if token:
            at.cut_off(1)
            with pytest.raises(NotAllowed):
                await at.result(1, None)


async def fetched(at: PrivateLan, token: str | None) -> None:
    await at.result(1, token)


async def lost(at: PrivateLan, token: str | None) -> None:
    with pytest.raises(NoSource):
        await at.result(1, token)


async def refused(at: PrivateLan, number: int) -> None:
    with pytest.raises(NoSource):
        await at.get(number)


# --- tokens ---------------------------------------------------------------------------------------------


async def test_no_token_is_said_to_a_peer(tmp_path: Path, autojump_clock: MockClock) -> None:
    """All that is said between nodes, before it is encrypted, and all that lies on their disks."""
    said: list[ControlMessage | BulkMessage] = []
    async with private_lan(tmp_path) as at:
        with overheard(said):
            commit = await with_news(at)
            await at.get(2, revision=commit)
            for token in (None, WRONG):
                with pytest.raises(NotAllowed):
                    await at.get(2, token, commit)
    sent = [repr(message).encode() for message in said]
    sent += [bytes(message.payload) for message in said if isinstance(message, Data | ManifestPart)]
    assert any(REPO.encode() in message for message in sent), "names are said"
    for data in (*sent, *written_below(tmp_path)):
        assert not leaks(data, TOKEN, WRONG)


@contextmanager
def overheard(said: list[ControlMessage | BulkMessage]) -> Iterator[None]:
    """What nodes say to each other, as it is encrypted. Payloads are copied."""
    sealing, sealing_laid = Connection.seal, Connection.seal_laid

    def note(message: ControlMessage | BulkMessage) -> None:
        said.append(message)
        if isinstance(message, Data | ManifestPart):
            said[-1] = replace(message, payload=bytes(message.payload))

    def noted(self: Connection, message: ControlMessage | BulkMessage) -> memoryview:
        note(message)
        return sealing(self, message)

    def noted_laid(self: Connection, laid: Laid) -> memoryview:
        note(laid.message)
        return sealing_laid(self, laid)

    with patch.object(Connection, "seal", noted), patch.object(Connection, "seal_laid", noted_laid):
        yield


def written_below(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
