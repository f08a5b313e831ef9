"""One lifetime of python-zeroconf: an asyncio loop that a worker thread runs from start to goodbye.

The loop announces this node, follows the names of others (`names`) and reports events. Commands reach
it through a queue: new addresses, or None for "say goodbye and end". The instance name is derived from
the node's key, so nothing probes the network for whether somebody else holds it (RFC 6762, 8.1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from zeroconf import Error, IPVersion, ServiceInfo, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from protocol.announce import SERVICE_TYPE, Announcement
from swarm.discovery.local import LocalAddress
from swarm.discovery.names import Names, Report, sighting_of
from swarm.discovery.sightings import Sighting
from swarm.sources.address import is_loopback

log = logging.getLogger(__name__)

logging.getLogger("zeroconf").setLevel(logging.ERROR)
"""It warns, with a traceback, of every address that went away between two looks: no news to anyone."""

BROWSE_AGAIN_SECONDS = 60.0
"""Between two rounds of questions; what is known is reported again with each. A browser asks only as it
starts and when records run out, so two nodes that started while the switch between them was down would
not find each other for an hour."""

RESOLVE_MS: Final = 3000
"""For the address and port of a name we have heard: zeroconf asks three times within this."""

GOODBYE_SECONDS: Final = 5.0
"""For the three goodbye packets, which take 250 ms; more only on a machine that is badly overloaded."""

Command = tuple[LocalAddress, ...] | None


class Responder:
    """Announces one node and browses for others on given addresses.

    `run` is for a worker thread; `change` and `stop` may be called from any thread, at any time.
    """

    def __init__(
        self,
        announcement: Announcement,
        local: tuple[LocalAddress, ...],
        *,
        report: Report,
        ready: Callable[[], None],
    ) -> None:
        """`report`, and `ready` each time that it begins to listen, are called in the thread of `run`."""
        self._announcement = announcement
        self._local = local
        self._report = report
        self._ready = ready
        self._loop = asyncio.new_event_loop()
        self._commands: asyncio.Queue[Command] = asyncio.Queue()

    def change(self, local: tuple[LocalAddress, ...]) -> None:
        """This machine's chosen addresses are now these."""
        self._command(local)

    def stop(self) -> None:
        """Say goodbye and end `run`."""
        self._command(None)

    def run(self) -> str:
        """Serve until stopped. Returns why it ended: empty when asked to, else what the system said."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._serve())
            except (OSError, Error) as error:
                return str(error) or type(error).__name__
        return ""

    def _command(self, command: Command) -> None:
        with suppress(RuntimeError):  # the loop is closed: it ended by itself
            self._loop.call_soon_threadsafe(self._commands.put_nowait, command)

    async def _serve(self) -> None:
        zeroconf = open_zeroconf(self._local)
        names = Names(partial(self._resolve, zeroconf), self._report)
        try:
            info = service_info(self._announcement, self._local)
            await zeroconf.async_register_service(info, cooperating_responders=True)
            await self._obey(zeroconf, names)
        finally:
            await names.close()
            async with asyncio.timeout(GOODBYE_SECONDS):
                await zeroconf.async_close()

    async def _obey(self, zeroconf: AsyncZeroconf, names: Names) -> None:
        """Ask the LAN time and again, and do as commanded, until told to stop."""
        while True:
            async with AsyncServiceBrowser(zeroconf.zeroconf, SERVICE_TYPE, handlers=[handler_for(names)]):
                self._ready()
                command = await self._command_within(BROWSE_AGAIN_SECONDS)
            if command is None:
                return
            if command != self._local:
                self._local = command
                await zeroconf.async_update_service(service_info(self._announcement, command))
                await zeroconf.async_update_interfaces(sockets_for(command), ip_version(command))

    async def _command_within(self, seconds: float) -> Command:
        """The next command; when none comes in time, the one to go on with the addresses there are."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._commands.get()
        return self._local

    async def _resolve(self, zeroconf: AsyncZeroconf, name: str) -> Sighting | None:
        try:
            info = await zeroconf.async_get_service_info(SERVICE_TYPE, name, timeout=RESOLVE_MS)
        except Error as error:
            log.debug("passed over %r: %s", name, error)
            return None
        return sighting_of(info, self._announcement, self._local) if info else None


def handler_for(names: Names) -> Callable[[Zeroconf, str, str, ServiceStateChange], None]:
    """What a browser calls for each change. (zeroconf passes the arguments by these names.)"""

    def handle(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            names.gone(name)
        else:
            names.heard(name)

    return handle


def open_zeroconf(local: Sequence[LocalAddress]) -> AsyncZeroconf:
    """A zeroconf that talks on the interfaces of these addresses. OSError when the system forbids it."""
    try:
        return AsyncZeroconf(interfaces=sockets_for(local), ip_version=ip_version(local))
    except RuntimeError as error:  # zeroconf's word for an address that went away meanwhile
        raise OSError(str(error)) from error


def sockets_for(local: Sequence[LocalAddress]) -> list[str | int | tuple[tuple[str, int, int], int]]:
    """What zeroconf is to open sockets for: each IPv4 address, and each interface that has IPv6.

    IPv6 on loopback has no route for multicast; IPv4 there does.
    """
    ipv4 = [address.host for address in local if not address.is_ipv6]
    ipv6 = sorted({address.index for address in local if address.is_ipv6 and not is_loopback(address.host)})
    return [*ipv4, *ipv6]


def ip_version(local: Sequence[LocalAddress]) -> IPVersion:
    """The IP versions that these addresses have; IPv4 when there are none, as is zeroconf's way."""
    versions = {address.is_ipv6 for address in local}
    if versions == {True, False}:
        return IPVersion.All
    return IPVersion.V6Only if True in versions else IPVersion.V4Only


def service_info(announcement: Announcement, local: Sequence[LocalAddress]) -> ServiceInfo:
    """Our service with all its records: PTR, SRV, TXT, and A or AAAA for each address."""
    name = announcement.instance
    return AsyncServiceInfo(
        SERVICE_TYPE,
        name,
        port=announcement.port,
        properties=announcement.to_txt(),
        server=f"{name.partition('.')[0]}.local.",
        parsed_addresses=[address.bare_host for address in local],
    )
