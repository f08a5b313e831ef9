"""A LAN on one machine: hosts with links of a given speed, a hub behind a slower one, cables to pull.

Every host is a network namespace with an interface `e0` (10.77.0.10 + i, fd77::10 + i) on a bridge, and
the upstream is the host `wan` (10.77.0.2). Both directions of each link are shaped by a token bucket, so
the bridge is a switch with full-duplex ports. Nothing needs root, and nothing outlives the test process.
Hosts share the file system, but each has a home of its own; they know each other as h0, h1, …, wan.
There is no route out, and no name server.

    def test_two_nodes(make_lan: MakeLan) -> None:                   # from tests.lan.fixtures
        lan = make_lan(hosts=2, mbit=200, wan_mbit=50)
        hub = lan.wan.python("-m", "tests.hub", "--root", str(lan.folder), "--bind", "10.77.0.2:80")
        hub.expect("ready")                                          # a line on its stdout, or it fails
        env = {"HF_ENDPOINT": "http://wan", "SWARM_HOME": str(lan[0].home / "swarm")}
        daemon = lan[0].python("-m", "swarm", "daemon", env=env)     # a HostProcess; see tests.lan.process
        done = lan[1].run([sys.executable, "-m", "swarm", "get", "org/model"], env=…)   # CompletedProcess
        assert done.returncode == 0, done.stderr
        lan[0].cut()                                                 # pull the cable: carrier lost
        lan[0].mend()
        lan[0].cut(silently=True)                                    # packets vanish, the carrier stays
        assert lan.wan.counters().sent < 1.02 * size                 # bytes, counted by the kernel
        assert daemon.stop() == 0                                    # SIGTERM, wait; .kill() for SIGKILL
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.lan.keeper import PATH, Keeper
from tests.lan.process import HostProcess

PROJECT: Final = Path(__file__).resolve().parents[2]
"""The root of the project: the working directory of processes on hosts, and on their PYTHONPATH."""

BURST_SECONDS: Final = 0.004
"""How long a link may send at full speed after a pause: a few milliseconds, as buffers of switches hold."""

MIN_BURST: Final = 64_000
"""Bytes: a token bucket must take a segment as large as the kernel makes them for TCP (64 KiB)."""

QUEUE_SECONDS: Final = 0.020
"""How much a link queues before it drops: what a cheap switch buffers at a gigabit."""

MIN_QUEUE: Final = 256_000
"""Bytes: below some of these segments TCP would stall rather than back off."""

RUN_SECONDS: Final = 60.0
"""For a command that a test runs to its end, unless it says otherwise."""


@dataclass(frozen=True)
class Counters:
    """Bytes on a host's link since the LAN was made. Segments passed on in one piece count one header."""

    received: int
    sent: int


