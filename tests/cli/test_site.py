"""`swarm site`: what it prints, what scripts may repeat, and how each mistake ends."""

from __future__ import annotations

import getpass
import io
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from protocol.ids import from_text
from swarm.cli import at_site, main, site, site_show
from swarm.node import joining
from swarm.node.api import SiteRow, Status, TroubleRow
from swarm.sites import rootkey
from tests.cli.command import Command, Ran
from tests.node.fakes import SITE, STATUS


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses at a passphrase are cheap, nobody is waited for long, and nobody is at the terminal."""
    monkeypatch.setattr(rootkey, "SCRYPT_LOG2_N", 4)
    monkeypatch.setattr(joining, "JOIN_SECONDS", 0.01)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.delenv("SWARM_SITE_PASSPHRASE", raising=False)
    monkeypatch.setenv("SWARM_LISTEN", "10.0.0.1:7000")


class Site:
    """Runs `swarm site …` in the home of a machine."""

    def __init__(self, command: Command, root: Path) -> None:
        self._command = command
        self._root = root

    def home(self, machine: str) -> Path:
        return self._root / machine

    def __call__(self, machine: str, *words: str) -> Ran:
        return self._command("site", *words, "--home", str(self.home(machine)))

    def json(self, machine: str, *words: str) -> dict[str, Any]:
        ran = self(machine, *words, "--json", "--quiet")
        assert (ran.code, ran.err) == (0, "")
        value: dict[str, Any] = json.loads(ran.out)
        return value

    def let_in(self, machine: str, *words: str) -> dict[str, Any]:
        """By two files."""
        asked, brought = self._root / "asked", self._root / "brought"
        asked.write_text(self(machine, "join", "--request", "--name", machine).out)
        brought.write_text(self("a", "invite", "--request", str(asked), *words).out)
        return self.json(machine, "join", str(brought))


@pytest.fixture
def run(command: Command, tmp_path: Path) -> Site:
    return Site(command, tmp_path)


# --- create ---------------------------------------------------------------------------------------------


def test_create(run: Site) -> None:
    ran = run("a", "create", "lab")
    assert ran.code == 0
    assert len(ran.out.strip()) == 52
    assert "Keep a copy of" in ran.err
    again = run.json("a", "create", "lab")
    assert (again["site"], again["name"], again["encrypted"]) == (ran.out.strip(), "lab", False)
    key = Path(again["root_key"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert run("a", "create", "other").code == 2


def test_a_root_key_under_a_passphrase(run: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("a", "create", "lab", "--passphrase").code == 2
    assert not (run.home("a") / "site").exists()
    monkeypatch.setenv("SWARM_SITE_PASSPHRASE", "secret")
    made = run.json("a", "create", "lab", "--passphrase")
    assert made["encrypted"]
    node = run.let_in("b")["node"]
    monkeypatch.setenv("SWARM_SITE_PASSPHRASE", "wrong")
    assert run("a", "create", "lab").code == 4
    assert run("a", "revoke", node).code == 4
    monkeypatch.delenv("SWARM_SITE_PASSPHRASE")
    assert run("a", "revoke", node).code == 2
    assert run.json("a", "invite")["uses"] == 1  # takes no root key
    monkeypatch.setenv("SWARM_SITE_PASSPHRASE", "secret")
    assert run.json("a", "revoke", node)["revoked"] == [node]
    anew = run.json("c", "create", "lab", "--root", made["root_key"])
    assert (anew["site"], anew["encrypted"]) == (made["site"], True)


def test_a_plain_root_key_is_encrypted_from_elsewhere(run: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not left as it is without a word."""
    made = run.json("a", "create", "lab")
    monkeypatch.setenv("SWARM_SITE_PASSPHRASE", "secret")
    ran = run("a", "create", "lab", "--passphrase")
    assert ran.code == 2
    assert "--root" in ran.err
    copy = Path(made["root_key"]).rename(run.home("a") / "copy")
    again = run.json("a", "create", "lab", "--root", str(copy), "--passphrase")
    assert (again["site"], again["encrypted"]) == (made["site"], True)


def test_a_passphrase_is_asked_for_twice(run: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["one", "two", "", "", "one", "one", "one"])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert "not the same" in run("a", "create", "lab", "--passphrase").err
    assert "empty" in run("a", "create", "lab", "--passphrase").err
    assert run("a", "create", "lab", "--passphrase").code == 0
    assert run("a", "create", "lab").code == 0


# --- invite and join ------------------------------------------------------------------------------------


def test_a_token_is_the_only_line(run: Site) -> None:
    run("a", "create", "lab")
    ran = run("a", "invite", "--uses", "3", "--valid", "2d")
    assert ran.out.startswith("swarmtoken1_")
    assert ran.out.count("\n") == 1
    assert "No daemon runs here" in ran.err
    told = run.json("a", "invite", "--uses", "3", "--valid", "2d")
    assert told["addresses"] == ["10.0.0.1:7000"]
    assert told["uses"] == 3


