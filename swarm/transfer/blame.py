"""Who was at fault for wrong bytes: remembered on disk, told to the user, and kept away from.

A mirror is left alone for a while (`Mirrors` says which, as blame is often shared), a peer that vouched for
wrong bytes and stands by it loses its link. Both are given another chance later: faults get mended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container, Sequence
from typing import Final

import trio

from protocol.ids import NodeId
from protocol.manifest import Blob, Layout
from swarm.sources import Source
from swarm.store import Incident, Store
from swarm.transfer.mirrors import Mirrors
from swarm.transfer.orders import Upstream

log = logging.getLogger(__name__)

MIRROR_DISTRUST_SECONDS: Final = 600.0
"""How long nothing is taken from a mirror that sent wrong bytes: past the end of most transfers."""

LIAR_SECONDS: Final = 600.0
"""How long there is no link with a peer that vouched for wrong bytes and stands by it."""

Distrust = Callable[[NodeId, float], None]
"""Has nothing to do with a peer for so many seconds."""


class Blame:
    """The faults of one transfer's sources. `notes` is appended to: lines for whoever waits for the files."""

    def __init__(self, layout: Layout, store: Store, notes: list[str]) -> None:
        self._layout = layout
        self._store = store
        self._notes = notes
        self._mirrors = Mirrors()

    def start(self, distrust: Distrust) -> None:
        """Peers are kept away from by `distrust`."""
        self._distrust = distrust

    async def name(self, culprit: Source, what: str, blob: Blob, chunks: Sequence[int]) -> None:
        """Remember, and tell, what went wrong; of many chunks the first stands for all."""
        log.warning("%s %s (%d chunks of %s)", culprit.name, what, len(chunks), blob)
        self._notes.append(f"{culprit.kind} {culprit.name[:60]} {what}; going on without it")
        index = self._layout.locate(chunks[0])[1] if chunks else None
        with trio.CancelScope(shield=True):  # it may be the last thing this transfer does
            await self._store.note(Incident(time.time(), culprit, what, blob, index))

    def avoid_liar(self, peer: NodeId) -> None:
        """Have nothing to do with a peer for a while."""
        self._distrust(peer, LIAR_SECONDS)

    def avoid_mirrors(self, upstream: Upstream, senders: set[Source], used: Container[Source]) -> None:
        """Leave mirrors alone, of those who between them sent something wrong, as long as others are left.

        `used`: who sent anything in this run.
        """
        for mirror in self._mirrors.suspect(senders, used):
            upstream.avoid(mirror, MIRROR_DISTRUST_SECONDS)
        chance = self._mirrors.second_chance()
        if chance is not None and not upstream.usable:
            upstream.avoid(chance, 0.0)

    def clear_mirrors(self, upstream: Upstream | None, senders: set[Source], culprits: set[Source]) -> None:
        """Use those again that had sent nothing wrong."""
        for mirror in self._mirrors.clear(sorted(senders), culprits):
            if upstream is not None:
                upstream.avoid(mirror, 0.0)
