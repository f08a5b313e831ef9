"""Telling the peers that want a topic of one another: they share this node's uplink.

Where not everybody is linked with everybody, nobody else can tell them. Each change is told, after a pause
in which others follow, to all of them; a topic that this node does not serve is told of to nobody. They share
out the chunks in the order in which they are told of (`swarm.scheduler.dealing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import trio

from protocol.ids import NodeId, SnapshotKey
from protocol.limits import MAX_COMPANY
from protocol.messages import Company
from swarm.exchange.control import ControlSession
from swarm.scheduler.dealing import dealt

COMPANY_SECONDS: Final = 0.25
"""Pause before peers are told: many begin, and end, at about the same time."""


class Companies:
    """`sessions`: the links there are now."""

    def __init__(self, sessions: Mapping[NodeId, ControlSession]) -> None:
        self._sessions = sessions
        self._changed: set[SnapshotKey] = set()
        self._dealt: dict[SnapshotKey, tuple[NodeId, ...]] = {}
        self._news = trio.lowlevel.ParkingLot()

    def changed(self, topic: SnapshotKey) -> None:
        """Somebody wants this topic now, or does no more."""
        self._changed.add(topic)
        self._news.unpark_all()

    async def run(self) -> None:
        """Tell what changed, until cancelled."""
        while True:
            while not self._changed:
                await self._news.park()
            await trio.sleep(COMPANY_SECONDS)
            topics, self._changed = self._changed, set()
            for topic in topics:
                self._tell(topic)

    def _tell(self, topic: SnapshotKey) -> None:
        company = sorted(peer for peer, session in self._sessions.items() if session.counts_among(topic))
        message = Company(topic, dealt(self._dealt.pop(topic, ()), set(company[:MAX_COMPANY])))
        if message.nodes:
            self._dealt[topic] = message.nodes
        for peer in dict.fromkeys(message.nodes):
            self._sessions[peer].tell(topic, message)
