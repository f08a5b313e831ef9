"""A site on disk: a founder's folder and its members, for tests of what is done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from protocol.invitation import Grant, Token, request
from protocol.membership import Rights
from protocol.signing import Identity
from swarm.sites import administration
from swarm.sites.folder import SiteFolder
from swarm.sites.gate import SiteGate
from swarm.workers import InlineWorkers
from tests.exchange.nodes import identity

NOW: Final = 1_800_000_000.0

FOUNDER: Final = identity(1)


class Person:
    """A node's identity and its home below `root`."""

    def __init__(self, root: Path, number: int) -> None:
        self.me: Identity = identity(number)
        self.home = root / f"home{number}"
        self.home.mkdir()
        self.folder = SiteFolder(self.home)

    def create(self, name: str = "lab", now: float = NOW) -> Grant:
        return administration.create(self.folder, self.me, name, None, now, root=None)

    def invite(self, *, uses: int = 1, valid: float = 3600.0, rights: Rights = Rights.MEMBER) -> Token:
        return administration.invite(
            self.folder, self.me, uses=uses, valid=valid, rights=rights, addresses=[], now=NOW
        )

    def let_in(self, other: Person, rights: Rights = Rights.MEMBER, now: float = NOW) -> Grant:
        """By hand: the other has it on disk."""
        asked = str(request(other.me, f"of {len(self.folder.issued())}"))
        grant = administration.answer(self.folder, self.me, asked, rights, ["10.0.0.1:7677"], now)
        administration.accept(other.folder, other.me, grant, now)
        return grant

    def gate(self, *, serves_open: bool = False, now: float = NOW) -> SiteGate:
        """The gate of a daemon on this home that has just started."""
        gate = SiteGate(self.folder, self.me, InlineWorkers(), serves_open=serves_open, wall=lambda: now)
        reread(gate)
        return gate


def reread(gate: SiteGate) -> bool:
    """What a keeper does now and then: whether anything changed."""
    found = gate.read()
    return gate.take(found) if found is not None else False
