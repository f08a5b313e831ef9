"""Asking all peers which snapshot a name stands for, when no hub can be asked."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from protocol.ids import NodeId, SnapshotKey
from protocol.messages import BadMessage, Found, Lookup
from swarm.exchange.control import ControlSession

Answer = tuple[NodeId, SnapshotKey, str]
"""Who knows the name, the topic of the snapshot, and its commit."""


class _Asking:
    def __init__(self, peers: set[NodeId]) -> None:
        self.silent = peers
        self.answers: list[Answer] = []
        self.done = trio.Event()

    def heard_from(self, peer: NodeId) -> None:
        self.silent.discard(peer)
        if not self.silent:
            self.done.set()


class Lookups:
    """Questions under way, each to all peers at once."""

    def __init__(self) -> None:
        self._asking: dict[int, _Asking] = {}
        self._last = 0

    async def ask(
        self, sessions: Mapping[NodeId, ControlSession], name: tuple[str, str, str, str], timeout: float
    ) -> list[Answer]:
        """What peers answer until all have, or the time is up. `name`: hub, repo type, repo, revision."""
        self._last += 1
        number = self._last
        try:
            question = Lookup(number, *name)
        except BadMessage:
            return []  # a name that no message can carry is one that no node has
        asking = self._asking[number] = _Asking(set(sessions))
        try:
            for session in sessions.values():
                session.link.post(question)
            if sessions:
                with trio.move_on_after(timeout):
                    await asking.done.wait()
        finally:
            del self._asking[number]
        return asking.answers

    def found(self, peer: NodeId, message: Found) -> None:
        """A peer answers; an answer that nobody waits for any more is dropped."""
        asking = self._asking.get(message.request)
        if asking is None or peer not in asking.silent:
            return
        if message.topic is not None:
            asking.answers.append((peer, message.topic, message.commit))
        asking.heard_from(peer)

    def gone(self, peer: NodeId) -> None:
        """This peer will not answer any more."""
        for asking in self._asking.values():
            asking.heard_from(peer)
