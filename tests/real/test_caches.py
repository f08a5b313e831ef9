"""Caches in other states than empty, and what clients do to them afterwards: neither the cache nor the store
comes to harm."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from swarm.cli.demo_repo import Repository
from tests.command.machine import contents
from tests.hub.faults import FaultyHub
from tests.real.conftest import MakeMachine
from tests.real.machine import Machine, bytes_by, content_gets
from tests.software import CLIENTS, Client

NAME = "org/model"
FILES: dict[str, bytes | Path] = {
    "config.json": b"{}",
    "deep/er/model.safetensors": random.Random(2).randbytes(2_000_000),
}

DOWNLOAD = """
import json, sys
from huggingface_hub import snapshot_download
name, *force = sys.argv[1:]
print(json.dumps(snapshot_download(name, force_download=bool(force))))
"""

SCAN = """
import json
from huggingface_hub import scan_cache_dir
info = scan_cache_dir()
print(json.dumps([[str(warning) for warning in info.warnings], info.size_on_disk]))
"""

REMOVE = """
import json, sys
from huggingface_hub import scan_cache_dir
scan_cache_dir().delete_revisions(sys.argv[1]).execute()
print(json.dumps(None))
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[FaultyHub]:
    repository = Repository(NAME, FILES)
    repository.commit(FILES | {"config.json": b"[]"}, ref="refs/heads/dev")
    with FaultyHub(repositories=[repository]) as running:
        yield running


@pytest.fixture
def machine(hub: FaultyHub, make_machine: MakeMachine) -> Machine:
    return make_machine(hub.url, SWARM_SETTLE=0)


def in_order(machine: Machine, client: str, folder: str) -> None:
    """The client sees nothing wrong with the cache, and finds there what the publisher has."""
    assert machine.client(client, DOWNLOAD, NAME, HF_HUB_OFFLINE=1) == folder
    assert contents(folder) == FILES
    warnings, size = machine.client(client, SCAN)
    assert [warning for warning in warnings if "CACHEDIR.TAG" not in warning] == []
    assert size == sum(len(data) for data in FILES.values() if isinstance(data, bytes))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_cache_that_a_client_filled(machine: Machine, hub: FaultyHub, client: str) -> None:
    folder = machine.client(client, DOWNLOAD, NAME)
    before = len(hub.requests)
    answer = machine.get(NAME)
    assert answer["snapshot"] == folder
    in_order(machine, client, folder)
    since = len(hub.requests)
    assert machine.client(client, DOWNLOAD, NAME) == folder
    assert len(hub.requests) > since > before
    assert content_gets(hub, since) == []


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_that_fetches_again_leaves_the_store_alone(
    machine: Machine, hub: FaultyHub, client: str
) -> None:
    folder = machine.get(NAME)["snapshot"]
    hub.set({"wrong_bytes": "model.safetensors"})
    try:
        machine.client(client, DOWNLOAD, NAME, "force")
    finally:
        hub.set({"wrong_bytes": ""})
    assert contents(folder) != FILES, "this client checks no digest"
    answer = machine.get(NAME, "--offline")
    assert bytes_by(answer) == {"local": answer["bytes"]}
    in_order(machine, client, folder)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_cache_on_another_disk(machine: Machine, hub: FaultyHub, client: str) -> None:
    """Symlinks then lead from there into the store."""
    memory = Path("/dev/shm")
    machine.folder.mkdir(parents=True)
    if not memory.is_dir() or memory.stat().st_dev == machine.folder.stat().st_dev:
        pytest.skip("no /dev/shm, or it is where temporary files are, too")
    with TemporaryDirectory(dir=memory) as elsewhere:
        other = replace(machine, extra=machine.extra | {"HF_HUB_CACHE": elsewhere})
        answer = other.get(NAME)
        assert answer["links"] == {"symlink": len(FILES)}
        in_order(other, client, answer["snapshot"])
        if client != "hf036":
            Client(client).hf("cache", "verify", NAME, **other.environ())
        since = len(hub.requests)
        assert other.client(client, DOWNLOAD, NAME) == answer["snapshot"]
        assert content_gets(hub, since) == []


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_removes_one_revision_of_two(machine: Machine, client: str) -> None:
    kept = machine.get(NAME)
    removed = machine.get(f"{NAME}@dev")
    machine.client(client, REMOVE, removed["commit"])
    assert not Path(removed["snapshot"]).exists()
    in_order(machine, client, kept["snapshot"])
    again = machine.get(f"{NAME}@dev", "--offline")
    assert bytes_by(again) == {"local": again["bytes"]}
    assert contents(again["snapshot"]) == FILES | {"config.json": b"[]"}
