"""Which snapshot a name stands for, when the hub is out of reach."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.fields import RULES, identifier
from protocol.ids import SnapshotKey
from protocol.messages.checked import Checked


@dataclass(frozen=True, slots=True)
class Lookup(Checked):
    """Which snapshot is this name? Asked when the hub is out of reach. `request` returns in Found."""

    request: int
    hub: str
    repo_type: str
    repo: str
    revision: str


@dataclass(frozen=True, slots=True)
class Found(Checked):
    """The snapshot of a Lookup, or None; its manifest can be had on a bulk connection."""

    request: int
    topic: SnapshotKey | None
    commit: str

    def __post_init__(self) -> None:
        RULES["request"](self.request)
        RULES["commit"](self.commit)
        if self.topic is not None:
            identifier(self.topic)
