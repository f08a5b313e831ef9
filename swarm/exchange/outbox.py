"""What waits to be sent on one link: a lane for what must not wait, and one that makes its writers wait.

`post` never blocks, so that one peer that stops reading holds nobody up; what it leaves unread is bounded,
and a peer beyond that is cut. `put` is for chunk bytes, whose writer can wait for the peer.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

from protocol.connection import Laid
from protocol.limits import KIB, MIB
from protocol.messages import (
    BulkMessage,
    Claims,
    ControlMessage,
    Data,
    HaveMap,
    ManifestPart,
    Peers,
    Request,
)

Message = ControlMessage | BulkMessage

MAX_POSTED_BYTES: Final = 4 * MIB
"""Unread small messages of one peer: the have-maps of eight of the largest snapshots, or minutes of Have."""

BATCH_BYTES: Final = 64 * KIB
"""Small messages sent by one system call."""


class Outbox:
    """The two lanes; `take` empties the posted one first. One task takes, any may post or put."""

    def __init__(self) -> None:
        self._posted: deque[tuple[Message, int]] = deque()
        self._posted_bytes = 0
        self._put: Message | Laid | None = None
        self._filled = trio.lowlevel.ParkingLot()
        self._emptied = trio.lowlevel.ParkingLot()

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._posted and self._put is None

    def post(self, message: Message) -> bool:
        """Queue this before anything put; False when the peer has left too much unread."""
        size = weight(message)
        if self._posted_bytes + size > MAX_POSTED_BYTES:
            return False
        self._posted.append((message, size))
        self._posted_bytes += size
        self._filled.unpark()
        return True

    async def put(self, message: Message | Laid) -> None:
        """Send this once nothing put before is waiting; returns when that is `done`."""
        while self._put is not None:
            await self._emptied.park()
        self._put = message
        self._filled.unpark()
        while self._put is message:
            await self._emptied.park()

    def done(self) -> None:
        """What was put has been sent."""
        self._put = None
        self._emptied.unpark_all()

    async def take(self) -> list[Message] | Message | Laid:
        """What to send next: up to BATCH_BYTES of posted messages, else what was put, until it is `done`."""
        while not self._posted and self._put is None:
            await self._filled.park()
        if not self._posted:
            assert self._put is not None
            return self._put
        batch: list[Message] = []
        room = BATCH_BYTES
        while self._posted and (not batch or self._posted[0][1] <= room):
            small, size = self._posted.popleft()
            self._posted_bytes -= size
            room -= size
            batch.append(small)
        return batch


def weight(message: Message | Laid) -> int:
    """About how many bytes a message holds in memory and on the wire."""
    match message:
        case Laid():
            return weight(message.message)
        case Data() | ManifestPart():
            return 64 + len(message.payload)
        case HaveMap():
            return 64 + len(message.bits)
        case Claims():
            return 192 + 34 * len(message.digests)
        case Request():
            return 64 + 40 * len(message.items)
        case Peers():
            return 64 + sum(40 + sum(map(len, addresses)) for _, addresses in message.entries)
        case _:
            return 64 + 10 * len(getattr(message, "ranges", ()))
