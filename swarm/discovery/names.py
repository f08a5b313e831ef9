"""The service instances heard of on the LAN: asked for, resolved, and turned into events.

Runs inside the asyncio loop of `responder`. What a packet says is not believed beyond its form: the
record must parse, the instance name must be the one derived from the node id in it, the protocol
version must be ours, the addresses must be worth trying. Everything else is passed over without a
word, as anyone on the LAN can send it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from zeroconf import ServiceInfo

from protocol.announce import Announcement, BadAnnouncement, from_txt
from protocol.ids import NodeId, short
from swarm.discovery.local import LocalAddress, interface_name
from swarm.discovery.reachable import worth_trying
from swarm.discovery.sightings import Event, Sighting, Vanished
from swarm.sources.address import Address

log = logging.getLogger(__name__)

MAX_NAMES: Final = 1024
"""Instances followed at a time: far more than a LAN has nodes, and a bound on what a flood can cost."""

MAX_RESOLVING: Final = 64
"""Names asked for at a time: three questions to the whole LAN each, within three seconds. Who makes up names
thus has no more than this asked for."""

Report = Callable[[Event], None]

Resolve = Callable[[str], Awaitable[Sighting | None]]
"""Find out what an instance name stands for; None when nobody answers, or nothing of use to us."""


class Names:
    """Follows instance names: one task each for as long as there is something new to resolve."""

    def __init__(self, resolve: Resolve, report: Report) -> None:
        self._resolve = resolve
        self._report = report
        self._nodes: dict[str, NodeId] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news: set[str] = set()
        self._turns = asyncio.Semaphore(MAX_RESOLVING)

    def heard(self, name: str) -> None:
        """There is such an instance, or its records changed. A name beyond MAX_NAMES is passed over."""
        if name in self._tasks:
            self._news.add(name)
        elif name in self._nodes or len(self._nodes.keys() | self._tasks.keys()) < MAX_NAMES:
            task = asyncio.create_task(self._follow(name))
            self._tasks[name] = task
            task.add_done_callback(lambda _done: self._tasks.pop(name, None))

    def gone(self, name: str) -> None:
        """The instance said goodbye, or its records ran out."""
        if task := self._tasks.get(name):
            task.cancel()
        if node := self._nodes.pop(name, None):
            self._report(Vanished(node))

    async def close(self) -> None:
        """Drop what is being resolved."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, name: str) -> None:
        self._news.add(name)
        while name in self._news:
            self._news.discard(name)
            async with self._turns:
                sighting = await self._resolve(name)
            if sighting is not None and sighting.node_id is not None:
                self._nodes[name] = sighting.node_id
                self._report(sighting)


def sighting_of(info: ServiceInfo, own: Announcement, local: tuple[LocalAddress, ...]) -> Sighting | None:
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
