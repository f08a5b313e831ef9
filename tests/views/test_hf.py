"""The cache of huggingface_hub: a snapshot laid out as its own client does."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from protocol.manifest import BadManifest, File
from swarm.errors import StoreError
from swarm.views import hf
from swarm.views.hf import SnapshotId
from tests.views.samples import CONTENTS, LISTING, stored_files

COMMIT = "a" * 40
MODEL = SnapshotId("model", "org/name", COMMIT)


def tree(folder: Path) -> dict[str, str]:
    """Every file and link below: the text of a link, else `file`."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else "file"
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_the_layout_is_the_clients_own(tmp_path: Path) -> None:
    report = hf.build(tmp_path / "hub", MODEL, stored_files(tmp_path / "store"), "main", LISTING)
    name = {path: content.blob.digest.hex() for path, content in CONTENTS.items()}
    repo = "models--org--name"
    assert report.folder == tmp_path / "hub" / repo / "snapshots" / COMMIT
    assert report.symlinks == ()
    assert tree(tmp_path / "hub") == {
        "CACHEDIR.TAG": "file",
        f"{repo}/blobs/{name['config.json']}": "file",
        f"{repo}/blobs/{name['empty.txt']}": "file",
        f"{repo}/blobs/{name['deep/same.txt']}": "file",
        f"{repo}/blobs/{name['model.safetensors']}": "file",
        f"{repo}/refs/main": "file",
        f"{repo}/snapshots/{COMMIT}/config.json": f"../../blobs/{name['config.json']}",
        f"{repo}/snapshots/{COMMIT}/empty.txt": f"../../blobs/{name['empty.txt']}",
        f"{repo}/snapshots/{COMMIT}/deep/er/same.txt": f"../../../../blobs/{name['deep/same.txt']}",
        f"{repo}/snapshots/{COMMIT}/deep/same.txt": f"../../../blobs/{name['deep/same.txt']}",
        f"{repo}/snapshots/{COMMIT}/model.safetensors": f"../../blobs/{name['model.safetensors']}",
        f"{repo}/trees/{COMMIT}.json": "file",
    }
    for path, content in CONTENTS.items():
        assert (report.folder / path).read_bytes() == content.data
    assert (tmp_path / "hub" / repo / "refs" / "main").read_bytes() == COMMIT.encode()
    assert (tmp_path / "hub" / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f0688")


def test_the_listing_is_as_the_client_writes_it(tmp_path: Path) -> None:
    hf.build(tmp_path, MODEL, [], None, LISTING)
    path = tmp_path / "models--org--name" / "trees" / f"{COMMIT}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    found = json.loads(path.read_text())
    assert found["format_version"] == 1
    assert found["files"]["empty.txt"] == {"size": 0, "blob_id": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"}
    digest = CONTENTS["model.safetensors"].blob.digest.hex()
    entry = found["files"]["model.safetensors"]
    assert len(entry.pop("blob_id")) == 40
    assert entry == {"size": 700_000, "lfs_sha256": digest, "lfs_size": 700_000}
    assert list(found["files"]) == sorted(CONTENTS)


def test_without_a_whole_listing_none_is_written_and_a_commit_needs_no_name(tmp_path: Path) -> None:
    hf.build(tmp_path / "hub", MODEL, stored_files(tmp_path / "store")[:1])
    repo = tmp_path / "hub" / "models--org--name"
    assert not (repo / "trees").exists()
    assert list((repo / "refs").iterdir()) == []


def test_what_is_there_and_right_is_left_alone(tmp_path: Path) -> None:
    files = stored_files(tmp_path / "store")
    hf.build(tmp_path / "hub", MODEL, files, "main", LISTING)
    before = {path: os.lstat(path).st_ino for path in (tmp_path / "hub").rglob("*")}
    report = hf.build(tmp_path / "hub", MODEL, files, "main", LISTING)
    assert report.how == {"kept": 4}
    assert {path: os.lstat(path).st_ino for path in (tmp_path / "hub").rglob("*")} == before


def test_what_is_wrong_is_replaced(tmp_path: Path) -> None:
    files = stored_files(tmp_path / "store")
    repo = tmp_path / "hub" / "models--org--name"
    blob = repo / "blobs" / CONTENTS["config.json"].blob.digest.hex()
    pointer = repo / "snapshots" / COMMIT / "config.json"
    for path, text in (
        (blob, "short"),
        (pointer, "not a link"),
        (repo / "refs" / "main", "b" * 40),
        (repo / "trees" / f"{COMMIT}.json", "{"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    report = hf.build(tmp_path / "hub", MODEL, files, "main", LISTING)
    assert pointer.is_symlink()
    assert pointer.read_bytes() == CONTENTS["config.json"].data
    assert (repo / "refs" / "main").read_text() == COMMIT
    assert len(json.loads((repo / "trees" / f"{COMMIT}.json").read_text())["files"]) == len(CONTENTS)
    assert report.how == {"hardlink": 4}


def test_a_listing_that_says_more_is_kept(tmp_path: Path) -> None:
    hf.build(tmp_path, MODEL, [], None, LISTING)
    path = tmp_path / "models--org--name" / "trees" / f"{COMMIT}.json"
    more = json.loads(path.read_text())
    more["files"]["model.safetensors"]["xet_hash"] = "c" * 64
    path.write_text(json.dumps(more))
    hf.build(tmp_path, MODEL, [], None, LISTING)
    assert json.loads(path.read_text()) == more
    hf.build(tmp_path, MODEL, [], None, [*LISTING, File("new", LISTING[0].blob)])
    assert "new" in json.loads(path.read_text())["files"]


@pytest.mark.parametrize(
    ("snapshot", "folder"),
    [
        (SnapshotId("dataset", "org/data", COMMIT), "datasets--org--data"),
        (SnapshotId("space", "org/app", COMMIT), "spaces--org--app"),
        (SnapshotId("model", "gpt2", COMMIT), "models--gpt2"),
    ],
)
def test_folders_of_repositories(snapshot: SnapshotId, folder: str) -> None:
    assert snapshot.folder == folder


def test_a_name_may_have_slashes(tmp_path: Path) -> None:
    hf.build(tmp_path, MODEL, [], "refs/pr/1")
    assert (tmp_path / "models--org--name" / "refs" / "refs" / "pr" / "1").read_text() == COMMIT


def test_without_symlinks_the_content_lies_in_the_snapshot(tmp_path: Path) -> None:
    report = hf.build(tmp_path / "hub", MODEL, stored_files(tmp_path / "store"), "main", symlinks=False)
    assert report.how == {"hardlink": 5}
    for path, content in CONTENTS.items():
        assert not (report.folder / path).is_symlink()
        assert (report.folder / path).read_bytes() == content.data
    assert list((tmp_path / "hub" / "models--org--name" / "blobs").iterdir()) == []


def test_a_file_system_without_symlinks_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_symlinks(*arguments: object, **named: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", no_symlinks)
    report = hf.build(tmp_path / "hub", MODEL, stored_files(tmp_path / "store"), "main")
    assert (report.folder / "config.json").read_bytes() == CONTENTS["config.json"].data
    assert not (report.folder / "config.json").is_symlink()


def test_symlinks_into_the_store_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*arguments: object, **named: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(fcntl, "ioctl", no_link)
    files = stored_files(tmp_path / "store")
    report = hf.build(tmp_path / "hub", MODEL, files, "main")
    assert report.how == {"symlink": 4}
    blobs = tmp_path / "hub" / "models--org--name" / "blobs"
    assert dict(report.symlinks) == {
        content.blob: blobs / content.blob.digest.hex() for content in CONTENTS.values()
    }
    assert (report.folder / "deep" / "same.txt").read_bytes() == b"twice\n"
    assert hf.build(tmp_path / "hub", MODEL, files, "main").symlinks == report.symlinks


@pytest.mark.parametrize("commit", ["..", "a/b", "", "a\0"])
def test_a_commit_is_one_name(commit: str) -> None:
    with pytest.raises(BadManifest):
        SnapshotId("model", "org/name", commit)


@pytest.mark.parametrize("ref", ["../../x", "/etc/x", "a//b"])
def test_a_ref_stays_in_its_folder(tmp_path: Path, ref: str) -> None:
    with pytest.raises(BadManifest):
        hf.build(tmp_path / "hub", MODEL, [], ref)
    assert not (tmp_path / "hub").exists()


def test_a_cache_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("")
    with pytest.raises(StoreError, match="cannot be filled"):
        hf.build(tmp_path / "hub", MODEL, [], "main")
