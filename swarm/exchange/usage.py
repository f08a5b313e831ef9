"""Which links carry chunks, told from the counts of their bytes when somebody asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocol.ids import NodeId

USE_SECONDS: Final = 30.0
"""A link that carried nothing for so long is not in use: longer than a transfer waits for anything."""


class Usage:
    """When the count of each link was last seen to have grown."""

    def __init__(self) -> None:
        self._seen: dict[NodeId, tuple[int, float]] = {}

    def busy(self, counts: Mapping[NodeId, int], now: float) -> frozenset[NodeId]:
        """The links that carried something lately. counts: chunk bytes so far, both ways, by peer.

        What grew since the last question counts as carried now.
        """
        seen = self._seen
        self._seen = {
            peer: seen[peer] if peer in seen and seen[peer][0] == count else (count, now)
            for peer, count in counts.items()
        }
        return frozenset(peer for peer, (count, at) in self._seen.items() if count and now < at + USE_SECONDS)
