"""Manifests on their way to us on one bulk connection, put together part by part.

Parts come in order. Nothing is allocated for the size that the peer names; a part that does not follow
the one before is a breach of the protocol, as is one of a manifest that nobody asked for.
"""

from __future__ import annotations

import trio

from protocol.ids import SnapshotKey
from protocol.messages import ManifestPart
from swarm.exchange.orders import Unsolicited


class _Coming:
    def __init__(self) -> None:
        self.parts = bytearray()
        self.result: bytes | str | None = None
        self.done = trio.Event()

    def finish(self, result: bytes | str) -> None:
        self.result = result
        self.done.set()


class Manifests:
    """The manifests asked for on one connection. A result is the manifest, or why there is none."""

    def __init__(self) -> None:
        self._coming: dict[SnapshotKey, _Coming] = {}

    @property
    def waiting(self) -> int:
        return len(self._coming)

    def expect(self, topic: SnapshotKey) -> bool:
        """Is this the first to want it, so that it must be asked for?"""
        first = topic not in self._coming
        if first:
            self._coming[topic] = _Coming()
        return first

    async def wait(self, topic: SnapshotKey) -> bytes | str:
        """The result; whoever cancels this leaves the parts to come to nothing."""
        coming = self._coming[topic]
        await coming.done.wait()
        assert coming.result is not None
        return coming.result

    def part(self, message: ManifestPart) -> None:
        """Take in a part; Unsolicited when it has no place."""
        coming = self._coming.get(message.topic)
        if coming is None or message.offset != len(coming.parts):
            raise Unsolicited("a part of a manifest that was not asked for, or out of order")
        coming.parts += message.payload
        if len(coming.parts) >= message.size:
            del self._coming[message.topic]
            coming.finish(bytes(coming.parts) if coming.parts else "does not have the manifest")

    def fail(self, reason: str) -> None:
        """No more parts will come."""
        for coming in self._coming.values():
            coming.finish(reason)
        self._coming.clear()
