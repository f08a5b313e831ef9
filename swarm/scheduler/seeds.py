"""Nodes that have chunks and want none, as those hear of them that are not linked with them.

In a large LAN most nodes see a chunk only when it has come round. Did they not know that somebody has it,
they would go upstream for it at once. So who is linked with such a seed tells the others once a second what
it has, and they pass it on (`hearsay`). It counts while such words come, and while something of what it is
said to have turns up somewhere: what a node invents counts no longer than a lease would (`rival`), and that
but once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from protocol.bits import minus
from protocol.ids import NodeId

SEED_SAY_SECONDS: Final = 1.0
"""How often is told of a seed."""

SEED_SILENT_SECONDS: Final = 4.0
"""A seed of which nothing is heard for so long is gone: three words and a bit."""

MAX_SEEDS: Final = 4
"""Seeds kept track of. Who has everything is enough; a few may have a file each."""


@dataclass(slots=True)
class Seed:
    """What it has, when that was said last, and when something of it turned up last."""

    bits: int
    heard_at: float
    moved_at: float


class Seeds:
    """The seeds of one topic, each of which may be without progress for `stall` seconds."""

    def __init__(self, stall: float) -> None:
        self._stall = stall
        self._seeds: dict[NodeId, Seed] = {}

    def heard(self, node: NodeId, bits: int, said_at: float, now: float) -> bool:
        """Somebody said at that time that a seed has these; whether it is news to be passed on.

        It is none within half of SEED_SAY_SECONDS of the word before, as the same word comes on many ways,
        nor while seeds that were heard lately have as much.
        """
        seed = self._seeds.get(node)
        if seed is not None:
            if said_at <= seed.heard_at + SEED_SAY_SECONDS / 2:
                return False
            seed.bits, seed.heard_at = bits, said_at
            return not self._stalled(seed, now)
        if said_at + SEED_SILENT_SECONDS <= now or not minus(bits, self._heard_lately(now)):
            return False
        self._forget(now)
        if len(self._seeds) >= MAX_SEEDS:
            return False
        self._seeds[node] = Seed(bits, said_at, now)
        return True

    def arrived(self, bits: int, now: float) -> None:
        """Somebody has these now who had not."""
        for seed in self._seeds.values():
            if seed.bits & bits and not self._stalled(seed, now):
                seed.moved_at = now

    def coming(self, now: float) -> int:
        """What is to come round."""
        bits = 0
        for _, has, _ in self.known(now):
            bits |= has
        return bits

    def known(self, now: float) -> Iterator[tuple[NodeId, int, float]]:
        """Each that counts now: who, what it has, and how many seconds ago that was said."""
        for node, seed in self._seeds.items():
            if now < self._expires_at(seed):
                yield node, seed.bits, now - seed.heard_at

    def next_wake(self, now: float) -> float | None:
        """When one counts no more, should nothing be heard or seen of it until then."""
        times = [self._expires_at(seed) for seed in self._seeds.values()]
        return min((time for time in times if time > now), default=None)

    def _heard_lately(self, now: float) -> int:
        """What seeds have that are not about to be given up: another may take over before that."""
        bits = 0
        for seed in self._seeds.values():
            if now < seed.heard_at + SEED_SILENT_SECONDS / 2 and not self._stalled(seed, now):
                bits |= seed.bits
        return bits

    def _forget(self, now: float) -> None:
        """Make room. Of one that had stalled is remembered that it did, or it could come back for ever."""
        for node, seed in list(self._seeds.items()):
            if now >= seed.heard_at + SEED_SILENT_SECONDS and not self._stalled(seed, now):
                del self._seeds[node]

    def _stalled(self, seed: Seed, now: float) -> bool:
        return now >= seed.moved_at + self._stall

    def _expires_at(self, seed: Seed) -> float:
        return min(seed.heard_at + SEED_SILENT_SECONDS, seed.moved_at + self._stall)
