"""The LAN itself: what it shapes, counts, cuts and cleans up."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lan import keeper
from tests.lan.fixtures import MakeLan
from tests.lan.harness import PROJECT, Host
from tests.lan.keeper import Keeper, Unavailable

SIZE = 3_000_000

SERVE = """
import socket
server = socket.create_server(("", 7000))
print("ready")
connection, _peer = server.accept()
print("got", sum(iter(lambda: len(connection.recv(1 << 16)), 0)))
"""

SEND = f"""
import socket, sys
with socket.create_connection((sys.argv[1], 7000), timeout=20) as connection:
    connection.sendall(bytes({SIZE}))
"""

LISTEN = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready")
signal.pause()
"""

OWNER = """
import sys, time
from pathlib import Path
from tests.lan.harness import Lan
lan = Lan(folder=Path(sys.argv[1]), hosts=1)
process = lan[0].popen(["sleep", "1000"])
print(process.pid, flush=True)
time.sleep(1000)
"""


def carrier(host: Host) -> bool:
    shown = json.loads(host.run(["ip", "-json", "link", "show", "dev", "e0"]).stdout)
    return "LOWER_UP" in shown[0]["flags"]


def send(host: Host, to: str) -> int:
    return host.run([sys.executable, "-c", SEND, to]).returncode


def test_bytes_pass_and_are_counted(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=3, mbit=100, wan_mbit=50)
    server = lan[1].python("-c", SERVE)
    server.expect("ready")
    assert send(lan.wan, "h1") == 0
    assert server.expect(r"got (\d+)")[1] == str(SIZE)
    assert server.wait() == 0
    assert SIZE < lan.wan.counters().sent < 1.2 * SIZE
    assert SIZE < lan[1].counters().received < 1.2 * SIZE
    assert lan[2].counters().received < 0.1 * SIZE


def test_hosts_have_names_and_homes_and_nothing_of_the_test(
    make_lan: MakeLan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    lan = make_lan(hosts=2)
    assert lan[0].run(["getent", "ahostsv4", "h1"]).stdout.startswith("10.77.0.11")
    assert lan[0].run(["getent", "hosts", "huggingface.co"]).returncode != 0
    told = lan[1].run(["env"], env={"EXTRA": "1"}).stdout.splitlines()
    assert f"HOME={lan[1].home}" in told
    assert "EXTRA=1" in told
    assert not any(line.startswith("HF_TOKEN") for line in told)


def test_a_cut_cable_loses_the_carrier_until_mended(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=2)
    lan[0].cut()
    assert not carrier(lan[0])
    assert carrier(lan[1])
    lan[0].mend()
    assert carrier(lan[0])
    server = lan[1].python("-c", SERVE)
    server.expect("ready")
    assert send(lan[0], "h1") == 0


def test_a_silent_cut_keeps_the_carrier_and_loses_the_packets(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=2)
    server = lan[1].python("-c", SERVE)
    server.expect("ready")
    lan[0].cut(silently=True)
    assert carrier(lan[0])
    assert send(lan[0], "h1") != 0
    lan[0].mend()
    assert send(lan[0], "h1") == 0


def test_a_new_address_replaces_the_old_one(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=1)
    lan[0].readdress(99)
    shown = lan[0].run(["ip", "-4", "addr", "show", "dev", "e0"]).stdout
    assert "10.77.0.99/24" in shown
    assert "10.77.0.10/24" not in shown


def test_signals_reach_the_process_and_its_exit_code_comes_back(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=1)
    polite = lan[0].python("-c", LISTEN)
    polite.expect("ready")
    assert polite.stop() == 7
    assert not polite.running
    assert lan[0].popen(["sleep", "1000"]).kill() == -signal.SIGKILL
    assert lan[0].run(["sh", "-c", "echo no >&2; exit 3"]).returncode == 3


def test_what_a_process_said_is_in_the_failure(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=1)
    process = lan[0].popen(["sh", "-c", "echo one; echo two; echo wrong >&2"])
    assert process.expect("o(n|f)e")[1] == "n"
    with pytest.raises(AssertionError, match=r"(?s)h0.*two.*wrong"):
        process.expect("one")


def test_processes_end_with_the_lan(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=1)
    process = lan[0].popen(["sh", "-c", "trap '' TERM INT HUP; echo ready; while :; do sleep 1000; done"])
    process.expect("ready")
    lan.close()
    assert process.wait() == -signal.SIGKILL


def test_nothing_outlives_a_killed_test_process(make_lan: MakeLan, tmp_path: Path) -> None:
    make_lan(hosts=1)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert owner.stdout is not None
    with owner, open(os.pidfd_open(int(owner.stdout.readline())), closefd=True) as sleeper:
        owner.kill()
        poll = select.poll()
        poll.register(sleeper, select.POLLIN)
        assert poll.poll(20_000), "the process on the host is still alive"


def test_a_system_that_refuses_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(keeper, "PATH", f"{tmp_path}:{keeper.PATH}")
    with pytest.raises(Unavailable, match="Operation not permitted"):
        Keeper()
    monkeypatch.setattr(keeper, "PATH", "/nonexistent")
    with pytest.raises(Unavailable, match="not installed"):
        Keeper()
