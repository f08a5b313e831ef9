"""This node as the one that goes upstream: takes the lease in its turn, says so, orders, and gives up.

What is decided about the lease stands in `lease`, what is known of the upstream in `upstream`; here both
become commands. Whoever holds the lease says so every LEASE_SAY_SECONDS, and announces each span before it is
ordered.
"""

from __future__ import annotations

from protocol.bits import from_members, minus
from swarm.scheduler.dispatch import Dispatch
from swarm.scheduler.events import UPSTREAM, Command, SayFetching, SayLease
from swarm.scheduler.lease import LEASE_SAY_SECONDS, Lease, Situation
from swarm.scheduler.orders import Orders
from swarm.scheduler.upstream import UpstreamRecord


class Origin:
    """Of one transfer, from `now` on."""

    def __init__(
        self, lease: Lease, record: UpstreamRecord, orders: Orders, dispatch: Dispatch, now: float
    ) -> None:
        self._lease = lease
        self._record = record
        self._orders = orders
        self._dispatch = dispatch
        self._usable = False
        self._said_at = now

    def reachable(self, usable: bool, now: float) -> None:
        """Whether this node may and can go upstream now."""
        if usable and not self._usable:
            self._lease.works()
            self._record.works_again(now)
        self._usable = usable

    def came(self, length: int) -> None:
        """A chunk of this length came from upstream."""
        self._record.came(length)
        self._lease.works()

    def greet(self, now: float) -> list[Command]:
        """Tell who is new that this node holds the lease, and what it is fetching."""
        under_way = from_members(self._orders.pending(UPSTREAM))
        said = self._say(now)
        return [*said, SayFetching(under_way)] if under_way else said

    def follow(self, missing: int, need: int, served: int, now: float) -> list[Command]:
        """Take the lease or hand it on, by what is missing, what of it is to be had from upstream alone
        (`need`) and what is on its way (`served`); say so, and again from time to time while it is held."""
        fetching = bool(self._orders.owed(UPSTREAM))
        situation = Situation(bool(missing), bool(need), bool(served), fetching, self._usable)
        changed = self._lease.step(situation, now)
        due = self._lease.held and now >= self._said_at + LEASE_SAY_SECONDS
        return self._say(now) if changed or due else []

    def may_order(self, now: float) -> bool:
        """Whether it is this node's to order from upstream, and not too soon after a failure."""
        return self._lease.may_fetch and now >= self._record.paused_until

    def order(self, need: int, now: float) -> list[Command]:
        """Order from upstream out of `need`, each span announced first.

        What an origin that is gone had announced comes last: nodes that are not linked with this one may have
        it, and by then it may have come round.
        """
        commands: list[Command] = []
        first = minus(need, self._lease.once_announced) or need
        for chunks in self._record.spans(first, self._orders.count(UPSTREAM)):
            commands.append(SayFetching(from_members(chunks)))
            commands += self._dispatch.place(UPSTREAM, chunks, now)
        return commands

    def failed(self, lasting: bool, now: float) -> list[Command]:
        """An order failed, perhaps for good."""
        return self.give_up(now) if self._record.failed(lasting, now) else []

    def give_up(self, now: float) -> list[Command]:
        """Upstream has broken down: call off what it owes, and leave the lease to others."""
        announced = self._lease.held or self._lease.may_fetch
        self._record.broke()
        self._lease.broke(now)
        called_off = self._dispatch.call_off(UPSTREAM)
        return [*called_off, SayLease(False, self._record.fetched)] if announced else called_off

    def promising(self, now: float) -> bool:
        """Whether something may come from upstream, through this node or another."""
        ordered = self._record.hopeful and bool(self._orders.count(UPSTREAM))
        return ordered or self._lease.somebody_could(now, self._usable and self._record.hopeful)

    def next_wake(self) -> list[float]:
        """When there may be something to say or to order."""
        return [self._said_at + LEASE_SAY_SECONDS, self._record.paused_until]

    def _say(self, now: float) -> list[Command]:
        self._said_at = now
        return [SayLease(self._lease.held, self._record.fetched)]
