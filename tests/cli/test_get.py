"""`swarm get` with a fake node: the request it makes, and what it prints."""

import fcntl
import hashlib
import json
import os
from pathlib import Path

import pytest

from swarm.cli import place
from swarm.errors import NoSource, NotAllowed, NotFound, StoreError, SwarmError, UsageError, WrongContent
from swarm.node.api import Report
from swarm.transfer.requests import GetRequest, GetResult, GotFile, ListedFile, Progress
from tests.cli.command import Command
from tests.node.fakes import COMMIT, RESULT, FakeNode

CONTENT = b"hello"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def stored(command: Command, tmp_path: Path) -> Path:
    """A file in a store; a get of the command's node results in it."""
    path = tmp_path / "store" / "blob"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    result = RESULT._replace(
        files=(GotFile("sub/a.bin", "sha256", DIGEST, 5, str(path)),),
        all_files=(ListedFile("sub/a.bin", "sha256", DIGEST, 5),),
    )

    async def get(request: GetRequest, report: Report) -> GetResult:
        return result

    command.node.on_get = get
    return path


def test_it_prints_the_folder_and_nothing_else(command: Command, stored: Path, tmp_path: Path) -> None:
    ran = command("get", "ns/name")
    folder = tmp_path / "hf/hub/models--ns--name/snapshots" / COMMIT
    assert (ran.code, ran.out) == (0, f"{folder}\n")
    assert (folder / "sub/a.bin").read_bytes() == CONTENT
    assert (tmp_path / "hf/hub/models--ns--name/refs/main").read_text() == COMMIT
    assert "1 files, 5 B in 1.5 s: 4 B from peers, 1 B from upstream" in ran.err


def test_quiet_says_nothing(command: Command, stored: Path) -> None:
    assert command("get", "ns/name", "--quiet").err == ""


def test_json_is_one_object(command: Command, stored: Path, tmp_path: Path) -> None:
    ran = command("get", "ns/name", "--json", "--to", str(tmp_path / "there"))
    assert json.loads(ran.out) == {
        "snapshot": str(tmp_path / "there"),
        "hub": "hf",
        "repo_type": "model",
        "repo": "ns/name",
        "commit": COMMIT,
        "files": 1,
        "bytes": 5,
        "seconds": 1.5,
        "sources": [
            {"kind": "peer", "name": "node-1", "bytes": 4},
            {"kind": "upstream", "name": "https://hub", "bytes": 1},
        ],
        "verified": "publisher",
        "links": {"hardlink": 1},
    }
    assert (tmp_path / "there/sub/a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(("got", "total", "loaded"), [(0, 0, False), (49, 100, False), (50, 100, True)])
def test_what_lays_files_out_is_loaded_at_half_way(
    command: Command, monkeypatch: pytest.MonkeyPatch, got: int, total: int, loaded: bool
) -> None:
    loads: list[str] = []
    monkeypatch.setattr(place, "import_module", loads.append)

    async def fail_then(request: GetRequest, report: Report) -> GetResult:
        report(Progress("fetching", got, total))
        raise NoSource("nobody has it")

    command.node.on_get = fail_then
    assert command("get", "ns/name").code == NoSource.exit_code
    assert ("swarm.views.hf" in loads) is loaded


def test_links_into_the_store_are_told_to_it(command: Command, stored: Path, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "not yours")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", refuse)
        patch.setattr(fcntl, "ioctl", refuse)
        assert command("get", "ns/name").code == 0
    (root,) = command.node.roots.links
    assert root.digest == DIGEST
    assert Path(root.path).readlink() == stored


@pytest.mark.parametrize(
    ("words", "request_made"),
    [
        (["gpt2"], GetRequest("hf", "gpt2")),
        (["ns/name@v1.0"], GetRequest("hf", "ns/name", revision="v1.0")),
        (["ns/name@refs/pr/1"], GetRequest("hf", "ns/name", revision="refs/pr/1")),
        (["ns/name", "--revision", "v1"], GetRequest("hf", "ns/name", revision="v1")),
        (["datasets/ns/d"], GetRequest("hf", "ns/d", "dataset")),
        (["ns/d", "--repo-type", "space"], GetRequest("hf", "ns/d", "space")),
        (["ns/name", "--quiet", "a", "b/c", "a"], GetRequest("hf", "ns/name", files=("a", "b/c"))),
        (
            ["ns/name", "--include", "*.json", "--include", "*.txt", "--exclude", "x*"],
            GetRequest("hf", "ns/name", include=("*.json", "*.txt"), exclude=("x*",)),
        ),
        (
            ["ns/name", "--endpoint", "https://a/", "--endpoint", "http://b:1/p", "--token", "hf_x"],
            GetRequest("hf", "ns/name", endpoints=("https://a", "http://b:1/p"), token="hf_x"),
        ),
        (["ns/name", "--offline"], GetRequest("hf", "ns/name", offline=True)),
    ],
)
def test_the_request(command: Command, stored: Path, words: list[str], request_made: GetRequest) -> None:
    assert command("get", *words).code == 0
    assert command.node.requests == [request_made]


def test_the_environment_counts(command: Command, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_TOKEN", "hf_env")
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    command("get", "ns/name")
    (request,) = command.node.requests
    assert (request.offline, request.token, request.endpoints) == (
        True,
        "hf_env",
        ("https://mirror.example",),
    )


def test_node_options_reach_the_embedded_node(command: Command, stored: Path) -> None:
    command("get", "ns/name", "--peers", "10.0.0.1,10.0.0.2", "--download-rate", "1MB/s")
    (settings,) = command.embedded
    assert settings.peers == ("10.0.0.1", "10.0.0.2")
    assert settings.download_rate == 1_000_000


@pytest.mark.parametrize(
    "error",
    [
        UsageError("what", "next"),
        NotFound("what.", "next"),
        NotAllowed("what", "next"),
        NoSource("what", "next"),
        WrongContent("what", "next"),
        StoreError("what", "next"),
        SwarmError("what", "next"),
    ],
)
def test_errors_become_exit_codes_and_two_lines(command: Command, error: SwarmError) -> None:
    async def fails(request: GetRequest, report: Report) -> GetResult:
        raise error

    command.node = FakeNode(fails)
    ran = command("get", "ns/name", "--quiet")
    assert (ran.code, ran.out, ran.err) == (error.exit_code, "", "what.\n  next\n")


def test_a_fault_of_ours_is_told_without_a_traceback(command: Command) -> None:
    async def fails(request: GetRequest, report: Report) -> GetResult:
        raise ZeroDivisionError("oops")

    command.node = FakeNode(fails)
    ran = command("get", "ns/name")
    assert ran.code == 1
    assert "swarm failed unexpectedly: ZeroDivisionError: oops." in ran.err
    assert "Traceback" not in ran.err
    assert "Traceback" in command("get", "ns/name", "--debug").err


def test_a_place_that_cannot_be_is_noticed_before_anything_is_fetched(
    command: Command, stored: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    ran = command("get", "ns/name", "--to", str(tmp_path / "file" / "below"))
    assert ran.code == 2
    assert command.node.requests == []


def test_a_cache_that_cannot_be_filled(
    command: Command, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file"))
    ran = command("get", "ns/name", "--quiet")
    assert (ran.code, ran.out) == (7, "")
    assert len(ran.err.splitlines()) == 2
