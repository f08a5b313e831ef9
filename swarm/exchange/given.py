"""What a node that has everything gives to whom, so that nothing leaves it twice while others can relay it.

The upload of a seed is what a fan-out lasts. Those who order from it agree among themselves who relays what,
as far as each knows of the others; it alone knows what was sent already. While others wait for its upload,
who asks for a chunk that went to another is told to have it there. It is told so once: it asks again only
when the other did not pass the chunk on in time, and then it gets it. So a link that is given chunks and
relays none costs the others one detour for each of these.

What was given is forgotten with the link it went to, and when nobody asked for FORGET_SECONDS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from protocol.bits import single
from protocol.ids import SnapshotKey

FORGET_SECONDS: Final = 10.0
"""Pause after which a new fan-out begins: those who were given something before may not have it any more."""


class Recipient(Protocol):
    """One link that chunks are asked for on."""

    @property
    def busy(self) -> bool:
        """Whether it waits for chunks that it asked for."""
        ...


@dataclass(slots=True)
class _Part:
    """What one link was given of one topic, and what it was told to have elsewhere."""

    given: int = 0
    told: int = 0


class Given:
    """Of one node, over all its links and topics."""

    def __init__(self) -> None:
        self._links: dict[Recipient, dict[SnapshotKey, _Part]] = {}
        self._all: dict[SnapshotKey, int] = {}
        self._asked_at = 0.0

    def open(self, link: Recipient) -> None:
        """A new link."""
        self._links[link] = {}

    def close(self, link: Recipient) -> None:
        """A link ended: others relay what it was given no more."""
        for topic in self._links.pop(link):
            self._all[topic] = 0
            for parts in self._links.values():
                if topic in parts:
                    self._all[topic] |= parts[topic].given

    def give(self, link: Recipient, topic: SnapshotKey, chunks: Iterable[int], now: float) -> set[int]:
        """Those of these chunks that this link is to be sent now; the others are to be had elsewhere."""
        if now - self._asked_at > FORGET_SECONDS:
            self._forget()
        self._asked_at = now
        contended = any(other.busy for other in self._links if other is not link)
        part = self._links[link].setdefault(topic, _Part())
        given = set()
        for chunk in chunks:
            bit = single(chunk)
            with_others = self._all.get(topic, 0) & bit and not part.given & bit
            if contended and with_others and not part.told & bit:
                part.told |= bit
            else:
                part.given |= bit
                self._all[topic] = self._all.get(topic, 0) | bit
                given.add(chunk)
        return given

    def _forget(self) -> None:
        self._all.clear()
        for parts in self._links.values():
            parts.clear()
