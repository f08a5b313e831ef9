"""A real model by the installed command, read by the software that people have it for.

sentence-transformers/all-MiniLM-L6-v2 as its wheel carries it, behind the test hub (large files on a second
host) and behind a real Olah that has it as a git repository with LFS objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from swarm.cli.demo_repo import Repository
from tests import software
from tests.command.machine import contents
from tests.hub.faults import FaultyHub
from tests.hub.olah import Olah, mirrored, olah_cli
from tests.real.conftest import MakeMachine
from tests.real.machine import NOWHERE, Machine, bytes_by, content_gets

NAME = "sentence-transformers/all-MiniLM-L6-v2"

ROOM = 2 << 20
"""Bytes on disk that the index of a store and the links of a cache may take."""


@dataclass(frozen=True)
class Fetched:
    """What `swarm get --json` said, on which machine."""

    machine: Machine
    answer: dict[str, Any]

    @property
    def folder(self) -> Path:
        return Path(self.answer["snapshot"])


@pytest.fixture(scope="module")
def hub() -> Iterator[FaultyHub]:
    with FaultyHub(repositories=[Repository(NAME, software.model())]) as running:
        yield running


@pytest.fixture(scope="module")
def fetched(hub: FaultyHub, make_machine: MakeMachine) -> Fetched:
    machine = make_machine(hub.url)
    return Fetched(machine, machine.get(NAME))


def test_every_byte_is_the_publishers(fetched: Fetched, hub: FaultyHub) -> None:
    check_answer(fetched, source=hub.url)
    (repository,) = hub.repositories.values()
    assert fetched.answer["commit"] == repository.refs["refs/heads/main"]


@pytest.mark.parametrize("client", software.CLIENTS)
def test_clients_find_it_without_a_network(fetched: Fetched, client: str) -> None:
    check_client(fetched, client)


@pytest.mark.parametrize("client", ["hf1", "hf2"])
def test_hf_cache_verify(fetched: Fetched, client: str) -> None:
    """The client's own check of its cache against the digests that the hub names."""
    said = software.Client(client).hf("cache", "verify", NAME, **fetched.machine.environ())
    assert f"Verified {len(software.model())} file(s)" in said


def test_transformers_and_safetensors_read_it(fetched: Fetched) -> None:
    check_library(fetched)


def test_it_takes_no_room_twice(fetched: Fetched) -> None:
    check_room(fetched)


@pytest.mark.parametrize("client", software.CLIENTS)
def test_a_client_online_asks_for_no_content(fetched: Fetched, hub: FaultyHub, client: str) -> None:
    before = len(hub.requests)
    assert fetched.machine.client(client, ONLINE, NAME) == str(fetched.folder)
    assert len(hub.requests) > before, "it was online"
    assert content_gets(hub, before) == []


def test_from_olah(make_machine: MakeMachine, scratch: Path) -> None:
    files = {path: place.read_bytes() for path, place in software.model().items()}
    commit = mirrored(scratch / "mirrors", NAME, files)
    mirrored(scratch / "mirrors", "org/data", {"a.txt": b"a", "b.bin": b"b"}, kind="dataset", tag="v1")
    with Olah(olah_cli(), scratch / "olah", mirrors=scratch / "mirrors") as olah:
        machine = make_machine(olah.url)
        fetched = Fetched(machine, machine.get(NAME))
        part = make_machine(olah.url).get("datasets/org/data@v1", "a.txt")
    assert contents(part["snapshot"]) == {"a.txt": b"a"}
    assert fetched.answer["commit"] == commit
    check_answer(fetched, source=olah.url)
    check_room(fetched)
    check_library(fetched)
    for client in software.CLIENTS:
        check_client(fetched, client)


ONLINE = """
import json, sys
from huggingface_hub import snapshot_download
print(json.dumps(snapshot_download(sys.argv[1])))
"""

OFFLINE = """
import json, sys
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
name, *paths = sys.argv[1:]
info = scan_cache_dir()
print(json.dumps({
    "snapshot": snapshot_download(name),
    "local": snapshot_download(name, revision="main", local_files_only=True),
    "files": {path: hf_hub_download(name, path) for path in paths},
    "warnings": [str(warning) for warning in info.warnings],
    "size": info.size_on_disk,
}))
"""

LOCAL = """
import json, sys
from huggingface_hub import snapshot_download
print(json.dumps(snapshot_download(sys.argv[1], local_files_only=True)))
"""

LIBRARY = """
import json, sys
from huggingface_hub import hf_hub_download
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer
name, source = sys.argv[1:]
here = hf_hub_download(name, "model.safetensors")
with safe_open(here, "np") as found, safe_open(f"{source}/model.safetensors", "np") as given:
    names = list(found.keys())
    assert names == list(given.keys())
    equal = all((found.get_tensor(one) == given.get_tensor(one)).all() for one in names)
print(json.dumps({
    "tensors": len(names),
    "equal": bool(equal),
    "hidden": AutoConfig.from_pretrained(name).hidden_size,
    "tokens": AutoTokenizer.from_pretrained(name)("hello world")["input_ids"],
}))
"""


def check_answer(fetched: Fetched, source: str) -> None:
    """The files are those of the publisher, and the answer tells where they came from."""
    files = {path: place.read_bytes() for path, place in software.model().items()}
    assert contents(fetched.folder) == files
    answer = fetched.answer
    assert (answer["files"], answer["bytes"]) == (len(files), sum(map(len, files.values())))
    assert answer["verified"] == "publisher"
    assert bytes_by(answer) == {"upstream": answer["bytes"]}
    assert [one["name"] for one in answer["sources"]] == [source]


def check_client(fetched: Fetched, client: str) -> None:
    """Hub before 1.9 does not know CACHEDIR.TAG and warns of it, also when a later one wrote it."""
    machine = fetched.machine
    offline = machine.client(client, OFFLINE, NAME, *software.model(), HF_HUB_OFFLINE=1)
    folder = str(fetched.folder)
    assert (offline["snapshot"], offline["local"]) == (folder, folder)
    assert offline["files"] == {path: f"{folder}/{path}" for path in software.model()}
    assert [warning for warning in offline["warnings"] if "CACHEDIR.TAG" not in warning] == []
    assert offline["size"] == fetched.answer["bytes"]
    assert machine.client(client, LOCAL, NAME, HF_ENDPOINT=NOWHERE) == folder


def check_library(fetched: Fetched) -> None:
    """The values of one tensor after another, the configuration, and what a tokenizer makes of words."""
    source = software.installed("model")
    found = fetched.machine.client("hf1", LIBRARY, NAME, source, HF_HUB_OFFLINE=1)
    assert found == {"tensors": 104, "equal": True, "hidden": 384, "tokens": [101, 7592, 2088, 102]}


def check_room(fetched: Fetched) -> None:
    """Store and cache are one set of files on disk."""
    machine = fetched.machine
    stored = {path.stat().st_ino for path in (machine.home / "store/blobs").rglob("*") if path.is_file()}
    shown = {path.stat().st_ino for path in fetched.folder.rglob("*") if path.is_file()}
    assert shown == stored
    du = [software.tool("du"), "--summarize", "--total", "--block-size=1", machine.home, machine.cache]
    total = software.finished(du, machine.environ()).stdout.splitlines()[-1]
    assert int(total.split()[0]) < fetched.answer["bytes"] + ROOM