def test_joining_by_files_and_again(run: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    run("a", "create", "lab")
    first = run.let_in("b")
    assert (first["name"], first["rights"], first["joined"]) == ("lab", "member", True)
    brought = (run.home("b").parent / "brought").read_text()
    assert not run.json("b", "join", brought.strip())["joined"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(brought))
    assert "already" in run("b", "join", "-").err
    assert run("c", "join", brought).code == 4
    assert run.let_in("c", "--issuer")["rights"] == "issuer"


def test_a_member_with_a_token_needs_nobody(run: Site) -> None:
    """A playbook runs every day; the inviter may be off, and the token long over."""
    run("a", "create", "lab")
    run.let_in("b")
    token = run("a", "invite").out
    assert not run.json("b", "join", token)["joined"]


def test_an_inviter_that_cannot_be_reached(run: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_LISTEN", "127.0.0.1:9")
    run("a", "create", "lab")
    ran = run("b", "join", run("a", "invite").out)
    assert ran.code == 5
    assert "swarm daemon" in ran.err
    assert not (run.home("b") / "site").exists()


# --- revoke and show ------------------------------------------------------------------------------------


def test_revoking_by_name_and_by_id(run: Site) -> None:
    run("a", "create", "lab")
    nodes = [run.let_in(name)["node"] for name in ("b", "c")]
    ran = run("a", "revoke", "b", nodes[1][:8])
    assert sorted(ran.out.split()) == sorted(nodes)
    assert "No daemon runs here" in ran.err
    assert run.json("a", "revoke", "b") == {"revoked": sorted(nodes, key=from_text), "version": 2}
    assert run("b", "revoke", nodes[1]).code == 4


def test_show(run: Site) -> None:
    made = run.json("a", "create", "lab")
    node = run.let_in("b")["node"]
    run("a", "invite", "--uses", "7", "--issuer")
    run("a", "revoke", "b")
    told = run.json("a", "show")
    assert (told["site"], told["node"], told["rights"]) == (made["site"], made["node"], "founder")
    assert told["root_key"] == made["root_key"]
    assert told["revoked"] == [node]
    assert [row["name"] for row in told["let_in"]] == ["b"]
    [invitation] = told["invitations"]
    assert (invitation["uses"], invitation["used"], invitation["rights"]) == (7, 0, "issuer")
    assert (told["fault"], told["running"]) == (None, None)
    said = run("a", "show").out
    assert f"lab  ({made['site']})" in said
    assert "0 of 7 used" in said
    assert "revoked" in said
    assert run.json("b", "show")["root_key"] is None


def daemon_says(monkeypatch: pytest.MonkeyPatch, row: SiteRow) -> None:
    status: Status = {**STATUS, "site": row}
    monkeypatch.setattr(at_site.Desk, "status", lambda desk: status)


@pytest.mark.parametrize(
    ("members", "troubles", "said"),
    [
        (3, [], "members  3"),
        (0, [("n1", "clock", 31_536_000)], "1 members say it is +365.0 days from here"),
        (1, [("n1", "clock", -31_536_000), ("n2", "clock", -31_536_000)], "2 members say it is -365.0 days"),
        (2, [("n1", "clock", -31_536_000)], "refused: n1, its clock is -365.0 days from ours"),
        (2, [("n1", "expired", 0)], "refused: n1, its certificate has expired"),
        (2, [("n1", "something new", 0)], "refused: n1, something new"),
    ],
)
def test_what_a_daemon_says_is_shown(
    run: Site, monkeypatch: pytest.MonkeyPatch, members: int, troubles: list[tuple[str, str, int]], said: str
) -> None:
    run("a", "create", "lab")
    rows: list[TroubleRow] = [
        {"node": node, "cause": cause, "ahead": ahead} for node, cause, ahead in troubles
    ]
    row: SiteRow = {**SITE, "members": members, "troubles": rows}
    daemon_says(monkeypatch, row)
    assert said in run("a", "show").out
    assert run.json("a", "show")["running"] == row


@pytest.mark.parametrize("shares", [True, False])
def test_whether_private_models_are_shared_is_shown(
    run: Site, monkeypatch: pytest.MonkeyPatch, shares: bool
) -> None:
    """The daemon's word counts; without one, what it would be set to from here."""
    run("a", "create", "lab")
    told = {True: "private  shared with members that share theirs\n", False: "private  not shared\n"}
    for daemon in (False, True):
        if daemon:
            daemon_says(monkeypatch, {**SITE, "share_private": shares})
        monkeypatch.setenv("SWARM_SHARE_PRIVATE", str(shares is not daemon))
        assert told[shares] in run("a", "show").out
        assert run.json("a", "show")["share_private"] is shares


@pytest.mark.parametrize(("cause", "said"), [("expired", "join again"), ("revoked", "was revoked")])
def test_what_is_wrong_with_this_node_is_shown(
    run: Site, monkeypatch: pytest.MonkeyPatch, cause: str, said: str
) -> None:
    run("a", "create", "lab")
    facts = site_show._facts
    monkeypatch.setattr(site_show, "_facts", lambda *given: {**facts(*given), "fault": cause})
    assert said in run("a", "show").out


# --- leave ------------------------------------------------------------------------------------------------


def test_leaving_and_coming_back(run: Site) -> None:
    made = run.json("a", "create", "lab")
    node = run.let_in("b")["node"]
    told = {"site": made["site"], "name": "lab", "node": node, "root_key": None}
    assert run.json("b", "leave", "--yes") == {**told, "left": True}
    assert run("b", "show").code == 2
    assert run.json("b", "leave") == {**told, "site": None, "name": None, "left": False}
    assert run.let_in("b") | {"issued": 0, "expires": 0} == {
        "site": made["site"],
        "name": "lab",
        "node": node,
        "rights": "member",
        "issued": 0,
        "expires": 0,
        "joined": True,
    }


def test_what_leaving_says(run: Site) -> None:
    made = run.json("a", "create", "lab")
    run.let_in("b")
    ran = run("b", "leave", "-y")
    assert (ran.code, ran.out.strip()) == (0, made["site"])
    assert "links with any node of its LAN" in ran.err
    again = run("b", "leave")
    assert (again.code, again.out) == (0, "")
    assert "in no site" in again.err


class Terminal(io.StringIO):
    """Somebody who types this."""

    def isatty(self) -> bool:
        return True


def test_leaving_is_confirmed(run: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    run("a", "create", "lab")
    ran = run("a", "leave")
    assert ran.code == 2
    assert "--yes" in ran.err
    for answer, code in (("n\n", 130), ("", 130), ("Y\n", 0)):
        assert run("a", "show").code == 0
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        ran = run("a", "leave")
        assert ran.code == code
        assert "Leave the site lab?" in ran.err
    assert run("a", "show").code == 2


def test_a_founder_that_leaves_keeps_its_root_key(run: Site) -> None:
    made = run.json("a", "create", "lab")
    text = Path(made["root_key"]).read_text()
    left = run.json("a", "leave", "--yes")
    kept = Path(left["root_key"])
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == (text, 0o600)
    assert run.json("a", "create", "other")["site"] != made["site"]
    assert run("a", "leave", "--yes").code == 0
    assert run.json("a", "create", "lab", "--root", str(kept))["site"] == made["site"]
    assert run.json("a", "leave", "--yes")["root_key"] == str(kept)


def test_no_root_key_is_put_in_place_of_another(run: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same site, but its passphrase may be known to nobody."""
    monkeypatch.setenv("SWARM_SITE_PASSPHRASE", "secret")
    run("a", "create", "lab", "--passphrase")
    kept = Path(run.json("a", "leave", "--yes")["root_key"])
    text = kept.read_text()
    run("a", "create", "lab", "--root", str(kept))
    ran = run("a", "leave", "--yes")
    assert ran.code == 7
    assert "Another root key" in ran.err
    assert (kept.read_text(), run("a", "show").code) == (text, 0)


def test_a_membership_that_is_damaged_can_be_left(run: Site) -> None:
    run("a", "create", "lab")
    (run.home("a") / "site" / "membership").write_text("?")
    assert run("a", "show").code == 7
    assert run.json("a", "leave", "--yes")["left"]
    assert run("a", "show").code == 2


# --- mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "`swarm site` needs a command"),
        (["part"], "There is no command `swarm site part`"),
        (["leave", "lab"], "unrecognized arguments"),
        (["create"], "required: NAME"),
        (["create", "a\tb"], "cannot be the name"),
        (["invite"], "belongs to no site"),
        (["show"], "belongs to no site"),
        (["revoke", "x"], "belongs to no site"),
        (["revoke"], "required: NODE"),
        (["invite", "--valid", "soon"], "not a time span"),
        (["invite", "--uses", "many"], "invalid int value"),
        (["join"], "either a token or --request"),
        (["join", "x", "--request"], "either a token or --request"),
        (["join", "--request", "--name", "a\nb"], "cannot be the name"),
        (["join", "swarmtoken1_AAAA"], "neither a token nor an answer"),
        (["join", "hunter2"], "neither a token nor an answer"),
    ],
)
def test_mistakes(run: Site, words: list[str], said: str) -> None:
    ran = run("a", *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert len(ran.err.splitlines()) <= 2


@pytest.mark.parametrize(
    "words", [("--uses", "0"), ("--uses", "100000"), ("--valid", "31d"), ("--valid", "0s")]
)
def test_invitations_that_make_no_sense(run: Site, words: tuple[str, ...]) -> None:
    run("a", "create", "lab")
    assert run("a", "invite", *words).code == 2


def test_a_root_key_that_others_can_read(run: Site) -> None:
    key = Path(run.json("a", "create", "lab")["root_key"])
    key.chmod(0o644)
    ran = run("a", "create", "lab")
    assert ran.code == 7
    assert "chmod 600" in ran.err


@pytest.mark.parametrize("words", [[], *([sub] for sub in site.SUBCOMMANDS)])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["site", *words, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--json" in text
    if not words:
        assert all(f"  {sub} " in text for sub in site.SUBCOMMANDS)
