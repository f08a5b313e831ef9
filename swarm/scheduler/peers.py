"""Who takes part, what each has, who is at rest, and how rare each chunk is.

`Peer.offers` is what may be ordered from a peer now: what it has, less what it refused lately or gives to
others first, nothing while it rests. `Peers.held[k]` are the chunks that more than k peers offer; they are
kept up to date as sets grow and counted anew, when next asked for, after one shrank.

`Peers.expected` is more than what is offered now: what a peer has and will give before long. Nobody goes
upstream for that. A peer whose order failed counts for it, until a second one fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocol.bits import minus
from protocol.ids import NodeId
from swarm.scheduler.windows import Pace

LEVELS: Final = 3
"""Holders that are told apart: one, two, more. Past two, rarity hardly changes what is best to ask for."""

DISTRUST_SECONDS: Final = 120.0
"""How long a peer that sent wrong bytes, or failed for good, is left alone; doubles each time."""

PAUSE_SECONDS: Final = 0.25
"""How long a peer whose order failed is left alone; doubles with each failure until a chunk comes."""

MAX_REST_SECONDS: Final = 1800.0
"""No rest lasts longer: what was wrong may have been mended."""

REFUSED_SECONDS: Final = 5.0
"""How long a chunk that a peer could not send is not asked of it again."""

ELSEWHERE_SECONDS: Final = 2.0
"""How long, at least, a chunk is not asked again of a peer that lets others relay it, twice that at most:
several chunks' time on any link worth relaying over."""

ELSEWHERE_IDLE_SECONDS: Final = 0.25
"""The same where nothing else is to be asked of the peer: who was to relay it may be slow."""

ELSEWHERE_IDLE_CHUNKS: Final = 4.0
"""The same in units of the time that a chunk takes from the peer, if that is more: it is about what the chunk
needs on its way to the other, who had asked for some before."""

DOUBTFUL_FAILURES: Final = 2
"""Orders that fail one after another until what a peer has is no more counted on: one may be a link that was
lost, or a machine that was too busy for seconds."""


class Peer:
    """What is known of one peer."""

    def __init__(self, node: NodeId) -> None:
        self.node = node
        self.wants = False
        self.can_fetch = False
        self.company: tuple[NodeId, ...] = ()
        self.has = 0
        self.offers = 0
        self.refused = 0
        self.refused_until = 0.0
        self.absent = 0
        self.elsewhere = 0
        self.elsewhere_lately = 0
        self.elsewhere_until = 0.0
        self.put_off = 0
        self.rests_until = 0.0
        self.failures = 0
        self.faults = 0
        self.pace = Pace()

    def rests(self, now: float) -> bool:
        return now < self.rests_until


