"""A real daemon of a site and peers that show what is no membership of now; machines with wrong clocks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from protocol.ids import to_text
from protocol.membership import DAY, ISSUER_SECONDS, Badge, found
from protocol.messages import Granted, Redeem
from protocol.signing import Identity, SigningKey
from swarm.client.remote import RemoteNode
from swarm.exchange.guests import MAX_QUESTIONS_OF_A_GUEST
from swarm.sites.rootkey import RootFile
from tests.command.attacker import Victim, gone, stranger
from tests.command.hubs import REPO, CommandHub
from tests.command.machine import SECONDS, Machine, contents
from tests.protocol.sites import OTHER_ROOT
from tests.system.site import wait_until

YEAR = 365 * DAY


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """The founder of a site."""
    machine = Machine(tmp_path_factory.mktemp("founder"))
    assert machine.swarm("site", "create", "lab").code == 0
    with machine.daemon() as daemon:
        yield Victim(machine, daemon)


Shown = Callable[[SigningKey, Identity, float], bytes]
"""What a node shows, if it has the root key of the site, at this time."""


def badge(
    root: SigningKey, me: SigningKey, now: float, *, clock: float = 0.0, life: int = ISSUER_SECONDS
) -> bytes:
    return Badge(found(root, me.public_key, now, life), int(clock or now), serves_open=False).encode()


def nothing(root: SigningKey, me: Identity, now: float) -> bytes:
    return b""


def of_another_site(root: SigningKey, me: Identity, now: float) -> bytes:
    return badge(OTHER_ROOT, me, now)


def of_another_node(root: SigningKey, me: Identity, now: float) -> bytes:
    return badge(root, OTHER_ROOT, now)


def altered(root: SigningKey, me: Identity, now: float) -> bytes:
    shown = bytearray(badge(root, me, now))
    shown[100] ^= 1
    return bytes(shown)


def expired(root: SigningKey, me: Identity, now: float) -> bytes:
    return badge(root, me, now - 3 * DAY, clock=now, life=2 * DAY)


def of_the_future(root: SigningKey, me: Identity, now: float) -> bytes:
    return badge(root, me, now + 3 * DAY, clock=now)


def by_a_clock_a_year_ahead(root: SigningKey, me: Identity, now: float) -> bytes:
    return badge(root, me, now, clock=now + YEAR)


def by_a_clock_a_year_behind(root: SigningKey, me: Identity, now: float) -> bytes:
    return badge(root, me, now, clock=now - YEAR)


CAUSES: dict[Shown, str] = {
    nothing: "",
    of_another_site: "",
    of_another_node: "forged",
    altered: "forged",
    expired: "expired",
    of_the_future: "not valid yet",
    by_a_clock_a_year_ahead: "clock",
    by_a_clock_a_year_behind: "clock",
}
"""Why it is refused, as the daemon tells of nodes that seem to be of the site; of others it tells nothing."""


def root_of(victim: Victim) -> SigningKey:
    return RootFile(victim.machine.home / "site" / "root.key").open(None)


@pytest.mark.parametrize(("shown", "cause"), CAUSES.items())
async def test_who_shows_no_membership_of_now(victim: Victim, shown: Shown, cause: str) -> None:
    peer = stranger()
    peer.badge = shown(root_of(victim), peer.identity, time.time())
    async with peer.linked(victim.address, "control") as link:
        await gone(link)
        assert link.heard == []
    status = await trio.to_thread.run_sync(RemoteNode(victim.machine.home / "control.sock").status)
    assert status["site"] is not None
    told = {row["node"]: row["cause"] for row in status["site"]["troubles"]}
    assert told.get(to_text(peer.id), "") == cause
    assert status["peers"] == []


async def test_who_does_is_let_in(victim: Victim) -> None:
    peer = stranger()
    peer.badge = badge(root_of(victim), peer.identity, time.time())
    async with peer.linked(victim.address, "control"):
        with trio.fail_after(SECONDS):
            while not (rows := await victim.peers()):
                continue
        assert [(row["node"], row["standing"]) for row in rows] == [(to_text(peer.id), "member")]


async def test_who_guesses_a_token(victim: Victim) -> None:
    """Hears no a few times, and then nothing more."""
    guess = Redeem(bytes(32), bytes(64), "guest")
    async with stranger().linked(victim.address, "admission") as link:
        link.say(*[guess] * (2 * MAX_QUESTIONS_OF_A_GUEST))
        await gone(link)
    answers = [message for message in link.heard if isinstance(message, Granted)]
    assert 1 <= len(answers) <= MAX_QUESTIONS_OF_A_GUEST
    assert not any(answer.membership for answer in answers)


def troubles(machine: Machine) -> list[str]:
    """Why the daemon of this machine refuses members of its site."""
    shown = json.loads(machine.swarm("site", "show", "--json").out)
    return [row["cause"] for row in shown["running"]["troubles"]]


def wrong_by(seconds: int) -> list[str]:
    return [sys.executable, "-m", "tests.command.wrong_clock", str(seconds)]


@pytest.mark.parametrize("wrong", [YEAR, -YEAR], ids=["a year ahead", "a year behind"])
def test_a_member_whose_clock_is_wrong_by_a_year(victim: Victim, tmp_path: Path, wrong: int) -> None:
    """Both sides say that it is the clock, and once it is right it is a member again."""
    member = Machine(tmp_path, extra={"SWARM_PEERS": victim.daemon.address})
    assert member.swarm("site", "join", victim.machine.swarm("site", "invite").out.strip()).code == 0
    member.program = wrong_by(wrong)
    with member.daemon():
        wait_until("it knows why it is alone", lambda: troubles(member) == ["clock"])
        assert "clock" in troubles(victim.machine)
        assert json.loads(member.swarm("peers", "--json").out) == []
    member.program = Machine(tmp_path).program
    with member.daemon():
        wait_until("it is a member", lambda: json.loads(member.swarm("peers", "--json").out))


def test_without_a_site_clocks_may_be_wrong(hub: CommandHub, files: dict[str, bytes], tmp_path: Path) -> None:
    """A node a year ahead fetches, and one a year behind has it all from that."""
    ahead = Machine(tmp_path / "ahead", hub.url, program=wrong_by(YEAR))
    with ahead.daemon() as daemon:
        assert contents(ahead.swarm("get", REPO).folder) == files
        told = {"SWARM_PEERS": daemon.address}
        behind = Machine(tmp_path / "behind", hub.url, told, program=wrong_by(-YEAR))
        with behind.daemon():
            before = hub.total
            assert contents(behind.swarm("get", REPO).folder) == files
            assert hub.total == before
