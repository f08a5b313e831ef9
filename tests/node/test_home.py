"""The home: made closed, and refused when others can change what lies in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.errors import StoreError
from swarm.node.home import make_home


@pytest.fixture(params=[0o000, 0o002, 0o007, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_new_home_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    home = tmp_path / "a" / "home"
    make_home(home)
    make_home(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o775, 0o2770, 0o707, 0o1777])
def test_a_home_in_which_others_write_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(StoreError, match=f"{tmp_path} can be changed by others") as refused:
        make_home(tmp_path)
    assert f"`chmod go-w {tmp_path}`" in refused.value.advice


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o2750, 0o500])
def test_others_may_be_let_in_to_read(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    make_home(tmp_path)


INSIDE = ["config.toml", "site/", "site/membership", "site/invitations/", "site/invitations/key/uses"]


def home_with(home: Path, name: str, mode: int) -> Path:
    """A home in which this has this mode, and the rest is its owner's."""
    path = home / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if name.endswith("/"):
        path.mkdir(mode=0o700)
    else:
        path.touch(mode=0o600)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(("home", "mode"), [(0o750, 0o620), (0o705, 0o602), (0o755, 0o666)])
@pytest.mark.parametrize("name", INSIDE)
def test_what_others_can_change_within_is_refused(tmp_path: Path, name: str, home: int, mode: int) -> None:
    path = home_with(tmp_path, name, mode)
    tmp_path.chmod(home)
    with pytest.raises(StoreError, match=f"{path} can be changed by others") as refused:
        make_home(tmp_path)
    assert f"`chmod go-w {path}`" in refused.value.advice
    path.chmod(mode & ~0o022)
    make_home(tmp_path)


@pytest.mark.parametrize(("home", "mode"), [(0o700, 0o666), (0o750, 0o602), (0o705, 0o620)])
@pytest.mark.parametrize("name", INSIDE)
def test_what_others_cannot_reach_is_not_looked_at(tmp_path: Path, name: str, home: int, mode: int) -> None:
    home_with(tmp_path, name, mode)
    tmp_path.chmod(home)
    make_home(tmp_path)


def test_the_socket_of_a_shared_daemon_is_the_groups(tmp_path: Path) -> None:
    home_with(tmp_path, "control.sock", 0o660)
    tmp_path.chmod(0o750)
    make_home(tmp_path)


def test_a_file_where_the_home_should_be(tmp_path: Path) -> None:
    path = tmp_path / "home"
    path.touch()
    with pytest.raises(StoreError, match="cannot be used"):
        make_home(path / "within")
