"""What the word of others about addresses may cost: how many are noted, how fast they are dialled. Pure.

A peer, or anyone who sends mDNS packets, may name addresses of machines that have nothing to do with this.
Each call there is a connection attempt and at most the first message of a handshake; these bounds say how
many there are. What the operator named, and where a node was met before, has no part in this.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final, TypeVar

from protocol.ids import NodeId

MAX_CANDIDATES_OF_A_HOST: Final = 16
"""Addresses noted of one host: for its containers, and not for a scan of its ports."""

MAX_HEARSAY_OF_A_PEER: Final = 64
"""Addresses noted on the word of one peer: one message's worth. The rest is left to others."""

UNPROVEN_DIALS_AT_ONCE: Final = 32
"""Addresses dialled in one go where no node was ever met: all the links a node wants."""

UNPROVEN_DIALS_A_SECOND: Final = 4
"""Of such dials from then on: what a scan of the LAN by this node's hand comes to."""

K = TypeVar("K")


class Budget:
    """Addresses noted, by host and by who named them (None: no peer did)."""

    def __init__(self) -> None:
        self._of_host: Counter[str] = Counter()
        self._of_teller: Counter[NodeId] = Counter()

    def allows(self, host: str, told_by: NodeId | None) -> bool:
        """May one more be noted?"""
        if self._of_host[host] >= MAX_CANDIDATES_OF_A_HOST:
            return False
        return told_by is None or self._of_teller[told_by] < MAX_HEARSAY_OF_A_PEER

    def spend(self, host: str, told_by: NodeId | None) -> None:
        """One more is noted."""
        self._of_host[host] += 1
        if told_by is not None:
            self._of_teller[told_by] += 1

    def free(self, host: str, told_by: NodeId | None) -> None:
        """One is forgotten."""
        _one_less(self._of_host, host)
        if told_by is not None:
            _one_less(self._of_teller, told_by)


class DialRate:
    """When the next unproven address may be dialled (the generic cell rate algorithm, ITU-T I.371)."""

    def __init__(self, at_once: int, a_second: float) -> None:
        self._step = 1 / a_second
        self._slack = (at_once - 1) * self._step
        self._due = -math.inf

    @property
    def ready_at(self) -> float:
        """From when on one may be dialled."""
        return self._due - self._slack

    def take(self, now: float) -> None:
        """One is dialled now."""
        self._due = max(self._due, now) + self._step


def _one_less(counter: Counter[K], key: K) -> None:
    """What is at none is forgotten."""
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
