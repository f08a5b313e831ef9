"""Finding peers by multicast DNS, as seen from trio.

python-zeroconf runs on asyncio, so one worker thread runs an asyncio loop with it (`responder`). Hints
come out of the thread into a `Mailbox` that keeps the newest hint about each node, so that a slow
reader costs nothing; commands go in by `Responder.change` and `Responder.stop`. Where multicast is not
possible at all, this says so once and tries again now and then: static peers go on without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from protocol.announce import Announcement
from protocol.ids import NodeId
from swarm.discovery.interfaces import InterfaceChoice
from swarm.discovery.local import LocalAddress
from swarm.discovery.responder import Responder
from swarm.discovery.sightings import Event

log = logging.getLogger(__name__)

INTERFACE_POLL_SECONDS: Final = 3.0
"""Between two looks at this machine's addresses: soon enough after a cable is plugged in, and cheap."""

RETRY_SECONDS: Final = 30.0
"""After multicast turned out to be impossible: what forbids it (a firewall, a sandbox) rarely changes."""

Addresses = Callable[[], tuple[LocalAddress, ...]]


class Mailbox:
    """The newest event about each node, in the order of their arrival; at most one for each."""

    def __init__(self) -> None:
        self._events: dict[NodeId | None, Event] = {}
        self._arrived = trio.Event()

    def put(self, event: Event) -> None:
        self._events.pop(event.node_id, None)
        self._events[event.node_id] = event
        self._arrived.set()

    async def get(self) -> Event:
        while not self._events:
            self._arrived = trio.Event()
            await self._arrived.wait()
        return self._events.pop(next(iter(self._events)))


async def run_mdns(
    announcement: Announcement,
    interfaces: InterfaceChoice,
    sink: trio.MemorySendChannel[Event],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Announce this node and send what is heard of others, until cancelled; then say goodbye.

    Started once it announces and listens, or once it is known that it cannot yet.
    """
    mailbox = Mailbox()
    settled = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_pass_on, mailbox, sink)
        nursery.start_soon(_keep_going, announcement, interfaces, mailbox, settled)
        await settled.wait()
        task_status.started()


async def _keep_going(
    announcement: Announcement, interfaces: InterfaceChoice, mailbox: Mailbox, settled: trio.Event
) -> None:
    """One responder after another, should the system refuse one; complains of that once."""
    complained = False
    while True:
        problem = await _session(announcement, interfaces.addresses, mailbox, settled)
        if not complained:
            log.warning("no discovery by mDNS on %s: %s; static peers still work", interfaces, problem)
            complained = True
        settled.set()
        await trio.sleep(RETRY_SECONDS)


async def _pass_on(mailbox: Mailbox, sink: trio.MemorySendChannel[Event]) -> None:
    while True:
        await sink.send(await mailbox.get())


async def _session(
    announcement: Announcement, addresses: Addresses, mailbox: Mailbox, settled: trio.Event
) -> str:
    """Run a responder in a thread until cancelled; or, as text, why it could not go on."""
    trio_token = trio.lowlevel.current_trio_token()
    try:
        local = await trio.to_thread.run_sync(addresses)
    except OSError as error:
        return f"the system does not tell its addresses ({error})"
    responder = Responder(
        announcement,
        local,
        report=lambda event: trio_token.run_sync_soon(mailbox.put, event),
        ready=lambda: trio_token.run_sync_soon(settled.set),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_follow_addresses, addresses, local, responder)
        with trio.CancelScope(shield=True):  # ends by itself once `_follow_addresses` was cancelled
            problem = await trio.to_thread.run_sync(responder.run)
        nursery.cancel_scope.cancel()
    return problem


async def _follow_addresses(
    addresses: Addresses, known: tuple[LocalAddress, ...], responder: Responder
) -> None:
    """Tell the responder when this machine's addresses change, and to stop when cancelled."""
    try:
        while True:
            await trio.sleep(INTERFACE_POLL_SECONDS)
            with suppress(OSError):
                now = await trio.to_thread.run_sync(addresses)
                if now != known:
                    log.info("addresses are now %s", ", ".join(address.host for address in now) or "none")
                    responder.change(now)
                    known = now
    finally:
        responder.stop()
