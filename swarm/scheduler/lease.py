"""Who fetches from upstream: the origin's lease, as one node sees it and takes part in it.

Live candidates (nodes that want the snapshot and can reach an upstream) are ranked by rendezvous hash,
the BLAKE3 of topic and node id, smallest first. When nobody holds the lease, the first in rank claims
it, waits LEASE_CLAIM_SECONDS for a better claim, and holds it; each one behind it waits
LEASE_TURN_SECONDS more. A node that has nobody to compete with holds it at once. Whoever sees a better
ranked live holder (`rival`) stops ordering, lets finish what is under way (it was announced), and gives up.
What a seed has that others tell of (`seeds`) is fetched by nobody.

The origin fetches what it wants itself. A node that wants other files, and sees nothing of them announced
for NEGLECT_SECONDS, does not wait for hours: it fetches them on an errand of its own, announced like
everything else, so that nothing is paid twice.

This node's own part is the table NEXT (`states`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from protocol.bits import minus
from protocol.ids import NodeId, SnapshotKey
from swarm.scheduler.patience import HOLDERS_WAITED_FOR, Patience
from swarm.scheduler.rival import SPREAD_SECONDS, Rival, stall_seconds
from swarm.scheduler.seeds import Seeds
from swarm.scheduler.states import FETCHING, HELD, NEXT, Notice, State

LEASE_CLAIM_SECONDS: Final = 0.2
"""From claim to first fetch: longer than a control message takes between two busy nodes."""

LEASE_SAY_SECONDS: Final = 1.0
"""How often the holder says so."""

LEASE_TURN_SECONDS: Final = 1.0
"""How long each one in rank waits for the one before it to claim: its settling may end a little later."""

NEGLECT_SECONDS: Final = 5.0
"""How long nothing that this node needs is on order or announced before it goes on an errand."""

MAX_DISTANT: Final = 16
"""Nodes without a link here of whose leases this one keeps track: one is the origin, a few are on errands."""

LEASE_REST_SECONDS: Final = 10.0
"""Who gave up does not claim again before this, so that the next in rank gets its turn."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the lease must know of the transfer.

    missing: there is more to come. need: of that, chunks that no peer has and nobody announced. served: some
    missing chunk is on order or announced. fetching: orders are out upstream. usable: this node may and can
    go upstream.
    """

    missing: bool
    need: bool
    served: bool
    fetching: bool
    usable: bool


class Lease:
    """The lease of one topic, seen from node `me`, which does not claim it before `settled_at`.

    once_announced: what any other node ever was about to fetch.
    """

    def __init__(
        self, me: NodeId, topic: SnapshotKey, now: float, *, settled_at: float, longest_chunk: int
    ) -> None:
        self._topic = topic
        self._rank = self._rank_of(me)
        self._rivals: dict[NodeId, Rival] = {}
        self._distant: dict[NodeId, Rival] = {}
        self._stall = stall_seconds(longest_chunk)
        self._patience = Patience(HOLDERS_WAITED_FOR * self._stall)
        self.seeds = Seeds(self._stall)
        self._settled_at = settled_at
        self._open_since: float | None = None
        self._neglected_since: float | None = None
        self._entered_at = now
        self._failed = False
        self.once_announced = 0
        self.state = State.WAITING

    def _rank_of(self, node: NodeId) -> bytes:
        return blake3(self._topic + node).digest()

    def _rival(self, node: NodeId) -> Rival:
        """What is known of another node; nothing so far if it is new."""
        return self._rivals.setdefault(node, Rival(self._rank_of(node), self._stall))

    # --- what is heard --------------------------------------------------------------------------

    def joined(self, peer: NodeId, candidate: bool) -> None:
        """A peer says whether it could be the origin."""
        self._distant.pop(peer, None)
        self._rival(peer).joined(candidate)

    def left(self, peer: NodeId, now: float) -> None:
        """The link with a peer is gone, or it takes part no more; a holder may be back at once."""
        rival = self._rivals.get(peer)
        if rival is not None and self.live(rival, now):
            rival.candidate = False
            rival.left_at = now
        else:
            self._rivals.pop(peer, None)

    def heard(self, peer: NodeId, held: bool, now: float) -> None:
        """A peer says that it holds the lease, or gives it up."""
        rival = self._rival(peer)
        if held and not rival.held:
            rival.moved_at = now
            rival.moved = False
        if not held:
            rival.announced = 0
        if not held and rival.held and not self._outranked(rival, now):
            rival.failed = not rival.moved
            rival.rests_until = now + LEASE_REST_SECONDS
        rival.held, rival.heard_at = held, now

    def announced(self, peer: NodeId, bits: int, now: float) -> None:
        """A peer is about to fetch these from upstream."""
        self._rival(peer).announces(bits, now)
        self.once_announced |= bits

    def heard_of(self, node: NodeId, held: bool, said_at: float, now: float) -> bool:
        """A peer says that another node said so at that time; whether it is news to be passed on.

        What took a longer way seems to have been said later. So that a lease ended counts at once, that it is
        held only if it must have been said anew: the two words never chase each other round.
        """
        rival = self._rivals.get(node)
        if rival is None:
            if not held or not self._keep_track(node, now):
                return False
        elif said_at <= rival.heard_at + (0.0 if rival.held and not held else LEASE_SAY_SECONDS / 2):
            return False
        elif rival.left_at is not None and said_at > rival.left_at:
            self._distant[node] = rival
            rival.left_at = None
        rival = self._rival(node)
        spreading = rival.announced if rival.moved else 0
        self.heard(node, held, now)
        rival.heard_at = min(said_at, now)
        if not held:
            rival.announced, rival.spread_until = spreading, now + SPREAD_SECONDS
        return not held or self.origin(now) == node

    def announced_by(self, node: NodeId, bits: int, now: float) -> int:
        """A peer says that another node is about to fetch these; those of them that are news."""
        rival = self._rivals.get(node)
        if rival is None and not self._keep_track(node, now):
            return 0
        news = minus(bits, self._rivals[node].announced)
        if news:
            self.announced(node, news, now)
        return news

    def _keep_track(self, node: NodeId, now: float) -> bool:
        """Make room for what is heard of a node without a link; whether there is."""
        over = [n for n, r in self._distant.items() if self._is_over(r, now)]
        for gone in over:
            del self._distant[gone], self._rivals[gone]
        if len(self._distant) >= MAX_DISTANT:
            return False
        self._distant[node] = self._rival(node)
        return True

    def _is_over(self, distant: Rival, now: float) -> bool:
        """Whether nothing need be remembered of it, not even that it gave up: no word of it is on its way."""
        quiet = now >= max(distant.announced_until, distant.heard_at + LEASE_SAY_SECONDS)
        return quiet and not self.live(distant, now)

    def last_of(self, node: NodeId, now: float) -> tuple[float, int]:
        """How many seconds ago a holder was heard, and what it announced that did not turn up yet."""
        rival = self._rivals[node]
        return now - rival.heard_at, rival.announced

    def arrived(self, peer: NodeId, bits: int, now: float) -> None:
        """A peer has these now; whoever announced them without a link got them first."""
        rival = self._rivals.get(peer)
        if rival is not None:
            rival.arrived(bits, now)
        for distant in self._distant.values():
            distant.arrived(bits, now)
        self.seeds.arrived(bits, now)

    def received(self) -> None:
        """A peer sent this node a chunk: others are worth waiting for."""
        self._patience.reward()

    # --- what follows ---------------------------------------------------------------------------

    def live(self, rival: Rival, now: float) -> bool:
        """Whether it holds the lease, is heard and makes progress, as far as others are believed."""
        return not self._patience.over and rival.is_live(now)

    def under_way(self, now: float) -> int:
        """What live holders, and others on errands, announced and have not got yet, and what seeds have."""
        if self._patience.over:
            return 0
        bits = self.seeds.coming(now)
        for rival in self._rivals.values():
            if rival.announced and now < rival.announced_until:
                bits |= rival.announced
        return bits

    def origin(self, now: float) -> NodeId | None:
        """The best ranked live holder other than this node."""
        holders = [(r.rank, peer) for peer, r in self._rivals.items() if r.held and self.live(r, now)]
        return min(holders)[1] if holders else None

    def somebody_could(self, now: float, usable: bool) -> bool:
        """Whether anybody, this node or a peer, could fetch from upstream and did not just fail to."""
        if usable and not self._failed:
            return True
        for rival in self._rivals.values():
            if self.live(rival, now) and not rival.failed:
                return True
            if rival.candidate and not rival.failed and not rival.held:
                return True
        return False

    @property
    def held(self) -> bool:
        """Whether this node says that it holds the lease."""
        return self.state in HELD

    @property
    def may_fetch(self) -> bool:
        """Whether this node may order from upstream."""
        return self.state in FETCHING

    def step(self, situation: Situation, now: float) -> bool:
        """Follow what is noticed through NEXT; True when whether this node holds the lease changed."""
        before = self.held
        self._watch(situation, now)
        while (notice := _NOTICES[self.state](self, situation, now)) is not None:
            self._enter(NEXT[self.state, notice], now)
        return self.held != before

    def broke(self, now: float) -> None:
        """This node's upstream failed for good: leave it to others for a while."""
        self._failed = True
        self._patience.reward()
        if (self.state, Notice.BROKE) in NEXT:
            self._enter(NEXT[self.state, Notice.BROKE], now)

    def works(self) -> None:
        """This node's upstream works, or is said to again."""
        self._failed = False

    def next_wake(self, now: float) -> float | None:
        """When something is to be noticed that no event tells."""
        times = [rival.expires_at for rival in self._rivals.values() if rival.held]
        times += [rival.announced_until for rival in self._rivals.values() if rival.announced]
        if self.state is State.CLAIMING:
            times.append(self._entered_at + LEASE_CLAIM_SECONDS)
        elif self.state is State.RESTING:
            times.append(self._entered_at + LEASE_REST_SECONDS)
        elif self.state is State.WAITING and self._open_since is not None:
            times.append(self._turn_at(now))
        for clock in (self._patience.next_wake(), self.seeds.next_wake(now)):
            if clock is not None:
                times.append(clock)
        if self._neglected_since is not None:
            times.append(self._neglected_since + NEGLECT_SECONDS)
        return min((time for time in times if time > now), default=None)

    def _enter(self, state: State, now: float) -> None:
        self.state = state
        self._entered_at = now

    def _watch(self, situation: Situation, now: float) -> None:
        """Since when there is something to fetch and nobody to fetch it, or somebody who does not."""
        could = situation.usable and not self._failed
        self._patience.watch(situation.missing and could and not self.may_fetch, now)
        led = self.origin(now) is not None
        vacant = situation.need and not led
        neglected = situation.need and led and not situation.served
        self._open_since = _since(self._open_since, vacant, now)
        self._neglected_since = _since(self._neglected_since, neglected, now)

    def _turn_at(self, now: float) -> float:
        ahead = sum(
            rival.candidate and now >= rival.rests_until and not rival.held and rival.rank < self._rank
            for rival in self._rivals.values()
        )
        since = self._settled_at if self._open_since is None else max(self._settled_at, self._open_since)
        return since + ahead * LEASE_TURN_SECONDS

    def _opposed(self, now: float) -> bool:
        """Whether a better ranked node holds it."""
        return any(rival.rank < self._rank and self.live(rival, now) for rival in self._rivals.values())

    def _outranked(self, rival: Rival, now: float) -> bool:
        """Whether this rival gives up because somebody better ranked, this node perhaps, holds it."""
        if self.held and self._rank < rival.rank:
            return True
        return any(other.rank < rival.rank and self.live(other, now) for other in self._rivals.values())

    # --- what is noticed in each state ----------------------------------------------------------

    def _when_waiting(self, situation: Situation, now: float) -> Notice | None:
        if not situation.usable:
            return None
        if self._neglected_since is not None and now >= self._neglected_since + NEGLECT_SECONDS:
            return Notice.NEGLECTED
        if self._open_since is None or now < self._settled_at:
            return None
        if not any(rival.candidate for rival in self._rivals.values()):
            return Notice.ALONE
        return Notice.TURN if now >= self._turn_at(now) else None

    def _when_claiming(self, situation: Situation, now: float) -> Notice | None:
        if not (situation.need and situation.usable):
            return Notice.NEEDLESS
        if self._opposed(now):
            return Notice.OPPOSED
        return Notice.UNOPPOSED if now >= self._entered_at + LEASE_CLAIM_SECONDS else None

    def _when_holding(self, situation: Situation, now: float) -> Notice | None:
        if not situation.usable or not (situation.need or situation.fetching):
            return Notice.NEEDLESS
        return Notice.OPPOSED if self._opposed(now) else None

    def _when_draining(self, situation: Situation, now: float) -> Notice | None:
        if not situation.fetching:
            return Notice.DRAINED
        return None if self._opposed(now) else Notice.UNOPPOSED

    def _when_on_errand(self, situation: Situation, now: float) -> Notice | None:
        if not situation.usable or not (situation.need or situation.fetching):
            return Notice.NEEDLESS
        return None if self.origin(now) is not None else Notice.UNOPPOSED

    def _when_resting(self, situation: Situation, now: float) -> Notice | None:
        rested = not self._failed or now >= self._entered_at + LEASE_REST_SECONDS
        return Notice.RESTED if rested else None


def _since(since: float | None, holds: bool, now: float) -> float | None:
    """Since when a condition holds, known that it did since `since`."""
    if not holds:
        return None
    return now if since is None else since


_NOTICES: Final[dict[State, Callable[[Lease, Situation, float], Notice | None]]] = {
    State.WAITING: Lease._when_waiting,
    State.CLAIMING: Lease._when_claiming,
    State.HOLDING: Lease._when_holding,
    State.DRAINING: Lease._when_draining,
    State.ERRAND: Lease._when_on_errand,
    State.RESTING: Lease._when_resting,
}
