"""The home: made closed, and refused when others can change what lies in it."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.errors import StoreError
from swarm.node import home as homes
from swarm.node.home import owner_alone


def make_home(home: Path, *, alone: bool = False) -> None:
    """With a group that has other members, or none but the owner."""
    homes.make_home(home, lambda _: alone)


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


@pytest.mark.parametrize("mode", [0o770, 0o775, 0o2770])
def test_the_group_may_write_if_it_is_the_owners_alone(tmp_path: Path, mode: int) -> None:
    home_with(tmp_path, "config.toml", 0o664)
    tmp_path.chmod(mode)
    make_home(tmp_path, alone=True)
    tmp_path.chmod(mode | 0o002)
    with pytest.raises(StoreError, match=f"{tmp_path} can be changed by others"):
        make_home(tmp_path, alone=True)


def owned(uid: int, gid: int) -> os.stat_result:
    return os.stat_result((0o40770, 0, 0, 1, uid, gid, 0, 0, 0, 0))


def test_whose_group_is_the_owners_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    users = {
        1: pwd.struct_passwd(("ann", "x", 1, 11, "", "/", "")),
        2: pwd.struct_passwd(("bob", "x", 2, 13, "", "/", "")),
    }
    groups = {
        11: grp.struct_group(("ann", "x", 11, [])),
        12: grp.struct_group(("bob", "x", 12, [])),
        13: grp.struct_group(("lab", "x", 13, [])),
    }
    monkeypatch.setattr(pwd, "getpwuid", users.__getitem__)
    monkeypatch.setattr(grp, "getgrgid", groups.__getitem__)
    assert owner_alone(owned(1, 11))
    assert not owner_alone(owned(1, 13))
    assert not owner_alone(owned(2, 13))
    assert not owner_alone(owned(2, 12))
    assert not owner_alone(owned(3, 11))
    assert not owner_alone(owned(1, 14))
    groups[11] = grp.struct_group(("ann", "x", 11, ["ann"]))
    assert owner_alone(owned(1, 11))
    groups[11] = grp.struct_group(("ann", "x", 11, ["ann", "bob"]))
    assert not owner_alone(owned(1, 11))


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
