"""What of this node's catalog is offered to one peer, by how the peer stands at the moment it is asked for.

Whatever a peer is answered from goes through one of these, so that there is one place in which private
models are kept from everybody but members. What a peer may not have is answered by the same steps as what is
unknown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from protocol.ids import SnapshotKey
from protocol.standing import Standing
from swarm.errors import SwarmError
from swarm.exchange.interfaces import Catalog, Served

log = logging.getLogger(__name__)


class Offered:
    """See the module. `standing` tells how the peer stands now."""

    def __init__(self, catalog: Catalog, standing: Callable[[], Standing]) -> None:
        self._catalog = catalog
        self._standing = standing

    async def open(self, topic: SnapshotKey) -> Served | None:
        """The topic as it can be served now; None when it is unknown, or not for this peer. A store that
        fails has nothing to offer."""
        try:
            served = await self._catalog.open(topic, self._standing())
        except (SwarmError, OSError) as error:
            log.warning("cannot open a topic for a peer: %s", error)
            return None
        return served if served is not None and self.still(served) else None

    def still(self, served: Served) -> bool:
        """May the peer go on having this?"""
        return served.admits(self._standing())

    async def lookup(
        self, hub: str, repo_type: str, repo: str, revision: str
    ) -> tuple[SnapshotKey, str] | None:
        """The topic and commit of what this name stands for, as far as this peer may know."""
        try:
            return await self._catalog.lookup(hub, repo_type, repo, revision, self._standing())
        except (SwarmError, OSError) as error:
            log.warning("cannot look a name up for a peer: %s", error)
            return None
