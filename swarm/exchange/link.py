"""One secured connection with a peer: handshake, then messages both ways until it is cut.

A link knows nothing of what messages mean. `secure` makes one of a fresh stream; `run` reads messages
into a handler, which may make the reader wait, and sends what was posted or put. Whoever finds a reason
calls `cut`, from anywhere; `run` then ends and `end` says why.

Frames are encrypted and decrypted where they are sent and received. The largest takes half a millisecond, in
which threads that hash, read and write go on; the way to such a thread and back takes longer. The next large
frame is encrypted while the one before is sent. Their memory is lent: a link that sends nothing has none.
Small messages, which are most of them, are sent from where they are posted, or sealed there behind the frames
under way: to wake a task for each costs more. Only what finds a large one before it, or too much, waits in
the outbox.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from protocol.chunks import Bytes
from protocol.connection import Connection, HandshakeDone, Laid, ProtocolFault, Received
from protocol.handshake import PeerIdentity
from protocol.ids import NodeId
from protocol.inbox import Lend
from swarm.exchange.outbox import BATCH_BYTES, Message, Outbox
from swarm.exchange.turns import TURN_BYTES, Turn
from swarm.exchange.wire import Wire, WireBroken, wire_over
from swarm.workers import Workers

HANDSHAKE_SECONDS: Final = 10.0
"""For three small messages: a LAN needs milliseconds, a node that is busy hashing perhaps a second."""

SEND_STALL_SECONDS: Final = 30.0
"""Longest time for one frame to be taken by the peer: a megabyte at 35 kB/s. A peer whose disk makes it
stop reading for longer is of no use for the time being."""

MessageHandler = Callable[[Message], Awaitable[None]]
Task = Callable[[], Awaitable[None]]


class HandshakeFailed(Exception):
    """No link came of this stream; the text says why."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a link ended. `fault`: the peer broke the protocol or vouched for something false."""

    reason: str
    fault: bool = False


