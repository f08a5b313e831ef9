"""A folder of the user with the files of a snapshot; what else is in it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.manifest import BadManifest
from swarm.errors import StoreError
from swarm.views import plain
from swarm.views.values import ViewFile
from tests.views.samples import CONTENTS, stored_files


def test_a_folder_gets_the_files_of_the_snapshot(tmp_path: Path) -> None:
    files = stored_files(tmp_path / "store")
    folder = tmp_path / "new" / "folder"
    report = plain.build(folder, files)
    assert report.folder == folder
    assert sum(report.how.values()) == len(CONTENTS)
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == {
        name: content.data for name, content in CONTENTS.items()
    }
    assert not any(path.is_symlink() for path in found.values())


def test_other_files_there_stay_and_wrong_ones_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "mine.txt").write_text("mine")
    (tmp_path / "to" / "config.json").write_text("an older one")
    plain.build(tmp_path / "to", stored_files(tmp_path / "store"))
    assert (tmp_path / "to" / "mine.txt").read_text() == "mine"
    assert (tmp_path / "to" / "config.json").read_bytes() == CONTENTS["config.json"].data


@pytest.mark.parametrize("path", ["../out", "/abs", "a//b", "nul", "a\0b"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    good = stored_files(tmp_path / "store")[0]
    with pytest.raises(BadManifest):
        plain.build(tmp_path / "to", [ViewFile(path, good.blob, good.stored)])
    assert not (tmp_path / "to").exists()


def test_a_folder_in_the_way_of_a_file_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "to" / "config.json").mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be filled") as raised:
        plain.build(tmp_path / "to", stored_files(tmp_path / "store"))
    assert "in the way" in raised.value.advice


def test_a_file_in_the_way_of_a_folder_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "deep").write_text("mine")
    with pytest.raises(StoreError, match="cannot be filled"):
        plain.build(tmp_path / "to", stored_files(tmp_path / "store"))
    assert (tmp_path / "to" / "deep").read_text() == "mine"
