"""What a process has used so far, as the kernel tells (proc(5))."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, Literal

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
