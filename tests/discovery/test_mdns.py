"""The trio side of mDNS: what it starts, passes on, retries and stops; and once for real, on loopback."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from protocol.announce import Announcement
from protocol.ids import NodeId
from swarm.discovery import mdns
from swarm.discovery.interfaces import InterfaceChoice
from swarm.discovery.local import LocalAddress
from swarm.discovery.mdns import INTERFACE_POLL_SECONDS, RETRY_SECONDS, Mailbox, run_mdns
from swarm.discovery.sightings import Event, Sighting, Vanished
from swarm.sources.address import Address

ME = Announcement(NodeId(b"\1" * 32), 7677)
ETH = LocalAddress("eth0", 2, "192.168.1.5", 24)
WIFI = LocalAddress("wlan0", 3, "10.1.2.3", 16)


def sighting(node: int, port: int = 7677) -> Sighting:
    return Sighting(NodeId(bytes([node]) * 32), (Address("192.168.1.9", port),), "mdns")


class Scene:
    """Stands for the class `Responder` and for the system's addresses; a test says what they do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.local: tuple[LocalAddress, ...] | OSError = (ETH,)
        self.problem = ""
        self.made: list[FakeResponder] = []
        self.changed = trio.Event()
        self.token = trio.lowlevel.current_trio_token()
        monkeypatch.setattr(mdns, "Responder", self.responder)
        monkeypatch.setattr(InterfaceChoice, "addresses", lambda _choice: self.addresses())

    def addresses(self) -> tuple[LocalAddress, ...]:
        if isinstance(self.local, OSError):
            raise self.local
        return self.local

    def responder(
        self,
        announcement: Announcement,
        local: tuple[LocalAddress, ...],
        *,
        report: Callable[[Event], None],
        ready: Callable[[], None],
    ) -> FakeResponder:
        assert announcement == ME
        self.made.append(FakeResponder(self, local, report, ready, self.problem))
        return self.made[-1]


@dataclass
class FakeResponder:
    """A responder that is ready at once and runs until stopped, or has a problem at once."""

    scene: Scene
    local: tuple[LocalAddress, ...]
    report: Callable[[Event], None]
    ready: Callable[[], None]
    problem: str
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> str:
        if self.problem:
            return self.problem
        self.ready()
        self.stopped.wait()
        return ""

    def change(self, local: tuple[LocalAddress, ...]) -> None:
        self.local = local
        self.scene.token.run_sync_soon(self.scene.changed.set)

    def stop(self) -> None:
        self.stopped.set()


async def test_the_newest_event_about_each_node_is_kept() -> None:
    mailbox = Mailbox()
    for event in (sighting(1), sighting(2), sighting(1, 99), Vanished(NodeId(b"\2" * 32)), sighting(3)):
        mailbox.put(event)
    assert [await mailbox.get() for _number in range(3)] == [
        sighting(1, 99),
        Vanished(NodeId(b"\2" * 32)),
        sighting(3),
    ]
    with trio.move_on_after(0) as waiting:
        await mailbox.get()
    assert waiting.cancelled_caught


async def test_it_starts_passes_on_and_stops(monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery) -> None:
    scene = Scene(monkeypatch)
    send, receive = trio.open_memory_channel[Event](0)
    await nursery.start(run_mdns, ME, InterfaceChoice(), send)
    [responder] = scene.made
    assert responder.local == (ETH,)
    responder.report(sighting(2))
    assert await receive.receive() == sighting(2)
    responder.report(Vanished(NodeId(b"\2" * 32)))
    assert await receive.receive() == Vanished(NodeId(b"\2" * 32))
    assert not responder.stopped.is_set()
    nursery.cancel_scope.cancel()


async def test_cancelling_stops_the_thread_first(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    send, _receive = trio.open_memory_channel[Event](0)
    async with trio.open_nursery() as nursery:
        await nursery.start(run_mdns, ME, InterfaceChoice(), send)
        nursery.cancel_scope.cancel()
    assert scene.made[0].stopped.is_set()


async def test_new_addresses_are_told_within_one_poll(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    scene = Scene(monkeypatch)
    send, _receive = trio.open_memory_channel[Event](0)
    await nursery.start(run_mdns, ME, InterfaceChoice(), send)
    await trio.testing.wait_all_tasks_blocked()
    scene.local = (ETH, WIFI)
    mock_clock.jump(INTERFACE_POLL_SECONDS)
    await scene.changed.wait()
    assert scene.made[0].local == (ETH, WIFI)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("refuser", ["responder", "system"])
async def test_where_multicast_is_refused_it_says_so_once_and_tries_again(
    refuser: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    autojump_clock: trio.testing.MockClock,
) -> None:
    scene = Scene(monkeypatch)
    if refuser == "responder":
        scene.problem = "permission denied"
    else:
        scene.local = OSError(1, "permission denied")
    send, _receive = trio.open_memory_channel[Event](0)
    monkeypatch.setattr(trio.to_thread, "run_sync", run_inline)
    async with trio.open_nursery() as nursery:
        await nursery.start(run_mdns, ME, InterfaceChoice.parse("eth0"), send)
        await trio.sleep(2.5 * RETRY_SECONDS)
        nursery.cancel_scope.cancel()
    assert len(scene.made) == (3 if refuser == "responder" else 0)
    [record] = caplog.records
    assert "no discovery by mDNS on eth0" in record.getMessage()
    assert "permission denied" in record.getMessage()


async def run_inline(function: Callable[[], object]) -> object:
    """Stands for `trio.to_thread.run_sync`, so that virtual time need not wait for a thread."""
    await trio.lowlevel.checkpoint()
    return function()


async def test_two_nodes_on_loopback_see_each_other_for_real() -> None:
    first, second = (Announcement(NodeId(os.urandom(32)), port) for port in (7001, 7002))
    loopback = InterfaceChoice.parse("127.0.0.1")
    send, receive = trio.open_memory_channel[Event](math.inf)

    async def until(wanted: Event) -> None:
        async for event in receive:
            if event == wanted:
                return

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(run_mdns, first, loopback, send)
            async with trio.open_nursery() as inner:
                await inner.start(run_mdns, second, loopback, send.clone())
                await until(Sighting(second.node_id, (Address("127.0.0.1", 7002),), "mdns"))
                inner.cancel_scope.cancel()
            await until(Vanished(second.node_id))
            nursery.cancel_scope.cancel()
