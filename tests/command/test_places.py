"""Where the files are put: a cache or a folder that cannot be written, is full, is edited, elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.command.hubs import REPO, CommandHub, size_of
from tests.command.machine import Machine, Ran, contents, executable
from tests.command.mounts import of_size, read_only

THEN_LIST = '"$@"; code=$?; find "$0" -type f -printf "%P\\t%s\\n" >&2; exit $code'
"""Runs a command and tells on stderr what is in a folder ($0) afterwards."""


def check_refused(done: Ran, folder: Path) -> None:
    """Exit code 7, and the words say which folder."""
    assert (done.code, done.out) == (7, "")
    assert str(folder) in done.err


def test_a_cache_that_cannot_be_written(machine: Machine, hub: CommandHub, files: dict[str, bytes]) -> None:
    """What was fetched is in the store, and put into the cache once that can be."""
    machine.cache.mkdir(parents=True)
    refusing = replace(machine, prefix=read_only(machine.cache))
    check_refused(refusing.swarm("get", REPO), machine.cache)
    assert hub.total == size_of(files)
    assert contents(machine.swarm("get", REPO, "--offline").folder) == files


def test_a_folder_without_room(machine: Machine, hub: CommandHub, files: dict[str, bytes]) -> None:
    """No half file is left under a name that was asked for."""
    plain = machine.folder / "plain"
    plain.mkdir(parents=True)
    small = replace(machine, prefix=of_size(plain, "1m"))
    words = ("get", REPO, "--to", str(plain))
    done = small.run(["sh", "-c", THEN_LIST, str(plain), *executable(), *words])
    check_refused(done, plain)
    left = [line.split("\t") for line in done.err.splitlines() if "\t" in line]
    assert {path: int(size) for path, size in left}.items() <= {
        path: len(data) for path, data in files.items()
    }.items()
    assert contents(machine.swarm(*words).folder) == files
    assert hub.total == size_of(files)


def test_a_cache_on_another_disk_takes_no_room(machine: Machine, files: dict[str, bytes]) -> None:
    """Symlinks lead from there into the store: a disk far smaller than the model is enough."""
    machine.cache.mkdir(parents=True)
    small = replace(machine, prefix=of_size(machine.cache, "256k"))
    answer = small.swarm("get", REPO, "--json", "--quiet")
    assert answer.code == 0, answer.err
    assert answer.json["links"] == {"symlink": len(files)}


@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_file_that_was_changed_in_the_cache(
    machine: Machine, hub: CommandHub, files: dict[str, bytes], damage: str
) -> None:
    """It is a hardlink, so that the store was changed, too: that is noticed, and fetched again."""
    folder = machine.swarm("get", REPO).folder
    weights = folder / "weights.safetensors"
    blob = weights.resolve()
    blob.chmod(0o644)
    if damage == "delete":
        blob.unlink()
    with blob.open("r+b" if damage != "delete" else "xb") as file:
        if damage == "cut":
            file.truncate(1000)
        else:
            file.write(b"mine")
    assert contents(folder) != files
    assert contents(machine.swarm("get", REPO).folder) == files
    again = size_of({"weights": files["weights.safetensors"]}) if damage != "delete" else 0
    assert hub.total <= size_of(files) + again


def test_a_folder_keeps_what_else_is_in_it(machine: Machine, files: dict[str, bytes]) -> None:
    plain = machine.folder / "plain"
    (plain / "nested").mkdir(parents=True)
    (plain / "nested" / "mine.txt").write_text("mine")
    (plain / "config.json").write_text("of another revision")
    assert machine.swarm("get", REPO, "--to", str(plain)).folder == plain
    assert contents(plain) == files | {"nested/mine.txt": b"mine"}
    assert not machine.cache.exists()


def test_a_folder_in_the_way_of_a_file(machine: Machine, files: dict[str, bytes]) -> None:
    """Nothing of the user's is removed for it."""
    plain = machine.folder / "plain"
    (plain / "config.json").mkdir(parents=True)
    (plain / "config.json" / "mine.txt").write_text("mine")
    check_refused(machine.swarm("get", REPO, "--to", str(plain)), plain)
    assert (plain / "config.json" / "mine.txt").read_text() == "mine"


def test_a_relative_folder(machine: Machine, files: dict[str, bytes]) -> None:
    assert contents(machine.swarm("get", REPO, "--to", "here/it is").folder) == files
    assert (machine.folder / "here/it is/config.json").exists()


def test_parts(machine: Machine, hub: CommandHub, files: dict[str, bytes]) -> None:
    """Named files, then patterns, then the rest: nothing is fetched twice."""
    first = machine.swarm("get", REPO, "config.json", "nested/deeper/notes with spaces é.txt").folder
    assert sorted(contents(first)) == ["config.json", "nested/deeper/notes with spaces é.txt"]
    machine.swarm("get", REPO, "--include", "*.txt", "--exclude", "nested/*")
    assert sorted(contents(first)) == ["config.json", "empty.txt", "nested/deeper/notes with spaces é.txt"]
    assert contents(machine.swarm("get", REPO).folder) == files
    assert hub.total == size_of(files)