class Peers:
    """Everybody else who takes part in the topic."""

    def __init__(self) -> None:
        self._peers: dict[NodeId, Peer] = {}
        self._resting: dict[NodeId, Peer] = {}
        self._held: list[int] | None = [0] * LEVELS
        self._expected: int | None = 0
        self._relayed: int | None = 0
        self._aside = 0  # what anybody lets others relay, and perhaps more

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def get(self, node: NodeId) -> Peer | None:
        return self._peers.get(node)

    @property
    def held(self) -> list[int]:
        """Item k: the chunks that more than k peers offer, for k below LEVELS."""
        if self._held is None:
            self._held = [0] * LEVELS
            for peer in self._peers.values():
                self._count(self._held, peer.offers)
        return self._held

    @property
    def expected(self) -> int:
        """The chunks that some peer has and may be expected to send before long."""
        if self._expected is None:
            self._expected = 0
            for peer in self._peers.values():
                self._expected |= self.expect(peer)
        return self._expected

    @property
    def relayed(self) -> int:
        """The chunks that are offered by a peer which wants others, and so passes on what it gets."""
        if self._relayed is None:
            self._relayed = 0
            for peer in self._peers.values():
                if peer.wants:
                    self._relayed |= peer.offers
        return self._relayed

    def expect(self, peer: Peer) -> int:
        """What this peer has and may be expected to send before long."""
        doubtful = peer.failures >= DOUBTFUL_FAILURES or (peer.faults and self._is_resting(peer))
        return peer.offers if doubtful else minus(peer.has, peer.absent)

    @staticmethod
    def _count(held: list[int], more: int) -> None:
        for level in range(LEVELS - 1, 0, -1):
            held[level] |= held[level - 1] & more
        held[0] |= more

    def add(self, node: NodeId) -> Peer:
        """The peer, taking part from now on; one that left while it had to rest still has to."""
        if node not in self._peers:
            peer = self._peers[node] = Peer(node)
            known = self._resting.get(node)
            if known is not None:
                peer.rests_until, peer.faults = known.rests_until, known.faults
                self._resting[node] = peer
        return self._peers[node]

    def joined(self, node: NodeId, *, wants: bool, can_fetch: bool) -> Peer:
        """The peer takes part, wanting chunks or not, able to go upstream or not."""
        peer = self.add(node)
        peer.can_fetch = can_fetch
        if peer.wants != wants:
            peer.wants = wants
            self._relayed = None
        return peer

    def remove(self, node: NodeId) -> None:
        if self._peers.pop(node, None) is None:
            return
        self._held = self._relayed = self._expected = None
        for peer in self._peers.values():
            self._ask_again(peer, peer.elsewhere | peer.elsewhere_lately)

    def gained(self, peer: Peer, bits: int) -> int:
        """The peer has these too; returns what is new of it."""
        new = minus(bits, peer.has)
        peer.has |= new
        if new & self._aside:
            self._aside = 0
            for other in self._peers.values():
                if other is not peer:
                    self._ask_again(other, new)
                self._aside |= other.elsewhere | other.elsewhere_lately
        again = bits & peer.refused
        peer.refused = minus(peer.refused, again)
        peer.absent = minus(peer.absent, again)
        if not self._is_resting(peer):
            offered = minus(minus(new | again, peer.elsewhere | peer.elsewhere_lately), peer.offers)
            peer.offers |= offered
            if self._held is not None:
                self._count(self._held, offered)
            if self._relayed is not None and peer.wants:
                self._relayed |= offered
        if self._expected is not None:
            self._expected |= self.expect(peer)
        return new

    def lost(self, peer: Peer, bits: int) -> None:
        peer.has = minus(peer.has, bits)
        self._offer(peer)

    def elsewhere(self, peer: Peer, bits: int, now: float) -> None:
        """The peer lets others relay these: leave them to those for a while. Of one that says so again of the
        same chunks, they are not to be had."""
        if again := bits & peer.put_off:
            self.refused(peer, again, now, absent=True)
        peer.put_off |= bits
        if not peer.elsewhere | peer.elsewhere_lately:
            peer.elsewhere_until = now + ELSEWHERE_SECONDS
        peer.elsewhere_lately |= bits
        self._aside |= bits
        self._offer(peer)

    def spared(self, peer: Peer, longest: int, now: float) -> None:
        """Nothing is on order from the peer: ask it again soon for what others were to relay.

        longest: bytes of the longest chunk.
        """
        if peer.elsewhere | peer.elsewhere_lately:
            chunk_seconds = peer.pace.seconds(longest) or 0.0
            patience = max(ELSEWHERE_IDLE_SECONDS, ELSEWHERE_IDLE_CHUNKS * chunk_seconds)
            peer.elsewhere |= peer.elsewhere_lately
            peer.elsewhere_lately = 0
            peer.elsewhere_until = min(peer.elsewhere_until, now + patience)

    def _ask_again(self, peer: Peer, bits: int) -> None:
        """These may be asked of a peer again: others relay them by now, or who was to may be gone."""
        if bits & (peer.elsewhere | peer.elsewhere_lately):
            peer.elsewhere = minus(peer.elsewhere, bits)
            peer.elsewhere_lately = minus(peer.elsewhere_lately, bits)
            self._offer(peer)

    def came(self, peer: Peer) -> None:
        """A chunk that was ordered from the peer came."""
        if peer.failures:
            peer.failures = 0
            self._expected = None

    def refused(self, peer: Peer, bits: int, now: float, *, absent: bool = False) -> None:
        """An order for these failed: leave them for a while, and the peer for a moment. absent: it says that
        it does not have them."""
        peer.refused |= bits
        peer.absent |= bits if absent else 0
        peer.refused_until = now + REFUSED_SECONDS
        self.rest(peer, min(PAUSE_SECONDS * 2**peer.failures, REFUSED_SECONDS), now)
        peer.failures += 1

    def forgive(self, bits: int) -> None:
        """These were asked for under digests believed no more: who refused them may well have them."""
        for peer in self._peers.values():
            if peer.refused & bits:
                peer.refused = minus(peer.refused, bits)
                peer.absent = minus(peer.absent, bits)
                self._offer(peer)

    def distrust(self, peer: Peer, now: float) -> None:
        """The peer sent what it should not have, or says that it cannot send."""
        self.rest(peer, min(DISTRUST_SECONDS * 2**peer.faults, MAX_REST_SECONDS), now)
        peer.faults += 1

    def rest(self, peer: Peer, seconds: float, now: float) -> None:
        """Order nothing of this peer for so long."""
        peer.rests_until = max(peer.rests_until, now + seconds)
        self._resting[peer.node] = peer
        self._offer(peer)

    def wake(self, now: float) -> None:
        """End the rests and refusals whose time has come."""
        for node in [node for node, peer in self._resting.items() if not peer.rests(now)]:
            self._offer(self._resting.pop(node))
        for peer in self._peers.values():
            if peer.refused and now >= peer.refused_until:
                peer.refused = peer.absent = 0
                self._offer(peer)
            if peer.elsewhere | peer.elsewhere_lately and now >= peer.elsewhere_until:
                peer.elsewhere, peer.elsewhere_lately = peer.elsewhere_lately, 0
                peer.elsewhere_until = now + ELSEWHERE_SECONDS
                self._offer(peer)

    def next_wake(self) -> float | None:
        """When the next rest or refusal ends."""
        times = [peer.rests_until for peer in self._resting.values()]
        times += [peer.refused_until for peer in self._peers.values() if peer.refused]
        times += [p.elsewhere_until for p in self._peers.values() if p.elsewhere | p.elsewhere_lately]
        return min(times, default=None)

    def _is_resting(self, peer: Peer) -> bool:
        return peer.node in self._resting

    def _offer(self, peer: Peer) -> None:
        unavailable = peer.refused | peer.elsewhere | peer.elsewhere_lately
        peer.offers = 0 if self._is_resting(peer) else minus(peer.has, unavailable)
        self._held = self._relayed = self._expected = None
