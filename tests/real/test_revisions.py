"""Branches, tags, commits, pull requests, datasets and parts of a repository: what `swarm get` fetches under
a name is what the real clients find under it, offline, and what they need not fetch again, online."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from swarm.cli.demo_repo import Repository
from tests.command.machine import contents
from tests.hub.faults import Faults, FaultyHub
from tests.real.conftest import MakeMachine
from tests.real.machine import Machine, bytes_by, content_gets
from tests.software import CLIENTS

NAME = "org/model"
REFS = {
    "main": "refs/heads/main",
    "dev": "refs/heads/dev",
    "feature/long": "refs/heads/feature/long",
    "v1.0": "refs/tags/v1.0",
    "refs/pr/3": "refs/pr/3",
}
"""Names that people ask for, and what git calls them."""

WEIGHTS = random.Random(1).randbytes(3_000_000)


def files(revision: str) -> dict[str, bytes | Path]:
    """Most is the same in each revision."""
    return {
        ".gitattributes": b"*.safetensors filter=lfs\n",
        "config.json": f'{{"revision": "{revision}"}}'.encode(),
        "empty.txt": b"",
        "name with % and #.txt": b"odd",
        "onnx/deep/model.safetensors": WEIGHTS[:500_000],
        "model.safetensors": WEIGHTS,
    }


@pytest.fixture(scope="module")
def hub() -> Iterator[FaultyHub]:
    model = Repository(NAME, files("main"))
    for name, ref in REFS.items():
        model.commit(files(name), ref=ref)
    others = [Repository("gpt2", files("main")), Repository("org/data", files("main"), kind="dataset")]
    with FaultyHub(repositories=[model, *others]) as running:
        yield running


def commit_of(hub: FaultyHub, revision: str) -> str:
    return hub.repositories["model", NAME].refs[REFS[revision]]


def find(machine: Machine, client: str, *asked: Mapping[str, object], offline: bool = True) -> list[Any]:
    """What snapshot_download returns, or the name of what it raises, for each set of arguments `asked`."""
    found: list[Any] = machine.client(client, FIND, json.dumps(asked), HF_HUB_OFFLINE=int(offline))
    return found


FIND = """
import json, sys
from huggingface_hub import snapshot_download
def find(asked):
    try:
        return snapshot_download(**asked)
    except Exception as error:
        return type(error).__name__
print(json.dumps([find(asked) for asked in json.loads(sys.argv[1])]))
"""


def test_names_of_revisions(hub: FaultyHub, make_machine: MakeMachine) -> None:
    """Each by its name, one by its commit; what they share is fetched once. Clients find them all."""
    machine = make_machine(hub.url, SWARM_SETTLE=0)
    sent = hub.sent.copy()
    folders: dict[str, str] = {}
    for revision in REFS:
        answer = machine.get(f"{NAME}@{revision}")
        assert answer["commit"] == commit_of(hub, revision)
        assert contents(answer["snapshot"]) == files(revision)
        folders[revision] = answer["snapshot"]
    commit = commit_of(hub, "v1.0")
    again = machine.get(NAME, "--revision", commit)
    assert bytes_by(again) == {"local": again["bytes"]}
    folders[commit] = again["snapshot"]

    sizes = {path: len(data) for path, data in files("main").items() if isinstance(data, bytes) and data}
    sizes["config.json"] = sum(len(f'{{"revision": "{name}"}}') for name in REFS)
    assert hub.sent - sent == {f"{NAME}/{path}": size for path, size in sizes.items()}

    asked = [{"repo_id": NAME, "revision": revision} for revision in folders]
    for client in CLIENTS:
        assert find(machine, client, *asked) == list(folders.values())
        before = len(hub.requests)
        assert find(machine, client, *asked, offline=False) == list(folders.values())
        assert len(hub.requests) > before, "it was online"
        assert content_gets(hub, before) == []


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("word", "repo", "kind"), [("datasets/org/data", "org/data", "dataset"), ("gpt2", "gpt2", "model")]
)
def test_other_kinds_of_names(
    hub: FaultyHub, make_machine: MakeMachine, client: str, word: str, repo: str, kind: str
) -> None:
    machine = make_machine(hub.url, SWARM_SETTLE=0)
    answer = machine.get(word)
    assert contents(answer["snapshot"]) == files("main")
    assert find(machine, client, {"repo_id": repo, "repo_type": kind}) == [answer["snapshot"]]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_part_is_a_part_to_the_client_too(hub: FaultyHub, make_machine: MakeMachine, client: str) -> None:
    """Offline it has the part; hub >= 1.22 knows that it is not all. Online it fetches just what lacks."""
    machine = make_machine(hub.url, SWARM_SETTLE=0)
    answer = machine.get(NAME, "--include", "*.json", "--include", "onnx/*")
    folder = answer["snapshot"]
    part = {path: files("main")[path] for path in ("config.json", "onnx/deep/model.safetensors")}
    assert contents(folder) == part
    assert answer["files"] == len(part)
    patterns = {"repo_id": NAME, "allow_patterns": ["*.json", "onnx/*"]}
    found, whole = find(machine, client, patterns, {"repo_id": NAME})
    assert found == folder
    assert whole == (folder if client == "hf036" else "IncompleteSnapshotError")
    before = len(hub.requests)
    assert find(machine, client, {"repo_id": NAME}, offline=False) == [folder]
    assert contents(folder) == files("main")
    asked_for = " ".join(content_gets(hub, before))
    assert "/model.safetensors" in asked_for
    assert "onnx" not in asked_for
    assert "config.json" not in asked_for


@pytest.mark.parametrize("client", CLIENTS)
def test_a_branch_that_moved(make_machine: MakeMachine, client: str) -> None:
    """A second get fetches what changed, and the client follows the branch."""
    repository = Repository(NAME, files("main"))
    with FaultyHub(repositories=[repository]) as hub:
        machine = make_machine(hub.url, SWARM_SETTLE=0)
        first = machine.get(NAME)["snapshot"]
        assert find(machine, client, {"repo_id": NAME}, offline=False) == [first]
        repository.commit(files("later"))
        before = hub.sent.total()
        second = machine.get(NAME)["snapshot"]
        assert hub.sent.total() - before == len('{"revision": "later"}')
        assert find(machine, client, {"repo_id": NAME}) == [second]
    assert contents(first) == files("main")
    assert contents(second) == files("later")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_hub_that_offers_xet(make_machine: MakeMachine, client: str) -> None:
    """What was fetched without Xet is whole to clients that have it."""
    with FaultyHub(repositories=[Repository(NAME, files("main"))], faults=Faults(xet=True)) as hub:
        machine = make_machine(hub.url, SWARM_SETTLE=0)
        folder = machine.get(NAME)["snapshot"]
        before = len(hub.requests)
        assert find(machine, client, {"repo_id": NAME}, offline=False) == [folder]
        assert content_gets(hub, before) == []
        assert not any("xet" in request.path for _, request in hub.requests)
