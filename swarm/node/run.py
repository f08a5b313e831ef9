"""The composition root: everything a node is made of, put together in one nursery.

Whatever is started here ends here, in the reverse order: first the control socket, then transfers,
links and discovery (which says goodbye), then the store.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import trio

from protocol.announce import Announcement
from protocol.limits import DEFAULT_PORT
from protocol.signing import Identity
from swarm import __version__
from swarm.config.settings import Settings
from swarm.discovery.interfaces import InterfaceChoice
from swarm.discovery.local import lan_hosts
from swarm.discovery.mdns import run_mdns
from swarm.discovery.sightings import Sighting, Vanished
from swarm.discovery.static import parse_peers, run_static
from swarm.errors import UsageError
from swarm.exchange.exchange import Exchange
from swarm.exchange.tcp import TcpNetwork
from swarm.node import control, identity
from swarm.node.api import NodeApi
from swarm.node.home import make_home
from swarm.node.node import Node
from swarm.node.site import SiteKeeper
from swarm.node.transfers import Transfers
from swarm.sites.folder import SiteFolder
from swarm.sites.gate import SiteGate
from swarm.sources.address import Address, is_lan
from swarm.sources.rate import RateLimiter
from swarm.store import open_store
from swarm.upstreams.http import Client, open_client
from swarm.upstreams.reach import Allowed
from swarm.workers import ThreadWorkers, share_memory

MIN_SETTLE_SECONDS: Final = 0.2
"""Looking round before going upstream, even for a node that has run long: peers answer a Join in
milliseconds, but two nodes asked at the same moment need to hear of each other."""

HINTS_WAITING: Final = 256
"""Sightings on their way from discovery to the exchange."""


@asynccontextmanager
async def run_node(settings: Settings, *, embedded: bool) -> AsyncIterator[NodeApi]:
    """A running node on `settings.home`. `embedded`: it lives only as long as one command.

    Raises UsageError for settings that make no sense, StoreError when the home cannot be used.
    """
    share_memory()
    make_home(settings.home)
    me = identity.load(settings.home)
    workers = ThreadWorkers()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.home / "store", workers))
        http = await stack.enter_async_context(_http(settings))
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        began = trio.current_time()
        transfers = Transfers(
            store,
            me,
            workers,
            lambda: max(MIN_SETTLE_SECONDS, began + settings.settle - trio.current_time()),
            share_private=settings.share_private,
        )
        gate = SiteGate(
            SiteFolder(settings.home), me, workers, serves_open=settings.serve_open, wall=time.time
        )
        exchange = _exchange(settings, me, transfers, gate)
        site = SiteKeeper(gate, exchange, me, workers, share_private=settings.share_private)
        await site.begin()
        await nursery.start(exchange.run)
        transfers.start(nursery, exchange)
        interfaces = _interfaces(settings)
        await _discover(settings, me, exchange, interfaces, nursery)
        nursery.start_soon(site.run)
        node = Node(
            settings,
            me.node_id,
            store,
            transfers,
            exchange,
            http,
            upstream_limit=_limiter(settings.upstream_rate),
            listening=lambda: listening(settings, interfaces, exchange.port),
            site=site.row,
        )
        await nursery.start(control.serve, node, settings.control_socket)
        yield node


def _http(settings: Settings) -> Client:
    return open_client(f"lanswarm/{__version__}", allowed=Allowed.parse(settings.redirects))


def _limiter(rate: int | None) -> RateLimiter | None:
    return RateLimiter(rate, trio.current_time) if rate else None


def _exchange(settings: Settings, me: Identity, transfers: Transfers, gate: SiteGate) -> Exchange:
    listen = settings.listen
    return Exchange(
        me,
        TcpNetwork(lan_hosts),
        transfers,
        port=listen.port if listen else DEFAULT_PORT,
        hosts=[listen.host] if listen and listen.host else None,
        any_port=listen is None,
        agent=f"lanswarm/{__version__}",
        entropy=secrets.token_bytes,
        workers=ThreadWorkers(),
        upload=_limiter(settings.upload_rate),
        download=_limiter(settings.download_rate),
        gate=gate,
    )


def _interfaces(settings: Settings) -> InterfaceChoice:
    try:
        return InterfaceChoice.parse(",".join(settings.interface), public=_is_public(settings))
    except ValueError as error:
        raise UsageError(f"SWARM_INTERFACE: {error}.", "Name interfaces or networks.") from None


def _is_public(settings: Settings) -> bool:
    """Did the operator have the node listen where more than a LAN reaches it? A name is taken for that."""
    host = settings.listen.host if settings.listen else ""
    return bool(host) and not is_lan(host)


def listening(settings: Settings, interfaces: InterfaceChoice, port: int) -> list[str]:
    """Where peers reach this node, as host:port: what was configured, or the addresses discovery tells of."""
    if settings.listen and settings.listen.host:
        return [str(Address(settings.listen.host, port))]
    return [str(Address(local.host, port)) for local in interfaces.addresses()]


async def _discover(
    settings: Settings, me: Identity, exchange: Exchange, interfaces: InterfaceChoice, nursery: trio.Nursery
) -> None:
    """Start finding peers, and pass on to the exchange what is found."""
    try:
        peers = parse_peers(",".join(settings.peers))
    except ValueError as error:
        raise UsageError(f"SWARM_PEERS: {error}.", "Name peers as host or host:port.") from None
    send, receive = trio.open_memory_channel[Sighting | Vanished](HINTS_WAITING)
    nursery.start_soon(_pass_on, receive, exchange)
    if peers:
        nursery.start_soon(run_static, peers, send.clone())
    if settings.mdns:
        announcement = Announcement(me.node_id, exchange.port)
        await nursery.start(run_mdns, announcement, interfaces, send.clone())


async def _pass_on(hints: trio.MemoryReceiveChannel[Sighting | Vanished], exchange: Exchange) -> None:
    async for hint in hints:
        if isinstance(hint, Sighting):
            exchange.sighting(hint)
        else:
            exchange.vanished(hint.node_id)
