"""What a process has used, a host has sent, and other machines took so far, as the kernel tells (proc(5))."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, Literal, NamedTuple

from tests.lan.harness import Host

TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS  # utime, stime: the 14th and 15th of the line


def memory(pid: int, kind: Literal["VmRSS", "VmHWM"]) -> float:
    """Resident megabytes: now (VmRSS) or at its highest (VmHWM)."""
    found = re.search(rf"^{kind}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, f"/proc/{pid}/status has no {kind}"
    return int(found[1]) * 1024 / 1e6


class Processors(NamedTuple):
    """Processor time that was wanted so far, and what other virtual machines had of it, in ticks."""

    wanted: int
    stolen: int

    @classmethod
    def now(cls) -> Processors:
        """Up to now (proc_stat(5))."""
        return cls.parse(Path("/proc/stat").read_text())

    @classmethod
    def parse(cls, stat: str) -> Processors:
        """From the text of /proc/stat."""
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.split()[1:9])
        return cls(user + nice + system + irq + softirq + steal, steal)

    def share_stolen(self, later: Processors) -> float:
        """Of what was wanted from now to `later`."""
        return (later.stolen - self.stolen) / max(later.wanted - self.wanted, 1)


class Segments(NamedTuple):
    """TCP segments that a host has sent so far, with those without data, and how many of them again."""

    sent: int
    again: int

    @classmethod
    def of(cls, host: Host) -> Segments:
        """Up to now (RFC 1213: tcpOutSegs leaves out what is sent again)."""
        found = host.run(("cat", "/proc/net/snmp")).stdout
        names, values = (line.split() for line in found.splitlines() if line.startswith("Tcp:"))
        counts = dict(zip(names, values, strict=True))
        return cls(int(counts["OutSegs"]), int(counts["RetransSegs"]))

    def share_sent_again(self, later: Segments) -> float:
        """Of those sent from now to `later`."""
        return (later.again - self.again) / max(later.sent - self.sent, 1)
