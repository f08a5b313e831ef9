"""Finding those who take part in a topic when this node is not linked with everybody.

A node that joins a topic asks whom it is linked with. Where more nodes are known than that, and few of the
linked ones take part, a Seek goes round: who takes part calls the seeker, who does not passes it on, over one
more link each time. So those few of a large LAN who want the same model find one another, and who has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

import trio

from protocol.ids import NodeId, SnapshotKey
from protocol.limits import MAX_SEEK_HOPS
from protocol.messages import Peers, Seek
from protocol.standing import Standing
from swarm.exchange.control import ControlSession
from swarm.exchange.gossip import hints
from swarm.sources.address import Address

ENOUGH_COMPANY: Final = 8
"""Linked peers that take part in a topic beyond which no more are sought: so many random links each hold
all of them together."""

FIRST_SEEK_SECONDS: Final = 0.25
"""From joining a topic to the first Seek: for the linked peers to answer."""

SEEK_SECONDS: Final = 0.5
"""From one Seek to the next, which goes one link farther: for a call, a handshake and a Join. The last has
twice as long."""

SEEK_AGAIN_SECONDS: Final = 30.0
"""Between two later ones, while there is little company."""

REMEMBER_SECONDS: Final = 10.0
"""How long a Seek is known when it comes again, over other links."""

MAX_REMEMBERED: Final = 1024
"""Seeks remembered; past it they are not passed on."""

MOST_PASSED_ON: Final = 32
"""Seeks passed on in one second: a LAN where so many begin at the same time can wait."""


class Owner(Protocol):
    """What seeking needs of the exchange."""

    def crowded(self) -> bool:
        """Are nodes known that there is no link with?"""
        ...

    async def takes_part(self, topic: SnapshotKey, session: ControlSession) -> bool:
        """Does this node take part in the topic, or serve it, as far as this peer may know?"""
        ...

    def call(self, node: NodeId, addresses: Iterable[Address], told_by: NodeId) -> None:
        """Have a link with this node, even for another, as this peer says."""
        ...

    def among(self, topic: SnapshotKey) -> Standing:
        """Among whom this node seeks company in a topic: in a site its members."""
        ...


class Seeking:
    """`sessions`: the links there are now."""

    def __init__(
        self, me: NodeId, sessions: Mapping[NodeId, ControlSession], owner: Owner, clock: Callable[[], float]
    ) -> None:
        self._me = me
        self._sessions = sessions
        self._owner = owner
        self._clock = clock
        self._seen: dict[tuple[SnapshotKey, NodeId], tuple[int, float]] = {}
        self._passed_on = 0
        self._second = 0.0

    async def seek(self, topic: SnapshotKey, company: Callable[[], int], searched: trio.Event) -> None:
        """Seek company in a topic until cancelled; `searched` once there is enough, or there is no more."""
        await trio.sleep(FIRST_SEEK_SECONDS)
        for hops in range(1, MAX_SEEK_HOPS + 1):
            if self._seek(topic, company(), hops):
                await trio.sleep(SEEK_SECONDS)
        await trio.sleep(0 if searched.is_set() else SEEK_SECONDS)
        searched.set()
        while True:
            await trio.sleep(SEEK_AGAIN_SECONDS)
            self._seek(topic, company(), MAX_SEEK_HOPS)

    def _seek(self, topic: SnapshotKey, company: int, hops: int) -> bool:
        """Send a Seek if there is little company; whether there was need to."""
        if company >= ENOUGH_COMPANY or not self._owner.crowded():
            return False
        self._send(Seek(topic, self._me, (), hops), self._owner.among(topic), ())
        return True

    async def heard(self, session: ControlSession, message: Seek) -> None:
        """A peer seeks, or passes on that another does."""
        if message.seeker == self._me or not self._is_news(message):
            return
        where = message.addresses
        if not where and session.peer == message.seeker and session.address is not None:
            where = (str(session.address),)
        called = list(hints(Peers(((message.seeker, where),)), session.address))
        if not called:
            return
        if await self._owner.takes_part(message.topic, session):
            for node, addresses in called:
                self._owner.call(node, addresses, session.peer)
        elif message.hops:
            on = Seek(message.topic, message.seeker, where, message.hops - 1)
            self._send(on, session.standing, (session.peer, message.seeker))

    def _is_news(self, message: Seek) -> bool:
        """Whether it did not come before with as far to go, and there was not too much of it."""
        now = self._clock()
        if now >= self._second + 1.0:
            self._second, self._passed_on = now, 0
            self._seen = {key: s for key, s in self._seen.items() if now < s[1] + REMEMBER_SECONDS}
        key = (message.topic, message.seeker)
        hops, _ = self._seen.get(key, (-1, 0.0))
        if message.hops <= hops or len(self._seen) >= MAX_REMEMBERED or self._passed_on >= MOST_PASSED_ON:
            return False
        self._passed_on += 1
        self._seen[key] = (message.hops, now)
        return True

    def _send(self, message: Seek, among: Standing, but: Iterable[NodeId]) -> None:
        for peer, session in self._sessions.items():
            if session.standing == among and peer not in but:
                session.link.post(message)
