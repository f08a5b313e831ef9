"""The demo hub over real sockets, asked by a plain HTTP client as huggingface_hub asks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from swarm.cli.demo_hub import DemoHub
from swarm.cli.demo_repo import Repository
from swarm.cli.demo_site import parse_range
from tests import software

SMALL = b'{"hidden_size": 8}'
LARGE = bytes(range(256)) * 1000
FILES: dict[str, bytes | Path] = {"config.json": SMALL, "deep/er/model.safetensors": LARGE, "empty": b""}


@pytest.fixture
def hub() -> Iterator[DemoHub]:
    with DemoHub(FILES) as running:
        yield running


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as opened:
        yield opened


def test_a_revision_names_its_commit_and_files(hub: DemoHub, client: httpx.Client) -> None:
    info = client.get(f"{hub.url}/api/models/demo/model/revision/main").json()
    assert len(info["sha"]) == 40
    assert [sibling["rfilename"] for sibling in info["siblings"]] == sorted(FILES)
    by_commit = client.get(f"{hub.url}/api/models/demo/model/revision/{info['sha']}?blobs=true").json()
    assert by_commit["sha"] == info["sha"]
    assert by_commit["siblings"][1]["lfs"]["sha256"] == hashlib.sha256(LARGE).hexdigest()


def test_a_tree_has_what_checking_a_file_takes(hub: DemoHub, client: httpx.Client) -> None:
    tree = client.get(f"{hub.url}/api/models/demo/model/tree/main?recursive=true").json()
    entries = {entry["path"]: entry for entry in tree}
    assert {path for path, entry in entries.items() if entry["type"] == "directory"} == {"deep", "deep/er"}
    assert entries["config.json"]["oid"] == hashlib.sha1(b"blob 18\0" + SMALL).hexdigest()
    assert entries["empty"]["oid"] == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    lfs = entries["deep/er/model.safetensors"]["lfs"]
    assert lfs == {"oid": hashlib.sha256(LARGE).hexdigest(), "size": len(LARGE), "pointerSize": 131}


def test_a_tree_of_one_folder(hub: DemoHub, client: httpx.Client) -> None:
    url = f"{hub.url}/api/models/demo/model/tree/main"
    assert [entry["path"] for entry in client.get(url).json()] == ["config.json", "deep", "empty"]
    assert [entry["path"] for entry in client.get(f"{url}/deep").json()] == ["deep/er"]
    missing = client.get(f"{url}/additional_chat_templates")
    assert (missing.status_code, missing.headers["x-error-code"]) == (404, "EntryNotFound")


def test_pages_are_linked_with_absolute_urls(hub: DemoHub, client: httpx.Client) -> None:
    hub.page_entries = 2
    url: str | None = f"{hub.url}/api/models/demo/model/tree/main?recursive=true"
    paths: list[str] = []
    while url:
        page = client.get(url)
        paths += [entry["path"] for entry in page.json()]
        url = page.links.get("next", {}).get("url")
        assert url is None or url.startswith(hub.url)
    assert paths == ["config.json", "deep", "deep/er", "deep/er/model.safetensors", "empty"]


def test_a_small_file_by_way_of_the_resolve_cache(hub: DemoHub, client: httpx.Client) -> None:
    first = client.head(f"{hub.url}/demo/model/resolve/main/config.json")
    assert first.status_code == 307
    assert first.headers["location"].startswith("/api/resolve-cache/models/demo/model/")
    assert first.headers["etag"].strip('"') == hashlib.sha1(b"blob 18\0" + SMALL).hexdigest()
    reply = client.get(f"{hub.url}/demo/model/resolve/main/config.json", follow_redirects=True)
    assert reply.content == SMALL
    assert reply.headers["x-repo-commit"] == first.headers["x-repo-commit"]


def test_a_large_file_by_way_of_a_signed_url(hub: DemoHub, client: httpx.Client) -> None:
    url = f"{hub.url}/demo/model/resolve/main/deep/er/model.safetensors"
    first = client.head(url)
    assert first.status_code == 302
    assert first.headers["x-linked-size"] == str(len(LARGE))
    assert first.headers["x-linked-etag"] == f'"{hashlib.sha256(LARGE).hexdigest()}"'
    assert first.headers["location"].startswith(hub.cdn_url)
    assert hub.cdn_url.rpartition(":")[0] != hub.url.rpartition(":")[0], "another host name, as on the Hub"
    assert client.get(first.headers["location"]).content == LARGE
    part = client.get(first.headers["location"], headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, LARGE[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(LARGE)}"
    past = client.get(first.headers["location"], headers={"Range": f"bytes={len(LARGE)}-"})
    assert (past.status_code, past.headers["content-range"]) == (416, f"bytes */{len(LARGE)}")


def test_a_signed_url_is_good_for_one_file_and_some_time(client: httpx.Client) -> None:
    now = 1000.0
    with DemoHub(FILES, now=lambda: now) as hub:
        url = f"{hub.url}/demo/model/resolve/main/deep/er/model.safetensors"
        location = client.head(url).headers["location"]
        assert client.get(location).status_code == 200
        assert client.get(location.replace("model.safetensors", "other")).status_code == 403
        assert client.get(location, headers={"Authorization": "Bearer hf_x"}).status_code == 400
        now += hub.link_seconds
        assert client.get(location).status_code == 403


def test_payload_is_counted_by_file(hub: DemoHub, client: httpx.Client) -> None:
    url = f"{hub.url}/demo/model/resolve/main/deep/er/model.safetensors"
    client.head(url, follow_redirects=True)
    assert hub.sent.total() == 0
    client.get(url, headers={"Range": "bytes=0-99"}, follow_redirects=True)
    client.get(f"{hub.url}/demo/model/resolve/main/config.json", follow_redirects=True)
    assert hub.sent == {"demo/model/deep/er/model.safetensors": 100, "demo/model/config.json": 18}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/models/demo/other/revision/main", 401, "RepoNotFound"),
        ("/api/datasets/demo/model/revision/main", 401, "RepoNotFound"),
        ("/api/models/demo/model/revision/nope", 404, "RevisionNotFound"),
        ("/demo/model/resolve/main/nope.json", 404, "EntryNotFound"),
        ("/somewhere/else/entirely", 404, None),
    ],
)
def test_errors_carry_the_codes_of_the_hub(
    hub: DemoHub, client: httpx.Client, path: str, status: int, code: str | None
) -> None:
    reply = client.get(f"{hub.url}{path}")
    assert (reply.status_code, reply.headers.get("x-error-code")) == (status, code)
    assert reply.json()["error"]


def test_refs_and_paths_info(client: httpx.Client) -> None:
    repository = Repository("ns/data", FILES, kind="dataset")
    tagged = repository.commit({"a.txt": b"a"}, ref="refs/tags/v1")
    request = repository.commit({"b.txt": b"b"}, ref="refs/pr/1")
    with DemoHub(repositories=[repository]) as hub:
        api = f"{hub.url}/api/datasets/ns/data"
        refs = client.get(f"{api}/refs").json()
        assert refs["tags"] == [{"name": "v1", "ref": "refs/tags/v1", "targetCommit": tagged}]
        assert [ref["name"] for ref in refs["branches"]] == ["main"]
        assert "pullRequests" not in refs
        assert client.get(f"{api}/revision/refs%2Fpr%2F1").json()["sha"] == request
        assert client.get(f"{api}/refs?include_prs=1").json()["pullRequests"][0]["targetCommit"] == request
        asked = client.post(
            f"{api}/paths-info/main", data={"paths": ["config.json", "deep"], "expand": "False"}
        )
        assert [entry["path"] for entry in asked.json()] == ["config.json", "deep"]
        asked = client.post(f"{api}/paths-info/main", json={"paths": ["empty"]})
        assert [entry["path"] for entry in asked.json()] == ["empty"]
        assert (
            client.get(f"{hub.url}/datasets/ns/data/resolve/v1/a.txt", follow_redirects=True).content == b"a"
        )


def test_files_may_lie_on_disk(tmp_path: Path, client: httpx.Client) -> None:
    (tmp_path / "large.bin").write_bytes(LARGE)
    with DemoHub({"large.bin": tmp_path / "large.bin"}, repo="gpt2") as hub:
        assert client.get(f"{hub.url}/gpt2/resolve/main/large.bin", follow_redirects=True).content == LARGE


def test_a_git_blob_id_is_what_git_says(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(SMALL)
    said = software.finished([software.tool("git"), "hash-object", tmp_path / "file"], os.environ)
    assert Repository("x", {"file": SMALL}).commits.popitem()[1]["file"].oid == said.stdout.strip()


def test_stopping_ends_what_is_under_way(client: httpx.Client) -> None:
    hub = DemoHub({"large.bin": bytes(10_000_000)}, rate=1000).start()
    url = client.head(f"{hub.url}/demo/model/resolve/main/large.bin").headers["location"]
    with client.stream("GET", url) as reply:
        hub.stop()
        with pytest.raises(httpx.TransportError):
            reply.read()
    with pytest.raises(httpx.ConnectError):
        client.get(hub.url)


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=2-100", (2, 10)),
        ("bytes=-", None),
        ("bytes=1-2,4-5", None),
        ("lines=1-2", None),
    ],
)
def test_ranges(header: str | None, span: tuple[int, int] | None) -> None:
    assert parse_range(header, 10) == span


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-11", "bytes=5-4"])
def test_ranges_without_a_byte(header: str) -> None:
    with pytest.raises(ValueError):
        parse_range(header, 10)


CLIENT = """
import json
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.utils import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
folder = snapshot_download("demo/model")
assert len(HfApi().list_repo_refs("demo/model").branches) == 1
for error, call in (
    (RepositoryNotFoundError, lambda: snapshot_download("demo/other")),
    (RevisionNotFoundError, lambda: snapshot_download("demo/model", revision="nope")),
    (EntryNotFoundError, lambda: HfApi().hf_hub_download("demo/model", "nope")),
):
    try:
        call()
    except error:
        continue
    raise SystemExit(f"no {error.__name__}")
print(json.dumps(folder))
"""


@pytest.mark.parametrize("client", software.CLIENTS)
def test_real_clients(hub: DemoHub, tmp_path: Path, client: str) -> None:
    folder = Path(software.Client(client).run(CLIENT, HF_ENDPOINT=hub.url, HF_HOME=tmp_path))
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES
    assert hub.sent.total() == len(SMALL) + len(LARGE)
