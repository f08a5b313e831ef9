"""The node's secrets on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.errors import StoreError
from swarm.node import identity


def test_made_once_and_then_the_same(tmp_path: Path) -> None:
    first = identity.load(tmp_path)
    again = identity.load(tmp_path)
    assert (first.node_id, first.noise_public) == (again.node_id, again.noise_public)
    assert [path.name for path in tmp_path.iterdir()] == ["identity"]


def test_two_homes_are_two_nodes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert identity.load(tmp_path / "a").node_id != identity.load(tmp_path / "b").node_id


def test_for_its_owner_only(tmp_path: Path) -> None:
    identity.load(tmp_path)
    assert (tmp_path / "identity").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_keys_that_others_may_read_are_refused(tmp_path: Path, mode: int) -> None:
    identity.load(tmp_path)
    (tmp_path / "identity").chmod(mode)
    with pytest.raises(StoreError, match="can be read by others") as caught:
        identity.load(tmp_path)
    assert "chmod 600" in caught.value.advice


@pytest.mark.parametrize("text", ["", "00", "zz\nzz\n", f"{'00' * 32}\n", f"{'00' * 31}\n{'00' * 32}\n"])
def test_damaged_keys(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identity"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="is damaged"):
        identity.load(tmp_path)


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        identity.load(tmp_path / "nowhere")


def test_the_token_of_the_local_listeners(tmp_path: Path) -> None:
    token = identity.load_token(tmp_path)
    assert identity.load_token(tmp_path) == token
    assert (tmp_path / "local-token").stat().st_mode & 0o777 == 0o600
    (tmp_path / "local-token").chmod(0o640)
    with pytest.raises(StoreError, match="can be read by others"):
        identity.load_token(tmp_path)


@pytest.mark.parametrize("text", ["", "\n", "short\n"])
def test_a_token_that_anyone_could_guess_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "local-token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="is damaged"):
        identity.load_token(tmp_path)
