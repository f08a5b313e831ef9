"""The real huggingface_hub finds what `views.hf` lays out, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.views import hf
from swarm.views.hf import SnapshotId
from tests.views.samples import CONTENTS, LISTING, stored_files

hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")

COMMIT = "a" * 40


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    files = stored_files(tmp_path / "store")
    cache = tmp_path / "hub"
    hf.build(cache, SnapshotId("model", "org/full", COMMIT), files, "main", LISTING)
    hf.build(cache, SnapshotId("dataset", "org/part", COMMIT), files[:3], "refs/pr/1", LISTING)
    hf.build(cache, SnapshotId("model", "legacy", COMMIT), files, "main", LISTING, symlinks=False)
    return cache


@pytest.mark.parametrize("revision", ["main", COMMIT])
@pytest.mark.parametrize("repo", ["org/full", "legacy"])
def test_a_snapshot_is_found(cache: Path, repo: str, revision: str) -> None:
    found = Path(hub.snapshot_download(repo, revision=revision, cache_dir=cache, local_files_only=True))
    assert {path: (found / path).read_bytes() for path in CONTENTS} == {
        path: content.data for path, content in CONTENTS.items()
    }


@pytest.mark.parametrize("path", CONTENTS)
def test_a_file_is_found(cache: Path, path: str) -> None:
    found = hub.hf_hub_download("org/full", path, cache_dir=cache, local_files_only=True)
    assert Path(found).read_bytes() == CONTENTS[path].data


def test_the_files_of_a_partial_snapshot_are_found(cache: Path) -> None:
    found = hub.snapshot_download(
        "org/part",
        repo_type="dataset",
        revision="refs/pr/1",
        cache_dir=cache,
        local_files_only=True,
        allow_patterns=["config.json", "deep/er/*"],
    )
    assert (Path(found) / "deep" / "er" / "same.txt").read_bytes() == b"twice\n"


def test_the_cache_is_in_order(cache: Path) -> None:
    """Hub before 1.9 does not know CACHEDIR.TAG and warns of it, also when a later one wrote it."""
    info = hub.scan_cache_dir(cache)
    assert [warning for warning in info.warnings if "CACHEDIR.TAG" not in str(warning)] == []
    assert {(repo.repo_id, repo.repo_type) for repo in info.repos} == {
        ("org/full", "model"),
        ("org/part", "dataset"),
        ("legacy", "model"),
    }
