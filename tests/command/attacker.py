"""A hostile peer of a real daemon, over TCP on loopback: links that say what a test wants (`stranger`), and
connections of which the test sends every byte (`bare`)."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, TypeVar

import trio

from protocol.chunks import Bytes
from protocol.connection import Connection, Received
from protocol.frames import LENGTH
from protocol.handshake import Hello, Kind
from protocol.ids import SnapshotKey
from protocol.limits import KIB
from protocol.messages import ControlMessage, Data, Found, Join, Lookup, Ping, Pong, Request
from swarm.client.remote import RemoteNode
from swarm.exchange.connector import EPHEMERAL_LENGTH
from swarm.exchange.tcp import TcpNetwork
from swarm.node.api import PeerRow
from swarm.sources.address import Address
from tests.command.hubs import REPO
from tests.command.machine import SECONDS, Daemon, Machine
from tests.exchange.memory import MemoryNetwork
from tests.exchange.nodes import identity
from tests.exchange.raw import Raw, RawLink

NUMBERS: Final = count(100)
"""A key for each attack: whoever broke the protocol is left alone for a while."""

M = TypeVar("M")


def peak(pid: int) -> int:
    """Most bytes of memory that a process has had so far."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * KIB


def stranger(listen_port: int = 0) -> Raw:
    """A peer with a new key, which dials by TCP and says that it listens at this port."""
    return Raw(MemoryNetwork(), next(NUMBERS), listen_port=listen_port, through=TcpNetwork(list))


@dataclass(frozen=True)
class Victim:
    """A daemon under attack, as its machine and its peers see it."""

    machine: Machine
    daemon: Daemon

    @property
    def address(self) -> Address:
        return Address.parse(self.daemon.address)

    @contextmanager
    def needing_less_than(self, spare: int) -> Iterator[None]:
        """AssertionError if its memory grows by so many bytes meanwhile, be it for a moment."""
        pid = self.daemon.process.pid
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew (proc_pid_clear_refs(5))
        before = peak(pid)
        yield
        assert peak(pid) - before < spare

    @property
    def descriptors(self) -> int:
        """Files and connections it has open."""
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))

    async def peers(self) -> list[PeerRow]:
        return await trio.to_thread.run_sync(RemoteNode(self.machine.home / "control.sock").peers)

    async def serves(self) -> None:
        """AssertionError unless an honest peer that comes now gets in, and a chunk of the model."""
        honest = stranger()
        with trio.fail_after(SECONDS):
            async with (
                honest.linked(self.address, "control") as control,
                honest.linked(self.address, "bulk") as bulk,
            ):
                topic = await topic_of(control)
                control.say(Join(topic, True, False, True))
                bulk.say(Request(topic, ((0, None),)))
                assert await heard(bulk, Data)


async def topic_of(control: RawLink) -> SnapshotKey:
    """The key of the model that the peer has."""
    control.say(Lookup(1, "hf", "model", REPO, "main"))
    found = await heard(control, Found)
    assert found.topic is not None
    return found.topic


async def heard(link: RawLink, kind: type[M]) -> M:
    """The first message of this kind; AssertionError when the link ends before one comes."""
    with trio.fail_after(SECONDS):
        while True:
            for message in link.heard:
                if isinstance(message, kind):
                    return message
            assert link.open, link.link.end
            await link.link.news()


class Bare:
    """A connection after its handshake."""

    def __init__(self, stream: trio.SocketStream, connection: Connection) -> None:
        self.stream = stream
        self.connection = connection

    def frame(self, message: ControlMessage) -> bytes:
        """The next frame, as it should be sent."""
        return bytes(self.connection.seal(message))

    def sealed(self, plaintext: bytes) -> bytes:
        """The next frame with whatever is in it."""
        assert self.connection._sealer is not None
        return bytes(self.connection._sealer.seal(plaintext))

    async def answers(self, nonce: int) -> bool:
        """Whether there is an answer to a Ping; False when the other side has hung up."""
        if not await sent(self.stream, self.frame(Ping(nonce))):
            return False
        with trio.fail_after(SECONDS):
            while data := await received(self.stream):
                if Received(Pong(nonce)) in self.connection.feed(data):
                    return True
        return False


@asynccontextmanager
async def bare(victim: Victim, kind: Kind = "control") -> AsyncIterator[Bare]:
    """A connection by a new key, just after the handshake; one for chunks beside a control connection."""
    number = next(NUMBERS)
    async with shaken(victim, number, "control") as control:
        if kind == "control":
            yield control
            return
        assert await control.answers(0)
        async with shaken(victim, number, kind) as link:
            yield link


@asynccontextmanager
async def shaken(victim: Victim, number: int, kind: Kind) -> AsyncIterator[Bare]:
    hello = Hello(kind, 0, "bare")
    connection = Connection(identity(number), hello, initiator=True, ephemeral=os.urandom(EPHEMERAL_LENGTH))
    async with await dialled(victim) as stream:
        with trio.fail_after(SECONDS):
            while connection.peer is None:
                await stream.send_all(connection.data_to_send())
                connection.feed(await stream.receive_some())
            await stream.send_all(connection.data_to_send())
        yield Bare(stream, connection)


async def dialled(victim: Victim) -> trio.SocketStream:
    return await trio.open_tcp_stream(victim.address.host, victim.address.port)


async def sent(stream: trio.SocketStream, data: Bytes) -> bool:
    """Whether it went out; the other side may have hung up."""
    with suppress(trio.BrokenResourceError):
        await stream.send_all(data)
        return True
    return False


async def received(stream: trio.SocketStream) -> bytes:
    """What came; nothing once the other side has hung up."""
    with suppress(trio.BrokenResourceError):
        return bytes(await stream.receive_some())
    return b""


async def hung_up_on(stream: trio.SocketStream) -> bool:
    """Wait until the other side hangs up; False when it does not."""
    with trio.move_on_after(SECONDS):
        while await received(stream):
            continue
        return True
    return False


def length(count: int) -> bytes:
    """What says that a frame of so many bytes follows."""
    return LENGTH.pack(count)


async def gone(link: RawLink) -> None:
    """Wait until the other side ends the link."""
    with trio.fail_after(SECONDS):
        while link.open:
            await link.link.news()
