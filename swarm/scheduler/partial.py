"""What to ask a peer for where not everybody is linked with everybody.

A node then sees neither all who want the model nor who of them has which chunk, so that what it thinks of
as rare may be everywhere. What it does know is who shares a peer's uplink: each node tells its peers which of
them want chunks, its company.

- A scarce holder (one that wants nothing itself, or the origin) may be the only one in the whole LAN. Its
  chunks are dealt out in turn to its company, in the order that it tells (`dealing`), and each asks for its
  own part. All of them deal alike, so nothing leaves such a holder twice. A node that has nothing of its own
  left to ask for takes, after a while, what is left over: what somebody did not fetch who is slow, or gone.
- A relay has what it has from others and all its company wants it: everybody takes what fewest peers have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from protocol.bits import minus, periodic
from protocol.ids import NodeId
from swarm.scheduler.aged import Aged
from swarm.scheduler.peers import Peer, Peers

LEFT_OVER_SECONDS: Final = 1.0
"""Least time for which somebody else's part is left to it: longer than a chunk is on its way through a busy
link."""

LEFT_OVER_FACTOR: Final = 4.0
"""The same in units of the time that a chunk takes from its holder."""

MAX_LEFT_OVER_SECONDS: Final = 4.0
"""Most such time: what a dead node may cost the others."""


@dataclass(slots=True)
class _Part:
    """A holder's company as it was dealt to, this node's part of everything, and what is left over."""

    company: tuple[NodeId, ...]
    bits: int
    left_over: Aged


class Partial:
    """The policy of node `me` for a snapshot of `total` chunks."""

    def __init__(self, me: NodeId, total: int, now: float) -> None:
        self._me = me
        self._total = total
        self._parts: dict[NodeId, _Part] = {}
        self._answers: dict[NodeId, tuple[tuple[NodeId, ...], tuple[NodeId, ...], bool]] = {}

    def applies(self, peer: Peer, present: tuple[NodeId, ...], peers: Peers) -> bool:
        """Whether the peer is linked with others than this node is; of `peers`, `present` want chunks.

        A peer that has just ended, and of whom not all have heard so, makes no difference.
        """
        answer = self._answers.get(peer.node)
        if answer is None or answer[0] is not peer.company or answer[1] is not present:
            answer = self._answers[peer.node] = peer.company, present, self._differ(peer, present, peers)
        return answer[2]

    def _differ(self, peer: Peer, present: tuple[NodeId, ...], peers: Peers) -> bool:
        company = set(peer.company)
        if self._me not in company:
            return False
        unseen = any(node != self._me and peers.get(node) is None for node in company)
        return unseen or not company.issuperset(node for node in present if node != peer.node)

    def tiers(
        self, peer: Peer, want: int, peers: Peers, *, origin: bool, longest: int, now: float
    ) -> Iterator[int]:
        """Sets of chunks out of `want` that may be ordered from this peer now, best first."""
        held = peers.held
        offered = want & peer.offers
        if origin or not peer.wants:
            only_here = minus(offered, held[1])
            part = self._part(peer, now)
            mine = only_here & part.bits
            yield mine
            pace = LEFT_OVER_FACTOR * (peer.pace.seconds(longest) or 0.0)
            part.left_over.period = min(max(pace, LEFT_OVER_SECONDS), MAX_LEFT_OVER_SECONDS)
            yield part.left_over.update(0 if mine else only_here, now)
            if only_here:
                return
        rare = minus(offered, held[1])
        yield rare
        fairly = minus(offered ^ rare, held[2])
        yield fairly
        yield offered ^ rare ^ fairly

    def _part(self, peer: Peer, now: float) -> _Part:
        part = self._parts.get(peer.node)
        if part is None or part.company != peer.company:
            bits = 0
            for place in (place for place, node in enumerate(peer.company) if node == self._me):
                bits |= periodic(len(peer.company), place, 1, self._total)
            part = self._parts[peer.node] = _Part(peer.company, bits, Aged(LEFT_OVER_SECONDS, now))
        return part

    def next_wake(self, now: float) -> float | None:
        """When something may have been left over for long."""
        times = [part.left_over.next_wake() for part in self._parts.values()]
        return min((time for time in times if time > now), default=None)
