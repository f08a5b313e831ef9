"""The commands that only ask and print."""

import json

import pytest
import trio

from swarm.cli import peers
from swarm.node.api import PeerRow
from tests.cli.command import Command
from tests.node.fakes import COMMIT, MODEL, SITE, STATUS, WHY


@pytest.fixture(autouse=True)
def no_looking_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "LOOK_SECONDS", 0)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["status"], STATUS),
        (["peers"], STATUS["peers"]),
        (["models"], [MODEL]),
        (["why", "ns/name"], [WHY]),
        (["rm", "ns/name"], {"hub": "hf", "repo": "ns/name", "snapshots": 1, "bytes": 7}),
    ],
)
def test_json_is_what_the_node_says(command: Command, words: list[str], value: object) -> None:
    ran = command(*words, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == value
    assert ran.out.count("\n") == 1


def test_status_for_people(command: Command) -> None:
    assert command("status").out == (
        "node       abcdefghijklmnop  (0.1.0, no daemon runs)\n"
        "peers      1\n"
        "models     0, 0 incomplete\n"
        "store      5 B\n"
    )


@pytest.mark.parametrize(
    ("shares", "said"), [(True, "shares private models"), (False, "shares no private models")]
)
def test_the_site_in_the_status(command: Command, shares: bool, said: str) -> None:
    command.node.site = {**SITE, "share_private": shares}
    assert f"\nsite       lab, 3 members, {said}\n" in command("status").out


def test_peers_for_people(command: Command) -> None:
    assert command("peers").out == (
        "node    address        via   sent  received  standing\n"
        "node-1  10.0.0.2:7677  mdns  1 B   2 B       open\n"
    )  # fmt: skip


def test_no_peers(command: Command) -> None:
    async def none() -> list[PeerRow]:
        await trio.lowlevel.checkpoint()
        return []

    command.node.peers = none  # type: ignore[method-assign] # a node alone on its LAN
    assert command("peers").out == "No peers.\n"


def test_models_for_people(command: Command) -> None:
    header, row = command("models").out.splitlines()
    assert header.split() == ["hub", "repository", "revision", "commit", "size", "held"]
    assert row.split() == ["hf", "datasets/ns/name", "main", COMMIT[:12], "1.00", "kB", "50.0", "%"]


def test_an_empty_store(command: Command) -> None:
    command.node.models_held = []
    assert command("models").out == "The store is empty.\n"


def test_why_for_people(command: Command) -> None:
    assert command("why", "ns/name").out == (
        f"ns/name {COMMIT}\n"
        "file      source                size\n"
        "a.bin     peer peerpeerpe       4 B\n"
        "          upstream https://hub  1 B\n"
        "together  peer peerpeerpe       4 B\n"
        "! peer liarliarli: sent wrong bytes (a.bin)\n"
    )


def test_why_of_what_is_not_held(command: Command) -> None:
    ran = command("why", "ns/other")
    assert ran.code == 3
    assert ran.err == "Nothing of ns/other is held.\n  Fetch it.\n"


def test_rm_for_people(command: Command) -> None:
    assert command("rm", "ns/name").out == "7 B freed in the store.\n"
