"""A LAN of whole nodes of which some belong to sites: their homes, their clocks, and what people do there.

Wall clocks are apart from the clock of the event loop, so that days pass without anything happening in them:
`Wall.pass_days` is what a calendar does, `skew` what a machine without a battery does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

from protocol.ids import NodeId, to_text
from protocol.invitation import Grant, Token
from protocol.limits import KIB
from protocol.membership import DAY, Rights
from protocol.revocation import Revocation
from protocol.signing import Identity
from swarm.node import joining
from swarm.sites import administration
from swarm.sites.folder import SiteFolder
from swarm.sites.gate import SiteGate
from swarm.workers import InlineWorkers
from tests.exchange.nodes import PORT, Content, identity
from tests.node.lan import Lan, Node

EPOCH: Final = 1_800_000_000.0
YEAR: Final = 365 * DAY

CONTENT: Final = Content(600 * KIB, 1000)

MEMBER: Final = "member"

SOON: Final = 10.0
"""Seconds in which whatever a node notices by itself has had its effect."""


class Wall:
    """What the calendar says; `skew`: by how many seconds each machine is wrong."""

    def __init__(self) -> None:
        self._passed = 0.0
        self.skew: dict[int, float] = {}

    def pass_days(self, days: float) -> None:
        self._passed += days * DAY

    def of(self, number: int) -> Callable[[], float]:
        return lambda: EPOCH + self._passed + trio.current_time() + self.skew.get(number, 0.0)


class SiteLan:
    """`lan` with homes below `root`; machines are numbered as its nodes are."""

    def __init__(self, lan: Lan, root: Path) -> None:
        self.lan = lan
        self.wall = Wall()
        self._root = root
        lan.calendar = self.wall.of(0)
        self.gates: dict[int, SiteGate] = {}

    def folder(self, number: int) -> SiteFolder:
        home = self._root / f"home{number}"
        home.mkdir(parents=True, exist_ok=True)
        return SiteFolder(home)

    def me(self, number: int) -> Identity:
        return identity(number)

    def now(self, number: int) -> float:
        return self.wall.of(number)()

    # --- what runs ---------------------------------------------------------------------------------------

    async def start(self, number: int, *, serves_open: bool = False, share_private: bool = False) -> Node:
        """Switch the daemon of this machine on."""
        self.gates[number] = SiteGate(
            self.folder(number),
            self.me(number),
            InlineWorkers(),
            serves_open=serves_open,
            wall=self.wall.of(number),
        )
        return await self.lan.start(number, gate=self.gates[number], share_private=share_private)

    def standing(self, number: int) -> dict[int, str]:
        """The machines this one has links with, and how they stand to it."""
        numbers = {self.me(other).node_id: other for other in range(100)}
        peers = self.lan.nodes[number].exchange.peers()
        return {numbers[peer.node_id]: peer.standing for peer in peers}

    def expires(self, number: int) -> int:
        """When the certificate of this machine ends, as its daemon has it."""
        membership = self.gates[number].membership
        assert membership is not None
        return membership.own.expires

    def causes(self, number: int) -> dict[NodeId, str]:
        """Whom this machine's daemon refuses, and why."""
        return {node: trouble.verdict.cause for node, trouble in self.gates[number].troubles.items()}

    # --- what people do ------------------------------------------------------------------------------------

    def create(self, number: int, name: str = "lab", *, root: Path | None = None) -> Grant:
        return administration.create(
            self.folder(number), self.me(number), name, None, self.now(number), root=root
        )

    def invite(
        self, number: int, *, uses: int = 1, valid: float = 3600.0, rights: Rights = Rights.MEMBER
    ) -> Token:
        return administration.invite(
            self.folder(number),
            self.me(number),
            uses=uses,
            valid=valid,
            rights=rights,
            addresses=[f"10.0.0.{number}:{PORT}"],
            now=self.now(number),
        )

    async def redeem(self, number: int, token: Token) -> Grant:
        """Call the inviter, from this machine."""
        return await joining.redeem(
            self.me(number),
            token,
            f"h{number}",
            network=self.lan.network.host(f"10.0.0.{number}"),
            wall=self.wall.of(number),
        )

    async def join(self, number: int, token: Token) -> bool:
        """`swarm site join TOKEN` on this machine; whether it was no member before."""
        grant = await self.redeem(number, token)
        return administration.accept(self.folder(number), self.me(number), grant, self.now(number))

    def revoke(self, by: int, *numbers: int) -> Revocation:
        names = [str_id(self.me(number)) for number in numbers]
        return administration.put_out(self.folder(by), self.me(by), names, None, self.now(by))


def str_id(me: Identity) -> str:
    return to_text(me.node_id)


async def of_members(site: SiteLan, count: int) -> None:
    """Machine 1 founds a site, the others join it, all run."""
    site.create(1)
    await site.start(1)
    token = site.invite(1, uses=count)
    for number in range(2, count + 1):
        await site.join(number, token)
        await site.start(number)
    await trio.sleep(SOON)
