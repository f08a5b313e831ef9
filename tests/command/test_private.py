"""Models that take a token, on machines of a LAN: what other nodes and other users have of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swarm.cli.demo_repo import Repository
from tests.command.hubs import REPO, CommandHub, closed_port, model, size_of
from tests.command.machine import Machine, contents

TOKEN = "hf_token"
FILES = model(700_000)


@pytest.fixture
def hub() -> Iterator[CommandHub]:
    with CommandHub(repositories=[Repository(REPO, FILES)]) as hub:
        hub.set({"token": TOKEN, "private": True})
        yield hub


@pytest.fixture
def machine(tmp_path: Path, hub: CommandHub) -> Machine:
    return Machine(tmp_path / "machine", hub.url)


def with_token(machine: Machine, token: str = TOKEN, **extra: str) -> Machine:
    return replace(machine, extra={**machine.extra, "HF_TOKEN": token, **extra})


def test_no_other_node_has_it_from_this_one(tmp_path: Path, machine: Machine, hub: CommandHub) -> None:
    with machine.daemon() as daemon:
        got = with_token(machine).swarm("get", REPO)
        assert contents(got.folder) == FILES
        commit = got.folder.name
        peer = Machine(tmp_path / "peer", hub.url, {"SWARM_PEERS": daemon.address})
        assert peer.swarm("get", REPO).code == 3
        for name in (REPO, f"{REPO}@{commit}"):
            assert peer.swarm("get", name, "--offline").code == 5
        sources = with_token(peer).swarm("get", REPO, "--json").json["sources"]
        assert {source["kind"] for source in sources} == {"upstream"}


def test_another_user_shows_a_token_of_his_own(machine: Machine, hub: CommandHub) -> None:
    with machine.daemon():
        commit = with_token(machine).swarm("get", REPO).folder.name
        known = f"{REPO}@{commit}"
        assert machine.swarm("get", known).code == 3
        assert with_token(machine, "hf_another").swarm("get", known).code == 4
        assert machine.swarm("get", known, "--offline").code == 4
        assert with_token(machine).swarm("get", known, "--offline").code == 0
        hub.set({"token": "hf_new_one"})
        assert with_token(machine).swarm("get", REPO).code == 4
        refused = with_token(machine).swarm("get", known, "--offline")
        assert refused.code == 4
        assert "private_offline" in refused.err


def test_what_becomes_gated_is_offered_no_more(tmp_path: Path, machine: Machine, hub: CommandHub) -> None:
    hub.set({"private": False})
    with machine.daemon() as daemon:
        away = {"SWARM_PEERS": daemon.address}
        assert machine.swarm("get", REPO).code == 0
        first = Machine(tmp_path / "first", closed_port(), away).swarm("get", REPO, "--json")
        assert (first.code, first.json["verified"]) == (0, "manifest")
        hub.set({"gated": True})
        assert machine.swarm("get", REPO).code == 4
        assert Machine(tmp_path / "second", closed_port(), away).swarm("get", REPO).code == 5


def test_an_operator_who_believes_hubs_alone(tmp_path: Path, machine: Machine, hub: CommandHub) -> None:
    hub.set({"private": False})
    with machine.daemon() as daemon:
        assert machine.swarm("get", REPO).code == 0
        away = {"SWARM_PEERS": daemon.address, "SWARM_MANIFESTS": "hub"}
        other = Machine(tmp_path / "other", closed_port(), away)
        assert other.swarm("get", REPO).code == 5
        online = replace(other, hub=hub.url)
        assert online.swarm("get", REPO, "config.json").code == 0
        assert contents(other.swarm("get", REPO).folder) == FILES


@pytest.mark.parametrize("shares", [True, False])
def test_members_of_a_site_have_it_from_one_another_if_they_share_it(
    tmp_path: Path, machine: Machine, hub: CommandHub, shares: bool
) -> None:
    """And neither a token that the hub does not take, nor an open peer, gets it from anybody."""
    sharing = {"SWARM_SHARE_PRIVATE": str(shares), "SWARM_SERVE_OPEN": "1"}
    machine = replace(machine, extra=sharing)
    assert machine.swarm("site", "create", "lab").code == 0
    with machine.daemon() as daemon:
        peers = {**sharing, "SWARM_PEERS": daemon.address}
        member, stranger = (Machine(tmp_path / name, hub.url, peers) for name in ("member", "stranger"))
        assert member.swarm("site", "join", machine.swarm("site", "invite").out.strip()).code == 0
        assert contents(with_token(machine).swarm("get", REPO).folder) == FILES
        got = with_token(member).swarm("get", REPO, "--json")
        assert {source["kind"] for source in got.json["sources"]} == {"peer" if shares else "upstream"}
        assert (hub.total < 1.5 * size_of(FILES)) == shares
        assert machine.swarm("status", "--json").json["site"]["share_private"] is shares
        assert member.swarm("get", REPO).code == 3
        assert with_token(member, "hf_another").swarm("get", REPO).code == 4
        assert member.swarm("get", REPO, "--offline").code == 4
        got = with_token(stranger).swarm("get", REPO, "--json")
        assert {source["kind"] for source in got.json["sources"]} == {"upstream"}
