"""A token is told to the hub it is for, and is found nowhere else: a canary in it is looked for everywhere.

Real processes with debug logs: a gated hub that redirects to another host, a mirror, a peer, a daemon and its
clients. Looked through is all that they write (homes, caches, logs, what commands print) and all that the
other servers were sent, for the token as it is, in base64, in hex and as URLs write it. What is written must
have no signed URL either: whoever holds one has the file it is for.
"""

from __future__ import annotations

import base64
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from swarm.cli.demo_repo import Repository
from tests.command.hubs import REPO, CommandHub, model, size_of
from tests.command.machine import SECONDS, Daemon, Machine, Ran, contents, executable
from tests.hub.faults import Faults
from tests.leaks import leaks
from tests.system.site import wait_until

CANARY = "hf_Canary+in/the=coal%mine?" + "0123456789" * 2
"""With signs that base64 and URLs write in another way."""

WRONG = "hf_Wrong+canary/of=another%kind?" + "9876543210" * 2

OPEN = "ns/open"

SIGNED = "signature="


def sent_to(hub: CommandHub, *hosts: str) -> bytes:
    """All that clients told a server about themselves and what they want."""
    return b"\n".join(
        repr((request.method, request.target, request.headers, request.body)).encode()
        for host, request in hub.requests
        if host in hosts
    )


def written_by(machine: Machine, *but: Path) -> dict[Path, bytes]:
    """Every file of a machine, and what each link says."""
    written = {}
    for path in machine.folder.rglob("*"):
        if path.is_symlink():
            written[path] = bytes(path.readlink())
        elif path.is_file() and path not in but:
            written[path] = bytes(path) + path.read_bytes()
    return written


@contextmanager
def logged_daemon(machine: Machine) -> Iterator[Daemon]:
    """A daemon whose log goes into a file of the machine."""
    machine.folder.mkdir(parents=True, exist_ok=True)
    with (machine.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*executable(), "daemon", "--json", "--log-level", "debug"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=machine.environ(),
            cwd=machine.folder,
        )
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        assert told, (machine.folder / "log").read_text()
        yield Daemon(process, Ran(0, told, "").json)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def gated() -> Iterator[CommandHub]:
    """Takes the canary for one of its repositories, and gives large files from another host."""
    faults = Faults(token=CANARY, gated=True)
    with CommandHub(repositories=[Repository(REPO, model(700_000))], faults=faults) as hub:
        yield hub


@pytest.fixture
def mirror() -> Iterator[CommandHub]:
    """Has what is public. It would be glad of a token."""
    with CommandHub(repositories=[Repository(OPEN, model(900_000, seed=2))]) as hub:
        yield hub


def test_the_look_out_sees_what_it_is_meant_to_see() -> None:
    for prefix in ("", "a", "ab", "user:"):
        basic = base64.b64encode(f"{prefix}{CANARY}".encode())
        assert leaks(b"Authorization: Basic " + basic, CANARY)
        assert leaks(base64.urlsafe_b64encode(f"{prefix}{CANARY}".encode()), CANARY)
    assert leaks(f"https://hub/?token={quote_plus(CANARY)}".encode(), CANARY)
    assert not leaks(b"hf_another_token" * 100, CANARY)


@pytest.mark.parametrize("with_daemon", [True, False])
def test_no_trace_of_a_token(
    tmp_path: Path, gated: CommandHub, mirror: CommandHub, with_daemon: bool
) -> None:
    debug = {"SWARM_LOG_LEVEL": "debug", "SWARM_DEBUG": "1"}
    peer = Machine(tmp_path / "peer", mirror.url, debug)
    with logged_daemon(peer) as other:
        own = {**debug, "SWARM_PEERS": other.address}
        own |= {"SWARM_ENDPOINT": f"{gated.url},{mirror.url}"}
        daemon_machine = Machine(tmp_path / "mine", extra=own)
        user = replace(daemon_machine, extra={**own, "HF_TOKEN": CANARY})
        peer.swarm("get", OPEN)
        if with_daemon:
            with logged_daemon(daemon_machine):
                said = use(user)
        else:
            said = use(user)

    assert leaks(sent_to(gated, "hub"), CANARY), "the hub is where it belongs"
    assert not leaks(sent_to(gated, "cdn"), CANARY, WRONG)
    assert not leaks(sent_to(mirror, "hub", "cdn"), CANARY, WRONG)
    for ran in said:
        assert not leaks((ran.out + ran.err).encode(), CANARY, WRONG)
        assert SIGNED not in ran.out + ran.err
    for machine in (user, peer):
        for path, data in written_by(machine).items():
            assert not leaks(data, CANARY, WRONG), path
            assert SIGNED.encode() not in data, path
    assert SIGNED.encode() in sent_to(gated, "cdn")


