"""The service instances heard of on the LAN: asked for, resolved, and turned into events.

Runs inside the asyncio loop of `responder`. What a packet says is not believed beyond its form: the
record must parse, the instance name must be the one derived from the node id in it, the protocol
version must be ours, the addresses must be worth trying. Everything else is passed over without a
word, as anyone on the LAN can send it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo

from protocol.announce import SERVICE_TYPE, Announcement, BadAnnouncement, from_txt
from protocol.ids import NodeId, short
from swarm.discovery.local import LocalAddress, interface_name
from swarm.discovery.reachable import worth_trying
from swarm.discovery.sightings import Event, Sighting, Vanished
from swarm.sources.address import Address

log = logging.getLogger(__name__)

RESOLVE_MS: Final = 3000
"""For the address and port of a name we have heard: zeroconf asks three times within this."""

MAX_NAMES: Final = 1024
"""Instances followed at a time: far more than a LAN has nodes, and a bound on what a flood can cost."""

Report = Callable[[Event], None]


class Names:
    """Follows every instance of our service type, one resolving task each while there is something new."""

    def __init__(self, zeroconf: Zeroconf, own: Announcement, report: Report) -> None:
        self._zeroconf = zeroconf
        self._own = own
        self._report = report
        self._local: tuple[LocalAddress, ...] = ()
        self._nodes: dict[str, NodeId] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._browser: AsyncServiceBrowser | None = None

    async def browse(self, local: tuple[LocalAddress, ...]) -> None:
        """Ask the LAN anew, and report again what is already known, for these addresses of ours."""
        await self._stop_browser()
        self._local = local
        self._browser = AsyncServiceBrowser(self._zeroconf, SERVICE_TYPE, handlers=[self._heard])

    async def close(self) -> None:
        """Stop asking, and drop what is being resolved."""
        await self._stop_browser()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop_browser(self) -> None:
        if self._browser is not None:
            await self._browser.async_cancel()
            self._browser = None

    def _heard(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is ServiceStateChange.Removed:
            self._gone(name)
        elif name not in self._tasks and (name in self._nodes or self._has_room()):
            task = asyncio.create_task(self._resolve(name))
            self._tasks[name] = task
            task.add_done_callback(lambda _done: self._tasks.pop(name, None))

    def _has_room(self) -> bool:
        return len(self._nodes) + len(self._tasks) < MAX_NAMES

    def _gone(self, name: str) -> None:
        if task := self._tasks.get(name):
            task.cancel()
        if node := self._nodes.pop(name, None):
            log.debug("%s said goodbye", short(node))
            self._report(Vanished(node))

    async def _resolve(self, name: str) -> None:
        info = AsyncServiceInfo(SERVICE_TYPE, name)
        if not await info.async_request(self._zeroconf, RESOLVE_MS):
            return
        sighting = sighting_of(info, self._own, self._local)
        if sighting is None or sighting.node_id is None:
            return
        self._nodes[name] = sighting.node_id
        self._report(sighting)


def sighting_of(
    info: AsyncServiceInfo, own: Announcement, local: tuple[LocalAddress, ...]
) -> Sighting | None:
    """What a resolved instance says; None when it is ourselves, malformed, or nowhere we could reach."""
    try:
        announcement = from_txt(info.properties, info.port or 0)
    except BadAnnouncement as error:
        log.debug("passed over %s: %s", info.name, error)
        return None
    node = announcement.node_id
    if node == own.node_id or announcement.instance.lower() != info.name.lower():
        return None
    if announcement.version != own.version:
        log.info("node %s speaks version %d, this one %d", short(node), announcement.version, own.version)
        return None
    announced = []
    for host in info.parsed_scoped_addresses():
        with suppress(ValueError):
            announced.append(Address(named_zone(host), announcement.port))
    addresses = worth_trying(announced, local, own.port)
    return Sighting(node, addresses, "mdns") if addresses else None


def named_zone(host: str) -> str:
    """`fe80::1%2` as `fe80::1%eth0`; other hosts as they are. ValueError when there is no interface 2."""
    bare, _percent, zone = host.partition("%")
    if not zone.isdigit():
        return host
    interface = interface_name(int(zone))
    if interface is None:
        raise ValueError(f"no interface has the index {zone}")
    return f"{bare}%{interface}"
