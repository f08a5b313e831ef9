"""A process on a host of the lab: its output line by line, its exit code, signals to it.

Between the test and the process stands an `nsenter`, which cannot pass signals on but does pass on how
the process ended. Signals therefore go to the process itself.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

EXPECT_SECONDS: Final = 30.0
"""For a process to say what a test waits for: starting Python on a machine busy with a whole swarm."""

FORK_SECONDS: Final = 10.0
"""For nsenter to have entered the namespaces and forked: a few milliseconds."""

TAIL_LINES: Final = 40
"""Lines of each stream that a failure shows."""


class Output:
    """The lines of one stream, collected by a thread as they come."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._read = 0
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        for line in self._stream:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def lines(self) -> list[str]:
        """All lines so far."""
        with self._changed:
            return list(self._lines)

    def find(self, pattern: str, timeout: float, *, anywhere: bool = False) -> re.Match[str] | None:
        """The match in the first line that has one; None when there is none within `timeout` seconds, or
        before the stream ends. Looks behind the line that was found before, or, if it may be `anywhere`,
        at all lines, and then does not move on."""
        deadline = time.monotonic() + timeout
        next_line = 0 if anywhere else self._read
        with self._changed:
            while True:
                for number in range(next_line, len(self._lines)):
                    if match := re.search(pattern, self._lines[number]):
                        self._read = self._read if anywhere else number + 1
                        return match
                next_line = len(self._lines)
                if self._ended or not self._changed.wait(deadline - time.monotonic()):
                    return None

    def close(self) -> None:
        """Wait for the end of the stream."""
        self._thread.join()
        self._stream.close()


class HostProcess:
    """A process that was started on a host. `out` and `err` are its output, read all the time."""

    def __init__(self, title: str, inside: Sequence[str], env: Mapping[str, str]) -> None:
        """`title` is what a failure calls it, `inside` the whole command line that starts it."""
        self.title = title
        self._popen = subprocess.Popen(
            inside,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        stdin, stdout, stderr = self._popen.stdin, self._popen.stdout, self._popen.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        self.stdin: IO[str] = stdin
        self.out = Output(stdout)
        self.err = Output(stderr)

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def expect(
        self, pattern: str, timeout: float = EXPECT_SECONDS, *, anywhere: bool = False
    ) -> re.Match[str]:
        """Wait for a line on standard output that the pattern is found in; see `Output.find`."""
        if match := self.out.find(pattern, timeout, anywhere=anywhere):
            return match
        raise AssertionError(f"no {pattern!r} within {timeout:g} s\n{self.report()}")

    def wait(self, timeout: float = EXPECT_SECONDS) -> int:
        """The exit code, or minus the number of the signal that ended it; AssertionError in time."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s\n{self.report()}") from None

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal; nothing happens when it has ended."""
        with suppress(ProcessLookupError):
            if (pid := self._child()) is not None:
                os.kill(pid, number)

    def kill(self) -> int:
        """SIGKILL to the process and to what it started; its exit code."""
        with suppress(ProcessLookupError):
            if self._child() is not None:
                os.killpg(self._popen.pid, signal.SIGKILL)
        return self.wait()

    def stop(self, timeout: float = EXPECT_SECONDS) -> int:
        """SIGTERM, as one stops a daemon; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def close(self) -> None:
        """Release what the test process holds of it. The process itself has ended, or is about to."""
        self._popen.wait()
        with suppress(BrokenPipeError):
            self.stdin.close()
        self.out.close()
        self.err.close()

    def report(self) -> str:
        """What a person wants to see of it when a test fails."""
        parts = [f"{self.title}  [{'running' if self.running else self._popen.returncode}]"]
        for name, output in (("stdout", self.out), ("stderr", self.err)):
            parts += [f"--- {name}", *output.lines[-TAIL_LINES:]]
        return "\n".join(parts)

    @property
    def pid(self) -> int:
        """The process's id as the test knows it; AssertionError when it has ended."""
        pid = self._child()
        assert pid is not None, f"it has ended\n{self.report()}"
        return pid

    def _child(self) -> int | None:
        """The process that nsenter waits for; None when both have ended."""
        pid = self._popen.pid
        deadline = time.monotonic() + FORK_SECONDS
        while self.running:
            with suppress(FileNotFoundError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                if children:
                    return int(children[0])
            assert time.monotonic() < deadline, f"it never started\n{self.report()}"
            time.sleep(0.001)  # there is no event for "has forked"
        return None
