"""What peers have is heard before this node goes upstream: nothing is fetched that a neighbour has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import trio

from protocol.ids import NodeId

ANSWER_SECONDS: Final = 5.0
"""How long peers may take to say what they have before this node goes upstream without knowing: one opens a
large snapshot from its index within a second or two."""

MAP_SECONDS: Final = 0.1
"""From the last peer's first word to the end of its have-map: both are sent in one go."""


class Answers:
    """The peers that were asked at the start; `due` while some of them may still answer."""

    def __init__(self, asked: Iterable[NodeId] = ()) -> None:
        self._unheard = set(asked)
        self._all_heard = trio.Event()
        self.due = bool(self._unheard)

    def heard(self, peer: NodeId) -> None:
        """The peer said something, or is gone."""
        self._unheard.discard(peer)
        if not self._unheard:
            self._all_heard.set()

    async def wait(self, searched: trio.Event) -> None:
        """Return once all said what they have and others were looked for, or too long after."""
        with trio.move_on_after(ANSWER_SECONDS):
            await self._all_heard.wait()
            await searched.wait()
            await trio.sleep(MAP_SECONDS)
        self.due = False