class Host:
    """A machine of the LAN, or the upstream."""

    def __init__(self, keeper: Keeper, name: str, number: int, home: Path, mbit: float | None) -> None:
        """`number` is the last part of its addresses, `mbit` the speed of its link; None: not limited."""
        self.name = name
        self.address = f"10.77.0.{number}"
        self.address6 = f"fd77::{number:x}"
        self.home = home
        self.processes: list[HostProcess] = []
        self._keeper = keeper
        self._port = f"p-{name}"
        self._silenced = False
        home.mkdir(parents=True, exist_ok=True)
        keeper.run("ip", "netns", "add", name)
        self._ip("link", "set", "lo", "up")
        keeper.run("ip", "link", "add", self._port, "type", "veth", "peer", "name", "e0", "netns", name)
        keeper.run("ip", "link", "set", self._port, "master", "lan", "addrgenmode", "none", "up")
        self._ip("link", "set", "e0", "addrgenmode", "none")
        self._ip("addr", "add", f"{self.address}/24", "dev", "e0", "broadcast", "10.77.0.255")
        self._ip("link", "set", "e0", "up")
        for address in (f"fe80::{number:x}/64", f"{self.address6}/64"):
            self._ip("addr", "add", address, "dev", "e0", "nodad")
        self._ip("route", "add", "224.0.0.0/4", "dev", "e0")
        self.shape(mbit)

    def _ip(self, *command: str) -> None:
        self._keeper.run("ip", "-n", self.name, *command)

    def shape(self, mbit: float | None) -> None:
        """Give the link this speed, both ways; None: as fast as it goes."""
        ends = (("tc", "qdisc"), self._port), (("tc", "-n", self.name, "qdisc"), "e0")
        for tc, device in ends:
            if mbit is None:
                self._keeper.run(*tc, "replace", "dev", device, "root", "pfifo", "limit", "1000")
                continue
            rate = mbit * 1e6 / 8
            burst, queue = max(MIN_BURST, rate * BURST_SECONDS), max(MIN_QUEUE, rate * QUEUE_SECONDS)
            bucket = ("rate", f"{mbit * 1e6:.0f}bit", "burst", f"{burst:.0f}", "limit", f"{queue:.0f}")
            self._keeper.run(*tc, "replace", "dev", device, "root", "tbf", *bucket)

    def cut(self, *, silently: bool = False) -> None:
        """Pull the cable; `silently`: as if beyond the switch, so that the host keeps its carrier."""
        self._silence(silently)
        if not silently:
            self._keeper.run("ip", "link", "set", self._port, "down")

    def mend(self) -> None:
        """Undo `cut`, of either kind."""
        self._silence(False)
        self._keeper.run("ip", "link", "set", self._port, "up")

    def _silence(self, silenced: bool) -> None:
        """Have the switch drop what goes through this port; only while it is up can it be told."""
        if silenced != self._silenced:
            state = "0" if silenced else "3"  # BR_STATE_DISABLED, BR_STATE_FORWARDING (linux/if_bridge.h)
            self._keeper.run("bridge", "link", "set", "dev", self._port, "state", state)
            self._silenced = silenced

    def drop_multicast(self) -> None:
        """Have the switch pass on no multicast to this host, as some Wi-Fi does; broadcasts (ARP) it does."""
        self._keeper.run("bridge", "link", "set", "dev", self._port, "mcast_flood", "off")

    def readdress(self, number: int) -> None:
        """Change the last part of its IPv4 address, as a new DHCP lease does."""
        old, self.address = self.address, f"10.77.0.{number}"
        self._ip("addr", "del", f"{old}/24", "dev", "e0")
        self._ip("addr", "add", f"{self.address}/24", "dev", "e0", "broadcast", "10.77.0.255")
        self._ip("route", "replace", "224.0.0.0/4", "dev", "e0")

    def counters(self) -> Counters:
        """What its link has carried so far."""
        shown = json.loads(self._keeper.run("ip", "-json", "-s", "link", "show", "dev", self._port))
        stats = shown[0]["stats64"]  # of the switch's end: what it received, the host sent
        return Counters(received=stats["tx"]["bytes"], sent=stats["rx"]["bytes"])

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """What processes here find in their environment: nothing of the test's own but PATH."""
        own = {
            "PATH": PATH,
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join((str(PROJECT), os.environ.get("PYTHONPATH", ""))).rstrip(
                os.pathsep
            ),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {**own, **(env or {})}

    def command(self, command: Sequence[str], cwd: Path = PROJECT) -> list[str]:
        """The command line that runs `command` on this host, to hand to a process library."""
        return self._keeper.inside(("env", f"--chdir={cwd}", *command), self.name)

    def popen(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path = PROJECT
    ) -> HostProcess:
        """Start a process. It ends at the latest with the LAN."""
        title = f"{self.name}$ {' '.join(command)}"
        process = HostProcess(title, self.command(command, cwd), self.environment(env))
        self.processes.append(process)
        return process

    def python(self, *arguments: str, env: Mapping[str, str] | None = None) -> HostProcess:
        """Start the Python that runs the tests, in the project's root."""
        return self.popen((sys.executable, *arguments), env=env)

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path = PROJECT,
        timeout: float = RUN_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run a process to its end and keep its output; AssertionError when it takes too long."""
        process = self.popen(command, env=env, cwd=cwd)
        process.stdin.close()
        try:
            code = process.wait(timeout)
        except AssertionError:
            process.kill()
            raise
        process.close()
        out, err = ("".join(f"{line}\n" for line in stream.lines) for stream in (process.out, process.err))
        return subprocess.CompletedProcess(list(command), code, out, err)


class Lan:
    """Hosts on one switch. A context manager: at its end every process on it is killed."""

    def __init__(
        self, *, folder: Path, hosts: int, mbit: float | None = 200, wan_mbit: float | None = None
    ) -> None:
        """`folder` gets a home for each host. Unavailable where the system refuses."""
        self.folder = folder
        names = {f"h{i}": f"10.77.0.{10 + i}" for i in range(hosts)}
        self._keeper = Keeper({**names, "wan": "10.77.0.2"})
        try:
            self._keeper.run("ip", "link", "add", "lan", "type", "bridge", "mcast_snooping", "0")
            self._keeper.run("ip", "link", "set", "lan", "addrgenmode", "none", "up")
            self.wan = Host(self._keeper, "wan", 2, folder / "wan", wan_mbit)
            self.hosts = [Host(self._keeper, n, 10 + i, folder / n, mbit) for i, n in enumerate(names)]
        except BaseException:
            self._keeper.close()
            raise

    def __enter__(self) -> Lan:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __getitem__(self, index: int) -> Host:
        return self.hosts[index]

    def close(self) -> None:
        """Kill every process on it and take it down."""
        self._keeper.close()
        for process in self._processes():
            process.close()

    def report(self) -> str:
        """What every process has said, for a test that failed."""
        return "\n\n".join(process.report() for process in self._processes())

    def _processes(self) -> list[HostProcess]:
        return [process for host in (*self.hosts, self.wan) for process in host.processes]
