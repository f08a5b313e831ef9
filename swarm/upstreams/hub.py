"""What a pool of upstreams needs to know of a hub, whichever API the hub speaks."""

from __future__ import annotations

from typing import Protocol

from protocol.manifest import Snapshot
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.http import Http


class Hub(Protocol):
    @property
    def http(self) -> Http: ...

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """In the order of preference; at least one."""
        ...

    def file_url(self, endpoint: Endpoint, snapshot: Snapshot, path: str) -> str:
        """Where a GET finds the bytes of a file, perhaps after redirects."""
        ...
