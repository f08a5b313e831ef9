"""Against a real Olah 0.5.4, where there is one (see tests/software.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from swarm.cli.demo_repo import Repository
from swarm.errors import NotFound
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.http import open_client
from swarm.upstreams.huggingface import HuggingFace
from swarm.upstreams.pool import UpstreamPool
from tests.hub.faults import FaultyHub
from tests.hub.olah import Olah, mirrored, olah_cli
from tests.upstreams.hubs import CHUNK, REPO, Collector, seeded

FILES = {
    "README.md": b"# a model",
    "config.json": b'{"hidden_size": 8}',
    "sub/folder/notes.txt": b"here",
    "weights.safetensors": seeded(40 * CHUNK + 11),
}


@pytest.fixture
def cli() -> Path:
    return olah_cli()


async def fetch_all(hub: HuggingFace, revision: str = "main") -> Collector:
    """Everything, in four orders at a time as a scheduler would."""
    snapshot = (await hub.resolve(REPO, revision=revision)).snapshot
    assert {file.path for file in snapshot.files} >= set(FILES)
    upstream = UpstreamPool(hub, snapshot)
    got = Collector()
    total = snapshot.layout.total
    async with trio.open_nursery() as nursery:
        for part in range(4):
            span = range(total * part // 4, total * (part + 1) // 4)
            nursery.start_soon(upstream.fetch, span, got)
    await upstream.aclose()
    got.check(snapshot)
    return got


async def test_local_mirrors(cli: Path, tmp_path: Path) -> None:
    commit = mirrored(tmp_path / "mirrors", REPO, FILES, tag="v1")
    with Olah(cli, tmp_path / "olah", mirrors=tmp_path / "mirrors") as olah:
        async with open_client() as client:
            hub = HuggingFace(client, [Endpoint(olah.url)])
            for revision in ("main", "v1", commit):
                assert (await hub.resolve(REPO, revision=revision)).snapshot.commit == commit
            await fetch_all(hub)
            with pytest.raises(NotFound):
                await hub.resolve("ns/other")


async def test_an_olah_that_lacks_it_before_a_hub_that_has_it(cli: Path, tmp_path: Path) -> None:
    mirrored(tmp_path / "mirrors", "ns/other", FILES)
    repository = Repository(REPO, FILES)
    with (
        Olah(cli, tmp_path / "olah", mirrors=tmp_path / "mirrors") as olah,
        FaultyHub(repositories=[repository]) as real,
    ):
        async with open_client() as client:
            hub = HuggingFace(client, [Endpoint(olah.url), Endpoint(real.url)])
            assert (await hub.resolve(REPO)).endpoint == real.url
            got = await fetch_all(hub)
    assert set(got.sources) == {real.url}


async def test_a_proxy_of_a_hub(cli: Path, tmp_path: Path) -> None:
    with FaultyHub(repositories=[Repository(REPO, FILES)], cdn_host="127.0.0.1") as real:
        authority = real.url.removeprefix("http://")
        with Olah(cli, tmp_path / "olah", hub=authority) as olah:
            async with open_client() as client:
                await fetch_all(HuggingFace(client, [Endpoint(olah.url)]))
