"""Every exit code of the interface, as the installed command gives it (130: see also test_stopped)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from swarm import __version__
from tests.command.hubs import REPO, CommandHub, closed_port
from tests.command.machine import Machine, contents, executable, finished
from tests.command.mounts import of_size, read_only

LEAF = {"type": "file", "size": 3, "oid": "a" * 40}

NONSENSE = {
    "a status of its own": {"status": 299},
    "a page of a captive portal": {"status": 200, "headers": {"Content-Type": "text/html"}},
    "a redirect to nowhere": {"status": 302, "headers": {"Location": "gopher://x/"}},
    "a redirect to itself": {"status": 302, "headers": {"Location": "/again"}},
    "a listing that never ends": {"link": "loop", "plain": True},
    "a listing with holes": {"files": {"x": {"type": "file", "path": "x"}}},
    "a teapot": {"status": 418},
}


# --- 0 ---


def test_done(machine: Machine, files: dict[str, bytes]) -> None:
    done = machine.swarm("get", REPO)
    assert done.code == 0
    assert contents(done.folder) == files
    assert "from upstream" in done.err


def test_version(machine: Machine) -> None:
    assert machine.swarm("--version").out == f"swarm {__version__}\n"


# --- 1: unexpected ---


def test_file_names_that_cannot_be_stored(machine: Machine, hub: CommandHub) -> None:
    """Nobody's option helps against a name that leaves its folder."""
    hub.faults.files = {"../../evil": LEAF | {"path": "../../evil"}}
    done = machine.swarm("get", REPO)
    assert (done.code, done.out) == (1, "")
    assert "cannot be stored safely" in done.err
    assert not list(machine.folder.rglob("evil"))


