"""What a node that has everything gives to whom, so that nothing leaves it twice while others can relay it.

The upload of a seed is what a fan-out lasts. Those who order from it agree among themselves who relays what,
but learn what another ordered only when it says that it has it; the seed alone knows what is on its way.
While others wait for its upload, who asks for a chunk that is being sent to another, or just was, is told to
have it there. A link is told so once of a chunk: it asks again only when the other did not pass the chunk on,
or takes too long, and then it gets it. So one that is given chunks and relays none costs the others a moment,
and nobody is told to wait for one on a slow link.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from protocol.bits import single
from protocol.ids import SnapshotKey

RELAY_SECONDS: Final = 1.0
"""From when a chunk was handed to the kernel until others know who has it: it still waits there, is on the
link, is checked, stored, and told of."""


class Recipient(Protocol):
    """One link that chunks are asked for on."""

    @property
    def busy(self) -> bool:
        """Whether it waits for chunks that it asked for."""
        ...

    @property
    def slow(self) -> bool:
        """Whether it takes far longer for what it is sent than others do."""
        ...


@dataclass(slots=True)
class _Gift:
    """A chunk on its way to a link. sent_at: when it was handed to the kernel."""

    to: Recipient
    sent_at: float | None = None


class Given:
    """Of one node, over all its links and topics."""

    def __init__(self) -> None:
        self._told: dict[Recipient, dict[SnapshotKey, int]] = {}
        self._gifts: dict[tuple[SnapshotKey, int], _Gift] = {}
        self._sent: deque[tuple[float, SnapshotKey, int]] = deque()

    def open(self, link: Recipient) -> None:
        """A new link."""
        self._told[link] = {}

    def close(self, link: Recipient) -> None:
        """A link ended: what it was given reaches nobody over it."""
        del self._told[link]
        self._gifts = {key: gift for key, gift in self._gifts.items() if gift.to is not link}

    @property
    def waiting(self) -> int:
        """How many links wait for chunks."""
        return sum(link.busy for link in self._told)

    def give(self, link: Recipient, topic: SnapshotKey, chunks: Iterable[int], now: float) -> set[int]:
        """Those of these chunks that this link is to be sent now; the others are to be had elsewhere."""
        self._forget(now)
        contended = any(other.busy for other in self._told if other is not link)
        told = self._told[link]
        given = set()
        for chunk in chunks:
            gift, bit = self._gifts.get((topic, chunk)), single(chunk)
            with_another = gift is not None and gift.to is not link and not gift.to.slow
            if contended and with_another and not told.get(topic, 0) & bit:
                told[topic] = told.get(topic, 0) | bit
            else:
                given.add(chunk)
                if gift is None:
                    self._gifts[topic, chunk] = _Gift(link)
        return given

    def sent(self, link: Recipient, topic: SnapshotKey, chunks: Iterable[int], now: float) -> None:
        """The link was sent these chunks."""
        for chunk in chunks:
            gift = self._gifts.get((topic, chunk))
            if gift is not None and gift.to is link:
                gift.sent_at = now
                self._sent.append((now, topic, chunk))

    def _forget(self, now: float) -> None:
        while self._sent and now >= self._sent[0][0] + RELAY_SECONDS:
            sent_at, topic, chunk = self._sent.popleft()
            gift = self._gifts.get((topic, chunk))
            if gift is not None and gift.sent_at == sent_at:
                del self._gifts[topic, chunk]
