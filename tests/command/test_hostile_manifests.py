"""A real daemon whose hub is out of reach, and a peer that says what the model is.

Of an evil manifest nothing is taken, and it costs no memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from blake3 import blake3

from protocol import codec
from protocol.codec import BadEncoding
from protocol.ids import SnapshotKey
from protocol.limits import MAX_DATA_PAYLOAD, MAX_MANIFEST, MIB
from protocol.messages import Found, Lookup, ManifestPart, NeedManifest
from swarm.client.remote import RemoteNode
from swarm.errors import NoSource
from swarm.transfer.requests import GetRequest, GetResult
from tests.command.attacker import Victim, heard, stranger
from tests.command.hubs import REPO, closed_port
from tests.command.machine import SECONDS, Machine, contents
from tests.protocol.evil import BAD_PATHS, CLASHES

SPARE = 24 * MIB
COMMIT = "0123456789abcdef0123456789abcdef01234567"
Parts = Callable[[SnapshotKey, bytes], Iterator[ManifestPart]]

EMPTY = ["git-sha1", bytes.fromhex("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"), 0]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A daemon that has nothing and reaches no hub."""
    machine = Machine(tmp_path_factory.mktemp("victim"), closed_port())
    with machine.daemon() as daemon:
        yield Victim(machine, daemon)


def manifest(*paths: str, repo: str = REPO, commit: str = COMMIT) -> bytes:
    """Of empty files with these names."""
    rows = [[path, *EMPTY] for path in sorted(paths, key=str.encode)]
    return codec.encode(["hf", "model", repo, commit, rows])


def whole(key: SnapshotKey, encoded: bytes) -> Iterator[ManifestPart]:
    for at in range(0, len(encoded), MAX_DATA_PAYLOAD):
        yield ManifestPart(key, at, len(encoded), encoded[at : at + MAX_DATA_PAYLOAD])


def first_of_many(key: SnapshotKey, encoded: bytes) -> Iterator[ManifestPart]:
    """As of the largest there can be."""
    yield ManifestPart(key, 0, MAX_MANIFEST, encoded)


def first_of_too_many(key: SnapshotKey, encoded: bytes) -> Iterator[ManifestPart]:
    """As no honest node could say it."""
    part = ManifestPart(key, 0, MAX_MANIFEST, encoded)
    object.__setattr__(part, "size", 8 * MAX_MANIFEST)
    yield part


async def told(
    victim: Victim,
    encoded: bytes,
    *,
    repo: str = REPO,
    commit: str = COMMIT,
    parts: Parts = whole,
) -> GetResult | NoSource:
    """What becomes of a get when a peer offers this manifest under the model's name, and then leaves."""
    key, peer = SnapshotKey(blake3(encoded).digest()), stranger()
    async with (
        peer.linked(victim.address, "control") as control,
        peer.linked(victim.address, "bulk") as bulk,
        trio.open_nursery() as nursery,
    ):

        async def offer() -> None:
            question = await heard(control, Lookup)
            control.say(Found(question.request, key, commit))
            await heard(bulk, NeedManifest)
            bulk.say(*parts(key, encoded))
            if parts is not whole:
                bulk.say(NeedManifest(key))  # its answer says that the parts were read
                while bulk.open and bulk.heard[-1] != ManifestPart(key, 0, 0, b""):
                    await bulk.link.news()
                bulk.link.cut("there is no more")

        nursery.start_soon(offer)
        outcome = await get(victim, repo)
        nursery.cancel_scope.cancel()
    return outcome


async def get(victim: Victim, repo: str) -> GetResult | NoSource:
    node = RemoteNode(victim.machine.home / "control.sock")
    ask = partial(node.get, GetRequest("hf", repo, offline=True), lambda _: None)
    with trio.fail_after(SECONDS):
        try:
            return await trio.to_thread.run_sync(ask, abandon_on_cancel=True)
        except NoSource as error:
            return error


async def refuses(victim: Victim, encoded: bytes, **how: Any) -> bool:
    """Whether the get found no source, and nothing was written."""
    return isinstance(await told(victim, encoded, **how), NoSource) and untouched(victim)


def untouched(victim: Victim) -> bool:
    """Whether nothing was written but what a daemon writes in any case."""
    written = {Path(path).parts[0] for path in contents(victim.machine.folder)}
    return written == {"home"} and not contents(victim.machine.home / "store" / "blobs")


def encodable(path: str) -> bool:
    try:
        return bool(codec.encode(path))
    except BadEncoding:
        return False


EVIL = {name: [path] for name, path in BAD_PATHS.items() if encodable(path)} | CLASHES


@pytest.mark.parametrize("paths", EVIL.values(), ids=EVIL.keys())
async def test_names_that_no_manifest_may_hold(victim: Victim, paths: list[str]) -> None:
    assert await refuses(victim, manifest("fine", *paths))


@pytest.mark.parametrize("commit", ["..", "../../x", "a/b", "nul"])
async def test_commits_that_are_no_name(victim: Victim, commit: str) -> None:
    assert await refuses(victim, manifest("fine", commit=commit), commit=commit)


async def test_ten_million_files_that_are_not_there(victim: Victim) -> None:
    head = manifest().removesuffix(b"\x90")
    rows = codec.encode(["x", *EMPTY]) * 10_000
    with victim.needing_less_than(SPARE):
        assert await refuses(victim, head + b"\xdd" + struct.pack("!I", 10_000_000) + rows)


@pytest.mark.parametrize("parts", [first_of_many, first_of_too_many])
async def test_a_length_costs_nothing(victim: Victim, parts: Parts) -> None:
    """Memory is for what came, not for what is said to come."""
    with victim.needing_less_than(SPARE):
        assert await refuses(victim, manifest("fine"), parts=parts)


async def test_what_is_refused_here_is_refused_for_its_names(victim: Victim) -> None:
    """The same with nothing evil in it is taken, and so told of."""
    result = await told(victim, manifest("fine", "a/b", repo="ns/fine"), repo="ns/fine")
    assert isinstance(result, GetResult)
    assert result.verified == "manifest"
    assert {file.path for file in result.files} == {"fine", "a/b"}
