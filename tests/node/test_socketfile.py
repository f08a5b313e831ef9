"""Where the control socket lies."""

import socket
import stat
import tempfile
from pathlib import Path

import pytest

from swarm.node import socketfile


def dial(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(socketfile.socket_place(path)))


def test_it_is_for_the_user_and_the_group_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "control.sock"
    with socketfile.bind(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        dial(path)
    socketfile.clear(path)
    assert not path.exists()


def test_what_a_killed_node_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    socketfile.bind(path).close()
    with pytest.raises(ConnectionRefusedError):
        dial(path)
    with socketfile.bind(path):
        dial(path)


def test_a_home_with_a_long_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = tmp_path / "t"
    short.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    path = tmp_path / ("x" * 120) / "control.sock"
    for _ in range(2):  # the second one finds what the first left behind
        with socketfile.bind(path):
            dial(path)
        assert len(list(short.iterdir())) == 1
    socketfile.clear(path)
    assert not path.is_symlink()
    assert list(short.iterdir()) == []


def test_a_link_to_elsewhere_is_removed_and_not_what_it_points_to(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("kept")
    path = tmp_path / "control.sock"
    path.symlink_to(other / "file")
    socketfile.clear(path)
    assert not path.is_symlink()
    assert (other / "file").read_text() == "kept"
