"""A site of real daemons on one machine, set up by the installed command as a playbook would do it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command.hubs import REPO, CommandHub, size_of
from tests.command.machine import JSON, Machine, contents
from tests.system.site import wait_until


def ask(machine: Machine, *words: str) -> JSON:
    done = machine.swarm(*words, "--json", "--quiet")
    assert (done.code, done.err) == (0, "")
    return done.json


def standings(machine: Machine) -> list[str]:
    """How the peers of this machine stand to it."""
    return [row["standing"] for row in json.loads(machine.swarm("peers", "--json").out)]


def test_a_site_from_one_token(
    machine: Machine, hub: CommandHub, tmp_path: Path, files: dict[str, bytes]
) -> None:
    """Two join by one token, one before and one while its daemon runs; a stranger stays out."""
    made = ask(machine, "site", "create", "lab")
    with machine.daemon() as daemon:
        peers = {"SWARM_PEERS": daemon.address}
        early, late, stranger = (
            Machine(tmp_path / name, hub.url, peers) for name in ("early", "late", "stranger")
        )
        token = machine.swarm("site", "invite", "--uses", "2").out.strip()
        joined = early.swarm("site", "join", token)
        assert (joined.code, joined.out.strip()) == (0, made["site"])
        assert not ask(early, "site", "join", token)["joined"]
        with early.daemon(), late.daemon(), stranger.daemon():
            wait_until("the first is linked", lambda: standings(early) == ["member"])
            assert ask(late, "site", "join", token)["joined"]
            wait_until("the second is linked", lambda: "member" in standings(late))
            assert stranger.swarm("site", "join", token).code == 4

            assert machine.swarm("get", REPO).code == 0
            hub.stop()
            assert contents(late.swarm("get", REPO, "--offline").folder) == files
            assert stranger.swarm("get", REPO, "--offline").code == 5
            assert standings(stranger) == []
            assert hub.total == size_of(files)

            node = ask(late, "status")["node"]
            assert ask(machine, "site", "revoke", node)["revoked"] == [node]
            wait_until("the revoked one is cut off", lambda: standings(late) == [])
            wait_until("it knows why", lambda: ask(late, "site", "show")["fault"] == "revoked")
            assert standings(early) == ["member"]
            assert late.swarm("site", "join", token).code == 4

            assert ask(early, "site", "leave", "--yes")["left"]
            wait_until("its daemon notices", lambda: ask(early, "status")["site"] is None)
            wait_until("it is linked with no member", lambda: standings(early) == standings(machine) == [])
