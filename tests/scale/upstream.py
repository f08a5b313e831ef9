"""The hub, seen from the LAN: one line to the internet that all who fetch from it share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.bits import from_members, minus
from swarm.scheduler import events as ev
from swarm.scheduler.events import UPSTREAM
from tests.scale.lines import Flow, Line, Lines

if TYPE_CHECKING:
    from tests.scale.node import Node

REQUEST_SECONDS: Final = 0.03
"""From a request to its first byte."""


class Upstream:
    """`paid`: bytes that the LAN received from the hub."""

    def __init__(self, lines: Lines, rate: float) -> None:
        self._lines = lines
        self.line = Line(rate, rate)
        self._flows: dict[tuple[bytes, int], Flow] = {}

    @property
    def paid(self) -> int:
        return self.line.sent

    def fetch(self, node: Node, order: int, chunks: tuple[int, ...]) -> None:
        if not node.can_fetch:
            failed = ev.OrderFailed(order, UPSTREAM, from_members(chunks), True)
            self._lines.clock.after(REQUEST_SECONDS, node.step, failed)
            return

        def arrived(_order: int, chunk: int) -> None:
            node.upstream_bytes += node.world.layout.length(chunk)
            node.stored(UPSTREAM, chunk)

        flow = self._flows[node.id, order] = Flow(self.line, node.line, arrived)
        self._lines.clock.after(REQUEST_SECONDS, self._begin, node, flow, order, chunks)

    def _begin(self, node: Node, flow: Flow, order: int, chunks: tuple[int, ...]) -> None:
        if flow.open:
            for chunk in chunks:
                self._lines.send(flow, order, chunk, node.world.layout.length(chunk))

    def cancel(self, node: Node, order: int, bits: int) -> bool:
        """Call chunks of an order off; whether it was one of upstream."""
        flow = self._flows.get((node.id, order))
        if flow is None:
            return False
        left = from_members(item[1] for item in flow.queue)
        self._lines.withdraw(flow, order, bits)
        if not minus(left, bits):
            del self._flows[node.id, order]
        return True

    def forget(self, node: Node) -> None:
        """The node died."""
        for key in [key for key in self._flows if key[0] == node.id]:
            self._lines.close(self._flows.pop(key))