def test_an_installation_that_is_broken(machine: Machine, tmp_path: Path) -> None:
    """What no code foresees: one line and where to turn, and a traceback for who asks for it."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "zeroconf.py").write_text("raise RuntimeError('half an upgrade')\n")
    machine.extra["PYTHONPATH"] = f"{tmp_path / 'broken'}:{machine.environ()['PYTHONPATH']}"
    done = machine.swarm("get", REPO)
    assert (done.code, done.out) == (1, "")
    assert "failed unexpectedly: RuntimeError: half an upgrade" in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in machine.swarm("get", REPO, "--debug").err


# --- 2: usage ---


@pytest.mark.parametrize(
    "words",
    [
        ("gett", REPO),
        ("get",),
        ("get", "a/b/c/d"),
        ("get", "../etc"),
        ("get", f"{REPO}@"),
        ("get", f"{REPO}@v1", "--revision", "v2"),
        ("get", REPO, "config.json", "--include", "*.json"),
        ("get", REPO, "--upstream-rate", "fast"),
        ("get", REPO, "--endpoint", "not-a-url"),
        ("get", REPO, "--hub", "nohub"),
        ("get", f"datasets/{REPO}", "--repo-type", "space"),
        ("daemon", "--listen", "host:port"),
    ],
    ids=" ".join,
)
def test_usage(machine: Machine, words: tuple[str, ...]) -> None:
    done = machine.swarm(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err
    assert "Traceback" not in done.err


def test_a_misspelt_setting(machine: Machine) -> None:
    machine.extra["SWARM_UPSTREAM_RAET"] = "1MB/s"
    done = machine.swarm("get", REPO)
    assert done.code == 2
    assert "SWARM_UPSTREAM_RATE" in done.err


def test_a_misspelt_key_of_the_file(machine: Machine) -> None:
    machine.home.mkdir(parents=True, mode=0o700)
    (machine.home / "config.toml").write_text('uplod_rate = "1MB/s"\n')
    done = machine.swarm("status")
    assert done.code == 2
    assert "upload_rate" in done.err


def test_a_destination_that_is_a_file(machine: Machine, hub: CommandHub, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    done = machine.swarm("get", REPO, "--to", str(tmp_path / "taken"))
    assert done.code == 2
    assert hub.total == 0


# --- 3: no such thing ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ns/other",), "does not exist"),
        ((f"datasets/{REPO}",), "does not exist"),
        ((f"{REPO}@nope",), "no revision 'nope'"),
        ((f"{REPO}@{'0' * 40}",), "no revision"),
        ((REPO, "nope.json"), "no file 'nope.json'"),
        ((REPO, "--include", "*.gguf"), "no file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_no_such_thing(machine: Machine, words: tuple[str, ...], said: str) -> None:
    done = machine.swarm("get", *words)
    assert (done.code, done.out) == (3, "")
    assert said in done.err


def test_a_disabled_repository(machine: Machine, hub: CommandHub) -> None:
    hub.faults.disabled = True
    done = machine.swarm("get", REPO)
    assert done.code == 3
    assert "disabled" in done.err


@pytest.mark.parametrize("command", ["why", "rm"])
def test_what_is_not_held(machine: Machine, command: str) -> None:
    assert machine.swarm(command, "ns/other").code == 3


# --- 4: not allowed ---


@pytest.mark.parametrize(
    ("faults", "token", "said"),
    [
        ({"gated": True}, "", "gated"),
        ({"gated": True, "granted": False, "token": "hf_mine"}, "hf_mine", "Accept its licence"),
        ({"gated": True, "token": "hf_mine"}, "hf_other", "did not accept the token"),
        ({"private": True, "token": "hf_mine"}, "hf_other", "did not accept the token"),
        ({"status": 403}, "", "refuses"),
        ({"status": 401}, "", "private"),
    ],
    ids=[
        "gated, no token",
        "gated, not granted",
        "gated, bad token",
        "private, bad token",
        "403",
        "bare 401",
    ],
)
def test_not_allowed(
    machine: Machine, hub: CommandHub, faults: dict[str, object], token: str, said: str
) -> None:
    hub.set(faults)
    machine.extra["HF_TOKEN"] = token
    done = machine.swarm("get", REPO)
    assert (done.code, done.out) == (4, "")
    assert said in done.err


@pytest.mark.parametrize("kind", ["gated", "private"])
def test_allowed_with_the_right_token(
    machine: Machine, hub: CommandHub, files: dict[str, bytes], kind: str
) -> None:
    hub.set({kind: True, "token": "hf_mine"})
    machine.extra["HF_TOKEN"] = "hf_mine"
    assert contents(machine.swarm("get", REPO).folder) == files


# --- 5: no source ---


def test_nobody_there(machine: Machine) -> None:
    machine.hub = closed_port()
    done = machine.swarm("get", REPO)
    assert (done.code, done.out) == (5, "")
    assert machine.hub in done.err


def test_a_hub_that_wants_more_patience_than_anybody_has(machine: Machine, hub: CommandHub) -> None:
    """It ends at once, and tells how long the hub asked to wait."""
    hub.set({"status": 429, "headers": {"Retry-After": "4000"}})
    done = machine.swarm("get", REPO)
    assert (done.code, done.out) == (5, "")
    assert "too many requests (it says: wait 4000 s)" in done.err
    assert len(hub.requests) == 1


@pytest.mark.parametrize("how", ["option", "variable"])
def test_offline(machine: Machine, hub: CommandHub, how: str) -> None:
    """Nothing is known here and nobody may be asked."""
    if how == "variable":
        machine.extra["HF_HUB_OFFLINE"] = "1"
    done = machine.swarm("get", REPO, *(["--offline"] if how == "option" else []))
    assert (done.code, done.out) == (5, "")
    assert hub.requests == []


def test_offline_with_everything_here(machine: Machine, hub: CommandHub) -> None:
    online = machine.swarm("get", REPO)
    asked = len(hub.requests)
    offline = machine.swarm("get", REPO, "--offline")
    assert (offline.code, offline.out) == (0, online.out)
    assert len(hub.requests) == asked


def test_files_that_only_the_listing_has(machine: Machine, hub: CommandHub) -> None:
    hub.faults.lacks = "weights"
    done = machine.swarm("get", REPO)
    assert (done.code, done.out) == (5, "")
    assert "weights" in done.err


@pytest.mark.parametrize("switches", NONSENSE.values(), ids=NONSENSE)
def test_a_hub_that_talks_nonsense(machine: Machine, hub: CommandHub, switches: dict[str, object]) -> None:
    hub.page_entries = 2
    hub.set(switches)
    done = machine.swarm("get", REPO)
    assert (done.code, done.out) == (5, "")
    assert "no upstream answers" in done.err


# --- 6: wrong content ---


@pytest.mark.parametrize("path", ["weights.safetensors", "config.json"], ids=["chunked", "whole"])
def test_the_only_hub_sends_wrong_bytes(machine: Machine, hub: CommandHub, path: str) -> None:
    hub.faults.wrong_bytes = path
    done = machine.swarm("get", REPO)
    assert (done.code, done.out) == (6, "")
    assert "never matched" in done.err
    assert not list(machine.cache.rglob(path))
    assert "sent wrong bytes" in machine.swarm("why", REPO).out or path != "config.json"
    hub.faults.wrong_bytes = ""
    assert machine.swarm("get", REPO).code == 0


# --- 7: the store cannot take it ---


def test_a_second_daemon_on_one_home(machine: Machine) -> None:
    with machine.daemon() as daemon:
        second = machine.swarm("daemon")
        assert (second.code, second.out) == (7, "")
        assert str(daemon.process.pid) in second.err


def test_a_read_only_store(machine: Machine) -> None:
    """Read-only to root as well: a mount of its own."""
    machine.home.mkdir(parents=True, mode=0o700)
    machine.prefix = read_only(machine.home)
    done = machine.swarm("get", REPO)
    assert (done.code, done.out) == (7, "")
    assert str(machine.home) in done.err


def test_a_full_disk(machine: Machine, files: dict[str, bytes]) -> None:
    machine.home.mkdir(parents=True, mode=0o700)
    machine.prefix = of_size(machine.home, "18m")
    done = machine.swarm("get", REPO)
    assert (done.code, done.out) == (7, "")
    assert "full" in done.err
    machine.prefix = ()
    assert contents(machine.swarm("get", REPO).folder) == files


# --- 130 ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_before_the_hub_answers(
    machine: Machine, hub: CommandHub, number: signal.Signals
) -> None:
    hub.faults.delay = 3600.0
    with machine.start("get", REPO) as process:
        assert process.stderr is not None
        assert process.stderr.readline()  # "asking what is in it"
        process.send_signal(number)
        done = finished(process)
    assert (done.code, done.out) == (130, "")
    assert "what was verified stays" in done.err


def test_the_command_is_the_installed_one() -> None:
    """In CI (nothing may be skipped) it is the executable; elsewhere a checkout will do."""
    if not os.environ.get("LANSWARM_NO_SKIPS"):
        pytest.skip("may be a checkout here")
    assert len(executable()) == 1
