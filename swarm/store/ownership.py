"""One process owns a store; this settles which.

Two means, as neither is enough alone. `flock` on the file `lock` is exact where it works, and on Lustre,
GPFS and some NFS it fails or silently locks nothing. So the owner also leaves a record in the file `owner`
(process, when it started, boot and process namespace) and touches it every BEAT_SECONDS. Who finds a
record from its own machine looks the process up; who finds one from elsewhere watches whether the
file is still touched. No clocks are compared.

An owner that was frozen long enough to be taken for dead finds another's record when it wakes: `check`
fails from then on, and nothing more is written.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import trio

from swarm.errors import StoreInUse
from swarm.store.layout import StoreLayout
from swarm.workers import Workers

BEAT_SECONDS: Final = 5.0
"""How often the owner touches its record: rare enough to cost nothing on a network file system."""

SILENT_SECONDS: Final = 20.0
"""A record from elsewhere, untouched for so long, belongs to nobody: four beats."""

LOOK_SECONDS: Final = 1.0
"""How often somebody else's record is looked at meanwhile."""

SETTLE_SECONDS: Final = 1.0
"""Without flock, two may take over at once: both write, both wait so long, the last one has it."""

MAX_PID: Final = (1 << 31) - 1
"""Largest number of a process (pid_t)."""

NO_FLOCK: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTSUP})
BUSY: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})


@dataclass(frozen=True, slots=True)
class Record:
    """Who owns a store. `place`: where `pid` has a meaning; `token` tells two records apart."""

    pid: int
    host: str
    place: str
    started: str
    token: str

    @classmethod
    def mine(cls) -> Record:
        pid = os.getpid()
        return cls(pid, socket.gethostname(), _place(), _started(pid), secrets.token_hex(8))

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """The record in a file; None when there is none or it makes no sense."""
        try:
            match json.loads(path.read_bytes()):
                case {
                    "pid": int(pid),
                    "host": str(host),
                    "place": str(place),
                    "started": str(started),
                    "token": str(token),
                } if 0 <= pid <= MAX_PID:
                    return cls(pid, host, place, started, token)
        except (FileNotFoundError, ValueError, RecursionError):
            pass
        return None

    def alive(self) -> bool | None:
        """Whether the process runs; None when that cannot be told from here."""
        if self.place != _place():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return self.started == _started(self.pid)

    def refusal(self, root: Path) -> StoreInUse:
        return StoreInUse(
            f"The store {root} is in use by process {self.pid} on {self.host}",
            "Stop that process, let it do the work (a running `swarm daemon` serves every command), "
            "or set SWARM_HOME to another folder.",
        )


class Ownership:
    """Holds a store for this process until `release`."""

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout
        self._record = Record.mine()
        self._lost = False
        self._flock = -1
        self._stop = threading.Event()
        self._beater = threading.Thread(target=self._beat, name="store-owner", daemon=True)

    async def acquire(self, workers: Workers) -> None:
        """Raises StoreError when another process owns the store, OSError when it cannot be written."""
        locked = await workers.run(self._try_flock)
        try:
            await self._settle(locked, workers)
        except BaseException:
            self._let_go()
            raise
        self._beater.start()

    def check(self) -> None:
        """Raise StoreError when another process has taken the store over."""
        if self._lost:
            other = Record.read(self._layout.owner)
            raise (other or self._record).refusal(self._layout.root)

    def release(self) -> None:
        """Let go. Blocks for at most one touch of the record."""
        self._stop.set()
        self._beater.join()
        self._let_go()

    def _let_go(self) -> None:
        if self._is_mine():
            self._layout.owner.unlink(missing_ok=True)
        os.close(self._flock)

    def _try_flock(self) -> bool:
        self._flock = os.open(self._layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._flock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            if fault.errno in NO_FLOCK:
                return False
            os.close(self._flock)
            if fault.errno in BUSY:
                owner = Record.read(self._layout.owner) or Record(0, "this machine", "", "", "")
                raise owner.refusal(self._layout.root) from None
            raise
        return True

    async def _settle(self, locked: bool, workers: Workers) -> None:
        other = await workers.run(Record.read, self._layout.owner)
        if other is not None:
            alive = other.alive()
            if alive or (alive is None and await self._is_touched(workers)):
                raise other.refusal(self._layout.root)
        await workers.run(self._write)
        if not locked:
            await trio.sleep(SETTLE_SECONDS)
        winner = await workers.run(Record.read, self._layout.owner)
        if winner != self._record:
            raise (winner or self._record).refusal(self._layout.root)

    async def _is_touched(self, workers: Workers) -> bool:
        """Watch a record from elsewhere until it is touched or SILENT_SECONDS have passed."""
        seen = await workers.run(_touched_at, self._layout.owner)
        for _ in range(round(SILENT_SECONDS / LOOK_SECONDS)):
            await trio.sleep(LOOK_SECONDS)
            if await workers.run(_touched_at, self._layout.owner) != seen:
                return True
        return False

    def _write(self) -> None:
        temporary = self._layout.owner.with_suffix(f".{self._record.token}")
        temporary.touch(0o644)
        temporary.write_text(json.dumps(asdict(self._record)))
        temporary.replace(self._layout.owner)

    def _is_mine(self) -> bool:
        return Record.read(self._layout.owner) == self._record

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                if not self._is_mine():
                    self._lost = True
                    return
                os.utime(self._layout.owner)
            except OSError:
                continue


def _touched_at(path: Path) -> int | None:
    """When a file was last touched, by whatever clock its file system keeps."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def boot_id() -> str:
    """Names this boot of this machine; empty when the system does not say (other than Linux)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _place() -> str:
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = socket.gethostname()
    return f"{boot_id()} {namespace}"


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc_pid_stat(5), fields 3 and 22).

    Empty when that is unknown or the process has ended and only its exit status is left.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
