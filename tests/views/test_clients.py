"""The real huggingface_hub finds what `views.hf` lays out, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from swarm.views import hf
from swarm.views.hf import SnapshotId
from tests.software import CLIENTS, Client
from tests.views.samples import CONTENTS, LISTING, stored_files

COMMIT = "a" * 40

SCRIPT = """
import json, sys
from huggingface_hub import __version__, hf_hub_download, scan_cache_dir, snapshot_download
cache, commit, *paths = sys.argv[1:]
known = {"cache_dir": cache, "local_files_only": True}
info = scan_cache_dir(cache)
print(json.dumps({
    "version": __version__,
    "snapshots": {
        f"{repo}@{revision}": snapshot_download(repo, revision=revision, **known)
        for repo in ("org/full", "legacy")
        for revision in ("main", commit)
    },
    "files": {path: hf_hub_download("org/full", path, **known) for path in paths},
    "partial": snapshot_download(
        "org/part",
        repo_type="dataset",
        revision="refs/pr/1",
        allow_patterns=["config.json", "deep/er/*"],
        **known,
    ),
    "warnings": [str(warning) for warning in info.warnings],
    "repos": sorted([repo.repo_type, repo.repo_id, repo.size_on_disk] for repo in info.repos),
}))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    files = stored_files(folder / "store")
    cache = folder / "hub"
    hf.build(cache, SnapshotId("model", "org/full", COMMIT), files, "main", LISTING)
    hf.build(cache, SnapshotId("dataset", "org/part", COMMIT), files[:3], "refs/pr/1", LISTING)
    hf.build(cache, SnapshotId("model", "legacy", COMMIT), files, "main", LISTING, symlinks=False)
    return cache


@pytest.fixture(scope="module", params=CLIENTS)
def found(request: pytest.FixtureRequest, cache: Path) -> dict[str, Any]:
    """What one release of the client says of the cache."""
    answer: dict[str, Any] = Client(request.param).run(SCRIPT, cache, COMMIT, *CONTENTS)
    assert answer["version"] == CLIENTS[request.param]
    return answer


def test_snapshots_are_found(found: dict[str, Any], cache: Path) -> None:
    assert found["snapshots"] == {
        f"{repo}@{revision}": str(cache / folder / "snapshots" / COMMIT)
        for repo, folder in (("org/full", "models--org--full"), ("legacy", "models--legacy"))
        for revision in ("main", COMMIT)
    }
    for folder in found["snapshots"].values():
        assert {path: (Path(folder) / path).read_bytes() for path in CONTENTS} == {
            path: content.data for path, content in CONTENTS.items()
        }


def test_single_files_are_found(found: dict[str, Any]) -> None:
    assert {path: Path(place).read_bytes() for path, place in found["files"].items()} == {
        path: content.data for path, content in CONTENTS.items()
    }


def test_the_files_of_a_partial_snapshot_are_found(found: dict[str, Any]) -> None:
    assert (Path(found["partial"]) / "deep" / "er" / "same.txt").read_bytes() == b"twice\n"


def test_the_cache_is_in_order(found: dict[str, Any]) -> None:
    """Hub before 1.9 does not know CACHEDIR.TAG and warns of it, also when a later one wrote it."""
    assert [warning for warning in found["warnings"] if "CACHEDIR.TAG" not in warning] == []
    sizes = {content.blob: content.blob.size for content in CONTENTS.values()}
    assert [repo[:2] for repo in found["repos"]] == [
        ["dataset", "org/part"],
        ["model", "legacy"],
        ["model", "org/full"],
    ]
    assert found["repos"][2][2] == sum(sizes.values())
