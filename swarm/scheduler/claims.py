"""Which peer to ask for the digests of chunks that somebody has but that cannot be checked yet.

An origin sends its attestations unasked, with the chunks: chunks that turn up while it works are given
CLAIMS_GRACE_SECONDS. Others are asked for at once, each chunk of one peer at a time, and of another peer
when no answer comes. A peer that never answers is treated as not having the chunks.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from protocol.bits import from_members, members, minus
from protocol.ids import NodeId
from protocol.limits import MAX_CLAIMED_DIGESTS
from swarm.scheduler.aged import Aged
from swarm.scheduler.events import AskClaims
from swarm.scheduler.peers import Peer

CLAIMS_GRACE_SECONDS: Final = 0.25
"""How long an attestation may lag behind the news of its chunk, on another connection."""

CLAIMS_RETRY_SECONDS: Final = 2.0
"""An answer that takes longer is asked for again, elsewhere first."""

CLAIMS_BATCH: Final = 8 * MAX_CLAIMED_DIGESTS
"""Digests asked for at a time: half a megabyte of answer."""

CLAIMS_ATTEMPTS: Final = 3
"""Unanswered questions in a row after which a peer counts as not having what it cannot name."""


class ClaimsDesk:
    """What was asked of whom."""

    def __init__(self, now: float) -> None:
        self._asked: dict[NodeId, tuple[int, float]] = {}
        self._silent: dict[NodeId, int] = {}
        self._mute: dict[NodeId, int] = {}
        self._announced = 0
        self._fresh = Aged(CLAIMS_GRACE_SECONDS, now)

    def announced(self, bits: int) -> None:
        """An origin will send attestations for these without being asked."""
        self._announced |= bits

    @property
    def expected(self) -> int:
        """What an origin said it will send attestations for."""
        return self._announced

    def left(self, peer: NodeId) -> None:
        """Expect nothing more of a peer."""
        for known in (self._asked, self._silent, self._mute):
            known.pop(peer, None)

    def ask(self, peers: Iterable[Peer], lacking: int, now: float) -> list[AskClaims]:
        """Questions to send now; `lacking` is what is missing, held by somebody and cannot be checked."""
        self._note_answers(lacking, now)
        expected = lacking & self._announced
        open_now = minus(lacking, expected) | self._fresh.update(expected, now)
        for bits, _ in self._asked.values():
            open_now = minus(open_now, bits)
        questions = []
        for peer in sorted(peers, key=lambda peer: self._silent.get(peer.node, 0)):
            bits = peer.offers & open_now
            if bits and peer.node not in self._asked and peer.node not in self._mute:
                bits = from_members(islice(members(bits), CLAIMS_BATCH))
                open_now = minus(open_now, bits)
                self._asked[peer.node] = (bits, now)
                questions.append(AskClaims(peer.node, bits))
        return questions

    def _note_answers(self, lacking: int, now: float) -> None:
        """What of each question is answered, by whomever, and which questions to give up."""
        for node, (bits, asked_at) in list(self._asked.items()):
            left = bits & lacking
            if left != bits:
                self._silent.pop(node, None)
                self._asked[node] = (left, asked_at)
            if not left:
                del self._asked[node]
            elif now >= asked_at + CLAIMS_RETRY_SECONDS:
                del self._asked[node]
                self._silent[node] = self._silent.get(node, 0) + 1
                if self._silent[node] >= CLAIMS_ATTEMPTS:
                    del self._silent[node]
                    self._mute[node] = left

    def mute(self) -> dict[NodeId, int]:
        """Peers that did not answer CLAIMS_ATTEMPTS times in a row, and for what; told once."""
        found, self._mute = self._mute, {}
        return found

    def next_wake(self) -> float:
        """When a question is due that no event prompts."""
        times = [asked_at + CLAIMS_RETRY_SECONDS for _, asked_at in self._asked.values()]
        return min([*times, self._fresh.next_wake()])