class Link:
    """A connection whose handshake is done; made by `secure`.

    `peer` is proven. `heard_at` is when anything last came, on `clock`; a message being handled counts.
    `turn`: what large frames wait for.
    """

    def __init__(
        self,
        wire: Wire,
        connection: Connection,
        peer: PeerIdentity,
        early: list[Message],
        clock: Callable[[], float],
        workers: Workers,
    ) -> None:
        self.peer = peer
        self.end: End | None = None
        self.turn: Turn | None = None
        self._wire = wire
        self._connection = connection
        self._early = early
        self._clock = clock
        self._workers = workers
        self._outbox = Outbox()
        self._sealing = False
        self._sealed: deque[Bytes] = deque()  # small messages together in a bytearray, as nothing else
        self._sealed_small = 0
        self._next_large: Bytes | None = None
        self._sending = True  # until the sender runs nothing can be sent
        self._sending_since = 0.0
        self._to_send = trio.lowlevel.ParkingLot()
        self._taken = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()
        self._handling = False
        self._heard_at = clock()
        self._news = trio.lowlevel.ParkingLot()

    @property
    def node_id(self) -> NodeId:
        return self.peer.node_id

    @property
    def lend(self) -> Lend:
        """Gives memory for what is put."""
        return self._connection.lend

    @property
    def heard_at(self) -> float:
        return self._clock() if self._handling else self._heard_at

    @property
    def _is_free(self) -> bool:
        """Whether what is sealed now comes right after what was sealed so far."""
        return self._outbox.empty and not self._sealing

    def post(self, message: Message) -> None:
        """Send a message now, or queue it; never blocks. A peer that has left too much unread is cut."""
        if self.end is not None:
            return
        if self._is_free and not (self._sending or self._sealed):
            self._send_now(message)
        elif self._is_free and self._sealed_small < BATCH_BYTES:
            self._send_soon(message)
        elif not self._outbox.post(message):
            self.cut("the peer does not read what it is sent")

    async def put(self, message: Message | Laid) -> None:
        """Send a large message; returns once the peer is taking it."""
        if not self._is_free or self._next_large is not None:
            await self._outbox.put(message)
        else:
            frame = self._next_large = self._sealed_frame(message)
            self._hand_over(frame)
            while self._next_large is frame:
                await self._taken.park()

    async def aside(self, work: Callable[[], None]) -> None:
        """Have a worker do this."""
        await self._workers.run(work)

    def cut(self, reason: str, *, fault: bool = False) -> None:
        """End the link, from any task; the first reason counts."""
        if self.end is None:
            self.end = End(reason, fault)
        self._scope.cancel()
        self._news.unpark_all()

    async def news(self) -> None:
        """Wait until the peer sends anything, or the link ends."""
        await self._news.park()

    async def run(self, handle: MessageHandler, *tasks: Task) -> None:
        """Receive, send and run these tasks beside, until the link is cut, which all of this may do."""
        self._sending_since = trio.current_time()
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._seal)
                    nursery.start_soon(self._send)
                    nursery.start_soon(self._watch_sending)
                    nursery.start_soon(self._receive, handle)
                    for task in tasks:
                        nursery.start_soon(task)
        finally:
            self.cut("this node stopped")
            await self.close()

    async def close(self) -> None:
        """Close the stream at once; for a link that is not going to run."""
        self.cut("not wanted")
        with trio.CancelScope(shield=True):
            await self._wire.close()

    async def _receive(self, handle: MessageHandler) -> None:
        try:
            for message in self._early:
                await self._handled(handle, message)
            self._early.clear()
            self.cut(await self._read(handle))
        except ProtocolFault as error:
            self.cut(str(error), fault=True)

    async def _read(self, handle: MessageHandler) -> str:
        """Read until nothing more comes; why not."""
        while True:
            try:
                buffer = self._connection.buffer()
                received = await self._wire.receive_into(buffer, self._connection.lacking)
            except WireBroken as error:
                return str(error)
            if not received:
                return "the peer closed the connection"
            self._heard_at = self._clock()
            for event in self._connection.received(received):
                if isinstance(event, Received):
                    await self._handled(handle, event.message)
            if self._news:
                self._news.unpark_all()

    async def _handled(self, handle: MessageHandler, message: Message) -> None:
        self._handling = True
        try:
            await handle(message)
        finally:
            self._handling = False
            self._heard_at = self._clock()

    def _send_now(self, message: Message) -> None:
        frame = memoryview(self._connection.seal(message))
        try:
            rest = frame[self._wire.send_now(frame) :]
        except WireBroken as error:
            self.cut(str(error))
        else:
            if rest:
                self._hand_over(rest)

    def _send_soon(self, message: Message) -> None:
        """Seal this after what is sealed already, in one piece with the small ones before."""
        frame = self._connection.seal(message)
        self._sealed_small += len(frame)
        if self._sealed and isinstance(self._sealed[-1], bytearray):
            self._sealed[-1] += frame
        else:
            self._hand_over(bytearray(frame))

    def _hand_over(self, frames: Bytes) -> None:
        """Have the sender take these after those before."""
        self._sealed.append(frames)
        self._to_send.unpark()

    async def _seal(self) -> None:
        """Make the next frames ready while those before are sent: they count, and go, in this order."""
        while True:
            self._sealing = False
            await self._seal_next()

    async def _seal_next(self) -> None:
        taken = await self._outbox.take()
        self._sealing = True
        if isinstance(taken, list):
            frames = [self._connection.seal(message) for message in taken]
            self._hand_over(frames[0] if len(frames) == 1 else b"".join(frames))
        else:
            while self._next_large is not None:
                await self._taken.park()
            self._hand_over(self._sealed_frame(taken))
        while self._sealed:
            await self._taken.park()
        if not isinstance(taken, list):
            self._outbox.done()

    def _sealed_frame(self, message: Message | Laid) -> Bytes:
        """The frame of what was put."""
        if isinstance(message, Laid):
            return self._connection.seal_laid(message)
        return self._connection.seal(message)

    async def _send(self) -> None:
        try:
            while True:
                while not self._sealed:
                    self._sending = False
                    await self._to_send.park()
                await self._send_next()
        except WireBroken as error:
            self.cut(str(error))

    async def _send_next(self) -> None:
        self._sending, self._sending_since = True, trio.current_time()
        frames = self._sealed.popleft()
        if isinstance(frames, bytearray):
            self._sealed_small -= len(frames)
        if frames is self._next_large:
            self._next_large = None
        self._taken.unpark_all()
        if self.turn is not None and self.turn.needed and len(frames) >= TURN_BYTES:
            await self._send_in_turn(frames, self.turn)
        else:
            await self._wire.send(frames)

    async def _send_in_turn(self, frame: Bytes, turn: Turn) -> None:
        await turn.begin(len(frame))
        try:
            await self._wire.send(frame)
        finally:
            turn.end()

    async def _watch_sending(self) -> None:
        """Cut the link when the peer does not take a frame in time; a scope around each would cost more."""
        while True:
            now = trio.current_time()
            stalled_at = (self._sending_since if self._sending else now) + SEND_STALL_SECONDS
            if now >= stalled_at:
                self.cut("the peer stopped reading")
            await trio.sleep_until(stalled_at)


async def secure(
    stream: trio.abc.Stream, connection: Connection, clock: Callable[[], float], workers: Workers
) -> Link:
    """Carry out the handshake; raises HandshakeFailed, with the stream closed, when it does not succeed."""
    wire = wire_over(stream)
    reason = "no handshake in time"
    try:
        with trio.move_on_after(HANDSHAKE_SECONDS):
            peer, early = await _shake_hands(wire, connection)
            return Link(wire, connection, peer, early, clock, workers)
    except (WireBroken, ProtocolFault) as error:
        reason = str(error)
    except BaseException:
        await _abandon(wire)
        raise
    await _abandon(wire)
    raise HandshakeFailed(reason)


async def _abandon(wire: Wire) -> None:
    with trio.CancelScope(shield=True):
        await wire.close()


async def _shake_hands(wire: Wire, connection: Connection) -> tuple[PeerIdentity, list[Message]]:
    peer: PeerIdentity | None = None
    early: list[Message] = []
    while True:
        if hello := connection.data_to_send():
            await wire.send(hello)
        if peer is not None:
            return peer, early
        received = await wire.receive_into(connection.buffer(), connection.lacking)
        if not received:
            raise WireBroken("the peer closed the connection during the handshake")
        for event in connection.received(received):
            if isinstance(event, HandshakeDone):
                peer = event.peer
            elif isinstance(event, Received):
                early.append(event.message)
