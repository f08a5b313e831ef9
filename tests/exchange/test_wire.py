"""What is set of the sockets between nodes."""

from __future__ import annotations

import socket

import pytest

from swarm.exchange.wire import UNSENT_BYTES, tune


class Tuned:
    """A socket with this congestion control. `refuses`: options that this user may not set."""

    def __init__(self, congestion: bytes, refuses: tuple[int, ...] = ()) -> None:
        self.options: dict[int, int | bytes] = {socket.TCP_CONGESTION: congestion.ljust(16, b"\0")}
        self._refuses = refuses

    def getsockopt(self, level: int, option: int, length: int) -> bytes:
        value = self.options[option]
        assert isinstance(value, bytes)
        return value[:length]

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        assert level == socket.IPPROTO_TCP
        if option in self._refuses:
            raise PermissionError
        self.options[option] = value

    @property
    def congestion(self) -> object:
        value = self.options[socket.TCP_CONGESTION]
        assert isinstance(value, bytes)
        return value.rstrip(b"\0")


@pytest.mark.parametrize(
    ("before", "after"), [(b"bbr", b"cubic"), (b"bbr2", b"cubic"), (b"reno", b"reno"), (b"dctcp", b"dctcp")]
)
def test_bbr_gives_way_to_cubic_and_nothing_else_does(before: bytes, after: bytes) -> None:
    connection = Tuned(before)
    tune(connection)
    assert connection.congestion == after
    assert connection.options[socket.TCP_NOTSENT_LOWAT] == UNSENT_BYTES


@pytest.mark.parametrize("refused", [socket.TCP_CONGESTION, socket.TCP_NOTSENT_LOWAT])
def test_what_is_not_allowed_stays_as_it_is(refused: int) -> None:
    connection = Tuned(b"bbr", (refused,))
    tune(connection)
    assert (connection.congestion == b"bbr") == (refused == socket.TCP_CONGESTION)
    assert (socket.TCP_NOTSENT_LOWAT in connection.options) == (refused != socket.TCP_NOTSENT_LOWAT)
