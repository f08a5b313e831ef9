"""Multicast file distribution, as Debian packages it: udpcast and uftp.

Both want to be told how fast they may send; they get SHARE of the link, as their manuals advise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.bench.bench import installed
from tests.bench.clock import Job, race
from tests.lan.harness import Lan

SHARE: Final = 0.9
"""Of the link: headers, and no losses at the shaper."""


def udpcast(lan: Lan, content: Path, mbit: float) -> float:
    """From the first host to all others; seconds until the last receiver is done."""
    common = ("--interface", "e0", "--nokbd", "--portbase", "9000")
    receiver, sender = installed("udp-receiver"), installed("udp-sender")
    receivers = [
        Job(host, (receiver, *common, "--file", str(host.home / "received"))) for host in lan.hosts[1:]
    ]
    speed = ("--full-duplex", "--max-bitrate", f"{mbit * SHARE:.0f}m")
    waiting = ("--min-receivers", str(len(receivers)))
    source = Job(lan[0], (sender, *common, "--file", str(content), *speed, *waiting), after=0.1)
    return race([*receivers, source]).last - source.after


def uftp(lan: Lan, content: Path, mbit: float) -> float:
    """From the first host to all others; seconds until the sender has heard from all of them."""
    receiver, sender = installed("uftpd"), installed("uftp")
    for host in lan.hosts[1:]:
        folders = ("-D", str(host.home / "received"), "-T", str(host.home / "temporary"))
        for folder in folders[1::2]:
            Path(folder).mkdir()
        host.popen((receiver, "-d", "-I", "e0", *folders))
    speed = ("-R", f"{mbit * SHARE * 1000:.0f}")
    return race([Job(lan[0], (sender, "-I", "e0", *speed, str(content)))]).last
