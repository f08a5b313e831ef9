"""The machines' links: how long bytes take, and who waits for whom.

Every machine sends at most `up` and receives at most `down` bytes a second. Its uplink is given frame by
frame (PIECE, what a node puts in one Data) to the flows that have something to send, in turn; a flow whose
receiver's link has IN_FLIGHT bytes still to take waits, so that a slow receiver holds up nobody else. What
arrives at a downlink is taken in the order of arrival. A flow is what one machine sends to one other.

What is not modelled: loss, retransmission, headers, the switch (it never is what is narrow), disks and
processors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from protocol.limits import MIB
from swarm.exchange.serving import USUAL_PAYLOAD
from tests.scale.clock import Clock

PIECE: Final = USUAL_PAYLOAD
"""Bytes that one flow sends before it is the next one's turn."""

IN_FLIGHT: Final = 2 * MIB
"""Bytes that a flow may have sent and the receiver's link has not taken: the buffers of two sockets."""


class Line:
    """One machine's link. `sent` and `received` count payload."""

    __slots__ = ("busy", "down", "down_free_at", "received", "sent", "up", "waiting")

    def __init__(self, up: float, down: float) -> None:
        self.up = up
        self.down = down
        self.busy = False
        self.down_free_at = 0.0
        self.sent = 0
        self.received = 0
        self.waiting: deque[Flow] = deque()


class Flow:
    """What `source` sends to `target`: (order, chunk, bytes left, its length) one after another.

    `arrived(order, chunk)` is called when the last byte of a chunk is there, unless the flow was closed.
    """

    __slots__ = ("arrived", "carried", "in_flight", "open", "queue", "queued", "source", "target")

    def __init__(self, source: Line, target: Line, arrived: Callable[[int, int], None]) -> None:
        self.source = source
        self.target = target
        self.arrived = arrived
        self.queue: deque[list[int]] = deque()
        self.in_flight = 0
        self.carried = 0
        self.open = True
        self.queued = False


class Lines:
    """Moves bytes. `latency`: from one machine's link to another's, in seconds."""

    def __init__(self, clock: Clock, latency: float) -> None:
        self.clock = clock
        self.latency = latency

    def send(self, flow: Flow, order: int, chunk: int, length: int) -> None:
        """Queue a chunk."""
        flow.queue.append([order, chunk, length, length])
        self._ready(flow)

    def close(self, flow: Flow) -> None:
        """Nothing of it arrives any more."""
        flow.open = False
        flow.queue.clear()

    def withdraw(self, flow: Flow, order: int, bits: int) -> None:
        """Do not send these chunks of an order, save one of which a part is sent already."""
        kept = deque(
            item
            for place, item in enumerate(flow.queue)
            if item[0] != order or not bits >> item[1] & 1 or (place == 0 and item[2] < item[3])
        )
        flow.queue = kept

    def _ready(self, flow: Flow) -> None:
        if not flow.queued and flow.queue and flow.in_flight < IN_FLIGHT:
            flow.queued = True
            flow.source.waiting.append(flow)
            if not flow.source.busy:
                self._pump(flow.source)

    def _pump(self, line: Line) -> None:
        """Send the next piece of the flow whose turn it is."""
        waiting = line.waiting
        while waiting:
            flow = waiting.popleft()
            flow.queued = False
            if flow.queue:
                break
        else:
            return
        item = flow.queue[0]
        size = min(PIECE, item[2])
        item[2] -= size
        done = None
        if not item[2]:
            flow.queue.popleft()
            done = item
        flow.in_flight += size
        line.busy = True
        line.sent += size
        now = self.clock.now
        sent_at = now + size / line.up
        target = flow.target
        taken_at = max(sent_at + self.latency, target.down_free_at + size / target.down)
        target.down_free_at = taken_at
        if flow.queue and flow.in_flight < IN_FLIGHT:
            flow.queued = True
            waiting.append(flow)
        self.clock.at(sent_at, self._sent, line)
        self.clock.at(taken_at, self._taken, flow, size, done)

    def _sent(self, line: Line) -> None:
        line.busy = False
        self._pump(line)

    def _taken(self, flow: Flow, size: int, done: list[int] | None) -> None:
        flow.in_flight -= size
        if not flow.open:
            return
        flow.target.received += size
        flow.carried += size
        self._ready(flow)
        if done is not None:
            flow.arrived(done[0], done[1])
