"""A simulated LAN: one queue of events in exact time, machines with links and processors, flows of bytes.

What is modelled: every host sends at most `up` and receives at most `down` bytes per second; its uplink is
shared piece by piece, in turn, among the flows that have something to send and whose receiver has room
(so a slow receiver holds up nobody else). Each host has one processor, a queue of jobs that are done one
after another: preparing a piece for the wire, taking one in, sending a message and hearing one each cost
what `Costs` says. All processors may have to share a few cores, as processes of one machine do. What a
receiver has not taken in fills its window, and then the sender's buffer. What is not: loss and
retransmission, disks.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import NamedTuple, Protocol

from protocol.limits import KIB
from protocol.manifest import Layout

PIECE = 64 * KIB
"""Bytes sent at a time by one flow before the next flow's turn, unless the flow has another share."""

WRITTEN = 4 * PIECE
"""Bytes a flow may have prepared that are not on the wire yet: the sender's socket buffer."""

IN_FLIGHT = 4 * PIECE
"""Bytes a flow may have sent that the receiver has not taken in yet: its window."""

MBIT = 1_000_000 / 8
"""Bytes per second of one megabit per second."""

Action = Callable[[], None]


@dataclass(frozen=True)
class Costs:
    """Seconds of processor: to prepare a byte, to take one in, to be woken for what came on a flow, to send
    or hear a message. What came on a flow by the time its receiver is woken is taken in at once."""

    send: float = 0.0
    receive: float = 0.0
    wake: float = 0.0
    message: float = 0.0


