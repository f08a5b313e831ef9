"""Commands that run at the same time on hosts of a LAN, and when each of them ended.

Ends are taken from the end of the output, not by asking every so often: to the millisecond.
"""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from tests.lan.harness import Host

RACE_SECONDS: Final = 600.0
"""Nothing here takes as long unless it hangs."""

POLL_SECONDS: Final = 0.1
"""Between two questions whether something that has no event of its own has happened."""


@dataclass(frozen=True)
class Job:
    """A command on a host; it starts `after` so many seconds."""

    host: Host
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Finish:
    """`at`: seconds from the start of the race to the end of the job; `took`: from the job's own start."""

    at: float
    took: float
    stdout: str


@dataclass(frozen=True, slots=True)
class Race:
    """How each job ended, in their order, and the CPU seconds of all of them."""

    finishes: Sequence[Finish]
    cpu: float

    @property
    def last(self) -> float:
        return max(finish.at for finish in self.finishes)


def race(jobs: Sequence[Job]) -> Race:
    """Run them all to their ends. AssertionError when one fails or takes too long."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    with ThreadPoolExecutor(len(jobs)) as threads:
        finishes = list(threads.map(lambda job: _finish(job, begin), jobs))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Race(finishes, cpu)


def _finish(job: Job, begin: float) -> Finish:
    time.sleep(job.after)
    start = time.monotonic()
    done = subprocess.run(
        job.host.command(job.command),
        env=job.host.environment(job.env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RACE_SECONDS,
    )
    end = time.monotonic()
    assert done.returncode == 0, f"{job.host.name}$ {' '.join(job.command)}\n{done.stdout}\n{done.stderr}"
    return Finish(end - begin, end - start, done.stdout)


def wait_until(true: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
    """AssertionError when it is not true in time."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(POLL_SECONDS)
