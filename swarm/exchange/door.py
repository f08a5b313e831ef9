"""Who may stand at the door: accepted connections that have proved nothing yet. Pure.

A connection costs its maker nothing and this node a descriptor, a buffer and some key exchanges. So there
are places for a few, each for the time of a handshake. One machine may not take them all: it has so many
places at a time, and each stays taken for a while after its connection, which bounds how many it gets in a
second. When all places are taken, the machine that has most loses its oldest, as whoever is slow is
there longest. Users of this machine itself have only the common limit.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from swarm.sources.address import is_loopback

MAX_HANDSHAKES: Final = 64
"""Accepted connections whose handshake is under way: twice the links a node holds."""

MAX_HANDSHAKES_OF_A_HOST: Final = 32
"""Of those, from one address, and beginnings from there within REST_SECONDS: a node needs two, and many may
share the address of a machine that runs containers."""

REST_SECONDS: Final = 1.0
"""How long a place stays taken once its handshake is over: nobody has a reason to call twice a second."""


@dataclass(eq=False, slots=True)
class Guest:
    """A connection at the door. `send_away` is called when it has to leave for another."""

    host: str | None
    send_away: Callable[[], None]


class Door:
    """The places there are. Time is an argument."""

    def __init__(
        self, places: int = MAX_HANDSHAKES, places_of_a_host: int = MAX_HANDSHAKES_OF_A_HOST
    ) -> None:
        self._places = places
        self._places_of_a_host = places_of_a_host
        self._guests: dict[Guest, None] = {}
        self._resting: deque[tuple[float, str | None]] = deque()
        self._taken: Counter[str | None] = Counter()

    @property
    def waiting(self) -> int:
        """Connections at the door now."""
        return len(self._guests)

    def enter(self, host: str | None, send_away: Callable[[], None], now: float) -> Guest | None:
        """A place for a connection from this address, for which another may have to leave; None: no place."""
        self._end_rests(now)
        own_machine = host is not None and is_loopback(host)
        if not own_machine and self._taken[host] >= self._places_of_a_host:
            return None
        if len(self._guests) >= self._places:
            self._send_one_away(now)
        guest = Guest(host, send_away)
        self._guests[guest] = None
        self._taken[host] += 1
        return guest

    def leave(self, guest: Guest, now: float) -> None:
        """Its handshake is over, one way or the other."""
        if guest in self._guests:
            del self._guests[guest]
            self._resting.append((now + REST_SECONDS, guest.host))

    def _send_one_away(self, now: float) -> None:
        """The oldest of those from the address that has most here."""
        here = Counter(guest.host for guest in self._guests)
        most = max(here.values())
        oldest = next(guest for guest in self._guests if here[guest.host] == most)
        oldest.send_away()
        self.leave(oldest, now)

    def _end_rests(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            host = self._resting.popleft()[1]
            self._taken[host] -= 1
            if not self._taken[host]:
                del self._taken[host]
