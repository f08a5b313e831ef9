"""One node's scheduler, driven by hand at exact times."""

from __future__ import annotations

from protocol.bits import everything
from protocol.ids import NodeId
from protocol.limits import KIB
from swarm.scheduler.events import (
    Command,
    Event,
    Fetch,
    PeerHas,
    PeerJoined,
    Tick,
    Upstream,
    Vouched,
    WakeAt,
    Wanted,
)
from swarm.scheduler.scheduler import Scheduler
from tests.scheduler.simulator import TOPIC, layout

CHUNK = 256 * KIB
SETTLE = 0.5
ME = NodeId(b"m" * 32)
A, B, C, D = (NodeId(name * 32) for name in (b"a", b"b", b"c", b"d"))


class Bench:
    """A scheduler whose commands are kept; time goes on as told, with a Tick at every WakeAt that passes."""

    def __init__(self, *sizes: int, have: int = 0, usable: bool = False, vouched: bool = True) -> None:
        lengths = layout(*sizes)
        self.now = 0.0
        self.all = everything(lengths.total)
        self.wake: float | None = None
        self.scheduler = Scheduler(ME, TOPIC, lengths, have, 0.0, settle=SETTLE)
        self.said: list[Command] = []
        self.tell(Upstream(usable), Wanted(self.all))
        if vouched:
            self.tell(Vouched(self.all))
        self.said.clear()

    def tell(self, *events: Event) -> None:
        for event in events:
            commands = self.scheduler.step(event, self.now)
            for command in commands:
                if isinstance(command, WakeAt):
                    assert command.time > self.now
                    self.wake = command.time
            self.said += commands
            if self.scheduler.missing:
                assert self.wake is not None
                assert self.wake > self.now

    def until(self, time: float) -> None:
        """Time passes and nothing happens."""
        while self.wake is not None and self.wake <= time:
            self.now, self.wake = self.wake, None
            self.tell(Tick())
        self.now = time

    def seed(self, *peers: NodeId) -> None:
        """Peers that have everything and want nothing."""
        for peer in peers:
            self.tell(PeerJoined(peer, False, False), PeerHas(peer, self.all))

    def take(self, *kinds: type[Command]) -> list[Command]:
        """The commands of these kinds said since last time."""
        found = [command for command in self.said if isinstance(command, kinds)]
        self.said.clear()
        return found

    def fetches(self) -> dict[NodeId, list[int]]:
        """What was ordered since last time, by source."""
        ordered: dict[NodeId, list[int]] = {}
        for command in self.take(Fetch):
            assert isinstance(command, Fetch)
            ordered.setdefault(command.source, []).extend(command.chunks)
        return ordered
