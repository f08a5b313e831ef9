"""The test hub as these tests use it: it tells when so many bytes were sent, and what is under way."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final

from protocol.limits import KIB, MIB
from swarm.cli.demo_repo import BLOCK
from tests.command.machine import SECONDS
from tests.hub.faults import FaultyHub

REPO: Final = "ns/model"

CHUNK: Final = 256 * KIB
"""Chunk length of files below a GiB (protocol.chunks)."""


def model(size: int = 3 * MIB + 1234, seed: int = 1) -> dict[str, bytes]:
    """Files as a repository has them: one of many chunks, some small, one empty, one in a folder."""
    return {
        "config.json": b'{"hidden_size": 8}\n',
        "empty.txt": b"",
        "nested/deeper/notes with spaces é.txt": b"here\n",
        "weights.safetensors": random.Random(seed).randbytes(size),
    }


def size_of(files: dict[str, bytes]) -> int:
    return sum(map(len, files.values()))


class CommandHub(FaultyHub):
    """A hub that can be waited for. `most_bodies`: file bodies under way at the same time, at most so far."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._news = threading.Condition()
        self.total = 0
        self.bodies = 0
        self.most_bodies = 0
        super().__init__(*arguments, **keywords)

    def _counted(self, key: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
        with self._news:
            self.bodies += 1
            self.most_bodies = max(self.bodies, self.most_bodies)
        try:
            for block in super()._counted(key, blocks):
                with self._news:
                    self.total += len(block)
                    self._news.notify_all()
                yield block
        finally:
            with self._news:
                self.bodies -= 1

    def wait_sent(self, count: int) -> None:
        """Return once that many bytes of files were sent since the hub began."""
        with self._news:
            assert self._news.wait_for(lambda: self.total >= count, SECONDS), f"only {self.total} were sent"

    def in_flight(self) -> int:
        """Bytes that one killed client may have been sent for nothing: of every body at most the chunk
        being received, the one being stored, and the block that the hub was sending."""
        return self.most_bodies * (2 * CHUNK + BLOCK)


def closed_port() -> str:
    """A URL at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
