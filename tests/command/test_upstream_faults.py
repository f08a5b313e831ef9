"""What goes wrong between a hub and a machine, through the real command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.cli.demo_repo import Repository
from tests.command.hubs import REPO, CommandHub, closed_port, size_of
from tests.command.machine import Machine, contents


@pytest.fixture
def second(files: dict[str, bytes], hub: CommandHub) -> Iterator[CommandHub]:
    """A mirror of the first hub: the same repository, the same commit."""
    with CommandHub(repositories=hub.repositories.values()) as mirror:
        yield mirror


@pytest.mark.parametrize(
    "switches",
    [
        {"status": 429, "times": 2, "headers": {"Retry-After": "1"}},
        {"status": 503, "times": 2, "headers": {"Retry-After": "1"}, "where": "file"},
        {"status": 503, "times": 1, "where": "cdn"},
        {"ignore_range": True},
        {"range_as_200": True},
        {"cut_after": 700_000},
        {"link": "relative"},
        {"xet": True},
    ],
    ids=str,
)
def test_got_all_the_same(
    machine: Machine, hub: CommandHub, files: dict[str, bytes], switches: dict[str, object]
) -> None:
    hub.page_entries = 2
    hub.set(switches)
    assert contents(machine.swarm("get", REPO).folder) == files


def test_signed_addresses_that_expire_on_the_way(
    machine: Machine, hub: CommandHub, files: dict[str, bytes]
) -> None:
    hub.link_seconds = 0.2
    hub.faults.rate = 2e6
    assert contents(machine.swarm("get", REPO).folder) == files


@pytest.mark.parametrize("fault", ["down", "stalls", "too long"])
def test_another_endpoint_goes_on(
    machine: Machine, hub: CommandHub, second: CommandHub, files: dict[str, bytes], fault: str
) -> None:
    first = hub.url
    if fault == "down":
        first = closed_port()
    elif fault == "stalls":
        hub.faults.stall_after = 600_000
    else:
        hub.faults.wrong_size = 5
    done = machine.swarm("get", REPO, "--endpoint", first, "--endpoint", second.url)
    assert contents(done.folder) == files
    assert second.total > 0
    if fault == "stalls":
        assert second.total < size_of(files)


@pytest.mark.parametrize("path", ["weights.safetensors", "config.json"], ids=["many chunks", "one chunk"])
def test_an_endpoint_that_sends_wrong_bytes_is_named(
    machine: Machine, hub: CommandHub, second: CommandHub, files: dict[str, bytes], path: str
) -> None:
    hub.faults.wrong_bytes = path
    done = machine.swarm("get", REPO, path, "--endpoint", hub.url, "--endpoint", second.url)
    assert contents(done.folder) == {path: files[path]}
    (report,) = json.loads(machine.swarm("why", REPO, "--json").out)
    assert {(row["kind"], row["name"]) for row in report["incidents"]} == {("upstream", hub.url)}


def test_a_renamed_repository(machine: Machine, hub: CommandHub, files: dict[str, bytes]) -> None:
    hub.faults.renamed = {"ns/before": REPO}
    done = machine.swarm("get", "ns/before")
    assert contents(done.folder) == files
    assert "models--ns--before" in str(done.folder)
    assert REPO in done.err


def test_a_token_goes_to_the_hub_alone(
    machine: Machine, hub: CommandHub, second: CommandHub, files: dict[str, bytes]
) -> None:
    hub.set({"gated": True, "token": "hf_canary"})
    machine.extra["HF_TOKEN"] = "hf_canary"
    done = machine.swarm("get", REPO, "--endpoint", hub.url, "--endpoint", second.url)
    assert contents(done.folder) == files
    shown = [(where, request) for where, request in hub.requests if "hf_canary" in str(request.headers)]
    assert shown
    assert {where for where, _ in shown} == {"hub"}
    assert not [request for _, request in second.requests if "hf_canary" in str(request.headers)]
    written = [path for path in machine.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in written if b"hf_canary" in path.read_bytes()]


@pytest.mark.parametrize("revision", ["main", "v1", "refs/pr/1", "commit"])
def test_revisions(tmp_path: Path, files: dict[str, bytes], revision: str) -> None:
    repository = Repository(REPO, files)
    commit = repository.refs["refs/heads/main"]
    repository.refs |= {"refs/tags/v1": commit, "refs/pr/1": commit}
    repository.commit({"config.json": b"later"})
    if revision == "main":
        files = {"config.json": b"later"}
    with CommandHub(repositories=[repository]) as hub:
        machine = Machine(tmp_path / "machine", hub.url)
        done = machine.swarm("get", f"{REPO}@{commit if revision == 'commit' else revision}")
    assert contents(done.folder) == files


def test_a_dataset(tmp_path: Path, files: dict[str, bytes]) -> None:
    with CommandHub(repositories=[Repository(REPO, files, kind="dataset")]) as hub:
        machine = Machine(tmp_path / "machine", hub.url)
        done = machine.swarm("get", f"datasets/{REPO}", "--include", "*.safetensors")
    assert list(contents(done.folder)) == ["weights.safetensors"]
    assert "datasets--ns--model" in str(done.folder)