class Clock:
    """What happens when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Action]] = []
        self._numbers = count()

    def at(self, time: float, action: Action) -> None:
        heapq.heappush(self._queue, (time, next(self._numbers), action))

    def after(self, seconds: float, action: Action) -> None:
        self.at(self.now + seconds, action)

    def run(self, until: Callable[[], bool], limit: float = 600.0) -> float:
        """Go on until the condition holds; its time. AssertionError after `limit` s or if all is quiet."""
        while not until():
            assert self._queue, "nothing will ever happen again"
            self.now, _, action = heapq.heappop(self._queue)
            assert self.now < limit, self.report()
            action()
        return self.now

    def report(self) -> str:
        """How things are, for whoever wonders why it takes so long."""
        return f"at {self.now:.2f}s"


class Cores:
    """So many jobs of all processors together are done at a time."""

    def __init__(self, number: int) -> None:
        self.free = number
        self.waiting: deque[Processor] = deque()


class Processor:
    """Jobs done one after another; those that cost nothing are done at once when nothing waits."""

    def __init__(self, clock: Clock, cores: Cores | None = None) -> None:
        self._clock = clock
        self._cores = cores
        self._jobs: deque[tuple[float, Action]] = deque()
        self._working = False
        self.stopped = False
        self.worked = 0.0

    def do(self, cost: float, job: Action) -> None:
        """This costs so many seconds, and has its effect when they are over."""
        if not (cost or self._jobs or self._working or self.stopped):
            job()
            return
        self._jobs.append((cost, job))
        self._next()

    def pause(self, seconds: float) -> None:
        """Do nothing for so long: somebody else had the core."""
        self._jobs.appendleft((seconds, lambda: None))
        self._next()

    def stop(self) -> None:
        """Do nothing from now on."""
        self.stopped = True
        self._jobs.clear()

    def _next(self) -> None:
        if self._working or not self._jobs or self.stopped:
            return
        self._working = True
        if self._cores is None or self._cores.free:
            self._work()
        else:
            self._cores.waiting.append(self)

    def _work(self) -> None:
        if self._cores is not None:
            self._cores.free -= 1
        cost, job = self._jobs.popleft() if self._jobs else (0.0, lambda: None)
        self.worked += cost
        self._clock.after(cost, lambda: self._done(job))

    def _done(self, job: Action) -> None:
        self._working = False
        if self._cores is not None:
            self._cores.free += 1
            if self._cores.waiting:
                self._cores.waiting.popleft()._work()
        if not self.stopped:
            job()
            self._next()


class Piece(NamedTuple):
    """Some bytes of a chunk; the `last` of them completes it."""

    order: int
    chunk: int
    size: int
    last: bool


@dataclass
class Host:
    """A machine: its two directions, and its processor. `sending`: its flows in the order of their turns."""

    up: float
    down: float
    processor: Processor
    latency: float = 0.001
    sending: deque[Flow] = field(default_factory=deque)
    busy: bool = False
    down_free_at: float = 0.0


class Desk(Protocol):
    """Decides what a host sends."""

    def give(self, flow: Flow, chunk: int) -> bool:
        """Whether to send this chunk now; it is not sent otherwise."""
        ...

    def sent(self, flow: Flow, chunk: int) -> None:
        """All of it is on its way."""
        ...


class Flow:
    """Chunks on their way between two hosts: `queue` of [order, chunk, bytes left], then prepared pieces.

    deliver: takes in a piece that came, and whether the flow was still open then. piece: bytes sent at a
    time; flows of one host share its uplink in this proportion. desk: has a say in what is sent.
    """

    def __init__(
        self,
        clock: Clock,
        costs: Costs,
        sender: Host,
        receiver: Host,
        deliver: Callable[[Piece, bool], None],
        piece: int = PIECE,
        desk: Desk | None = None,
    ) -> None:
        self.sender = sender
        self.receiver = receiver
        self.queue: deque[list[int]] = deque()
        self.open = True
        self._clock = clock
        self._costs = costs
        self._deliver = deliver
        self._written: deque[Piece] = deque()
        self._unsent = 0
        self._in_flight = 0
        self._preparing = False
        self._begun = False
        self._piece = piece
        self._desk = desk
        self._arrived: list[Piece] = []

    def send(self, order: int, chunk: int, length: int) -> None:
        self.queue.append([order, chunk, length])
        self._prepare()

    def withdraw(self, order: int, bits: int, lengths: Layout) -> None:
        """Send no more of these chunks of an order, but for one that is under way."""
        self.queue = deque(
            item
            for place, item in enumerate(self.queue)
            if item[0] != order
            or not bits >> item[1] & 1
            or (place == 0 and item[2] < lengths.length(item[1]))
        )

    def _prepare(self) -> None:
        """Let the processor put the next piece into the buffer, while there is room."""
        if self._preparing or self._unsent >= WRITTEN or not self._find_next():
            return
        order, chunk, left = self.queue[0]
        size = min(self._piece, left)
        piece = Piece(order, chunk, size, size == left)
        if piece.last:
            self.queue.popleft()
            self._begun = False
        else:
            self.queue[0][2] -= size
        self._preparing = True
        self._unsent += size
        self.sender.processor.do(self._costs.send * size, partial(self._prepared, piece))

    def _find_next(self) -> bool:
        """Drop what the desk does not give; whether there is something to send."""
        while self.queue and self._desk is not None and not self._begun:
            self._begun = self._desk.give(self, self.queue[0][1])
            if not self._begun:
                self.queue.popleft()
        return bool(self.queue)

    @property
    def slow(self) -> bool:
        """Nobody looks for that here (`swarm.exchange.turns` does in a node)."""
        return False

    @property
    def busy(self) -> bool:
        """Whether the receiver waits for something."""
        return self._preparing or bool(self.queue) or bool(self._unsent)

    def _prepared(self, piece: Piece) -> None:
        self._preparing = False
        if piece.last and self._desk is not None:
            self._desk.sent(self, piece.chunk)
        self._written.append(piece)
        if self not in self.sender.sending:
            self.sender.sending.append(self)
        self._prepare()
        pump(self.sender)

    def send_piece(self) -> bool:
        """Put a piece on the wire if the receiver has room."""
        if self._in_flight >= IN_FLIGHT:
            return False
        piece = self._written.popleft()
        self._in_flight += piece.size
        self.sender.busy = True
        sent_at = self._clock.now + piece.size / self.sender.up
        self._clock.at(sent_at, partial(self._sent, piece))
        self._clock.at(sent_at + self.sender.latency, partial(self._reached, piece))
        return True

    @property
    def idle(self) -> bool:
        return not (self._written and self.open)

    def _sent(self, piece: Piece) -> None:
        self.sender.busy = False
        self._unsent -= piece.size
        self._prepare()
        pump(self.sender)

    def _reached(self, piece: Piece) -> None:
        """The last byte of a piece is at the receiver's link, which may be busy with others."""
        receiver = self.receiver
        receiver.down_free_at = max(self._clock.now, receiver.down_free_at + piece.size / receiver.down)
        self._clock.at(receiver.down_free_at, partial(self._came, piece))

    def _came(self, piece: Piece) -> None:
        self._arrived.append(piece)
        if len(self._arrived) == 1:
            self.receiver.processor.do(self._costs.wake, self._woken)

    def _woken(self) -> None:
        arrived, self._arrived = self._arrived, []
        for piece in arrived:
            self.receiver.processor.do(self._costs.receive * piece.size, partial(self._taken, piece))

    def _taken(self, piece: Piece) -> None:
        self._in_flight -= piece.size
        self._deliver(piece, self.open)
        pump(self.sender)


def pump(host: Host) -> None:
    """Send the next piece of the next flow that may send."""
    if host.busy:
        return
    for _ in range(len(host.sending)):
        flow = host.sending.popleft()
        if flow.idle:
            continue
        host.sending.append(flow)
        if flow.send_piece():
            return


def seeded(seed: int) -> random.Random:
    return random.Random(seed)