def use(user: Machine) -> list[Ran]:
    """What people do, and what goes wrong when they do: all commands that have the token at hand."""
    said = [user.swarm("get", REPO), user.swarm("get", OPEN)]
    assert [ran.code for ran in said] == [0, 0], said
    assert contents(said[0].folder).keys() == model(1).keys()
    wrong = replace(user, extra={**user.extra, "HF_TOKEN": WRONG})
    mistaken = replace(user, extra={**user.extra, "HTTPS_PROXY": f"ftp://user:{WRONG}@127.0.0.1:9"})
    said += [
        wrong.swarm("get", REPO),
        wrong.swarm("get", REPO, "--offline"),
        user.swarm("get", REPO, "--offline", "--json"),
        user.swarm("get", f"{REPO}@nothing"),
        user.swarm("get", "ns/nothing"),
        user.swarm("get", REPO, "nothing.bin"),
        user.swarm("get", REPO, "--token", CANARY, "--endpoint", "http://127.0.0.1:9"),
        user.swarm("get", REPO, "--token", WRONG, "--endpoint", f"http://user:{WRONG}@127.0.0.1:9/"),
        user.swarm("get", REPO, "--token", f"{WRONG} and more"),
        user.swarm("get", REPO, "--endpoint", f"{user.extra['SWARM_ENDPOINT']}?token={WRONG}"),
        mistaken.swarm("get", OPEN),
        user.swarm("status", "--json"),
        user.swarm("models", "--json"),
        user.swarm("why", REPO, "--json"),
        user.swarm("peers"),
    ]
    assert [ran.code for ran in said[2:11]] == [4, 4, 0, 3, 3, 3, 0, 2, 2]
    assert [ran.code for ran in said[-4:]] == [0, 0, 0, 0]
    return said


def test_nor_where_members_of_a_site_share_what_takes_it(tmp_path: Path, gated: CommandHub) -> None:
    """Two daemons and those who use them: one has it from the other, and the hub says who may have it."""
    own = {"SWARM_LOG_LEVEL": "debug", "SWARM_DEBUG": "1", "SWARM_SHARE_PRIVATE": "1"}
    first = Machine(tmp_path / "first", gated.url, own)
    assert first.swarm("site", "create", "lab").code == 0
    with logged_daemon(first) as daemon:
        second = Machine(tmp_path / "second", gated.url, {**own, "SWARM_PEERS": daemon.address})
        joined = second.swarm("site", "join", first.swarm("site", "invite").out.strip())
        assert joined.code == 0, joined.err
        user, other = (replace(one, extra={**one.extra, "HF_TOKEN": CANARY}) for one in (first, second))
        with logged_daemon(second):
            wait_until("they are linked", lambda: '"member"' in second.swarm("peers", "--json").out)
            said = [user.swarm("get", REPO), other.swarm("get", REPO, "--json")]
            sent = gated.total
            said += use_what_is_here(second) + use_what_is_here(first)

    assert [ran.code for ran in said[:2]] == [0, 0], said
    assert {source["kind"] for source in said[1].json["sources"]} == {"peer"}
    assert gated.total == sent < 1.1 * size_of(model(700_000)), (
        "the second had metadata from the hub, no more"
    )
    assert not leaks(sent_to(gated, "cdn"), CANARY, WRONG)
    for ran in said:
        assert not leaks((ran.out + ran.err).encode(), CANARY, WRONG)
    for path, data in (written_by(first) | written_by(second)).items():
        assert not leaks(data, CANARY, WRONG), path
        assert SIGNED.encode() not in data, path


def use_what_is_here(machine: Machine) -> list[Ran]:
    """What others on a machine have of it: nothing without a token that the hub takes."""
    with_token, mistaken = (
        replace(machine, extra={**machine.extra, "HF_TOKEN": token}) for token in (CANARY, WRONG)
    )
    said = [
        machine.swarm("get", REPO),
        machine.swarm("get", REPO, "--offline"),
        mistaken.swarm("get", REPO),
        mistaken.swarm("get", REPO, "--offline"),
        with_token.swarm("get", REPO, "--offline"),
        with_token.swarm("why", REPO, "--json"),
        with_token.swarm("peers", "--json"),
        with_token.swarm("status", "--json"),
        with_token.swarm("site", "show", "--json"),
    ]
    assert [ran.code for ran in said] == [4, 4, 4, 4, 0, 0, 0, 0, 0]
    return said


@pytest.mark.parametrize("where", ["hf", "config"])
def test_nor_of_one_that_is_kept_in_a_file(tmp_path: Path, gated: CommandHub, where: str) -> None:
    machine = Machine(tmp_path / "machine", gated.url, {"SWARM_LOG_LEVEL": "debug"})
    kept = machine.folder / "hf" / "token" if where == "hf" else machine.home / "config.toml"
    kept.parent.mkdir(parents=True, mode=0o700)
    kept.write_text(CANARY if where == "hf" else f'token = "{CANARY}"\n')
    kept.chmod(0o600)
    ran = machine.swarm("get", REPO)
    assert ran.code == 0, ran.err
    assert not leaks((ran.out + ran.err).encode() + sent_to(gated, "cdn"), CANARY)
    for path, data in written_by(machine, kept).items():
        assert not leaks(data, CANARY), path
