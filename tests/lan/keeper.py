"""The process that owns a LAN of namespaces: everything in it lives and dies with this one.

`unshare` puts a shell into fresh network, mount and process namespaces (and a user namespace, unless it
is root already), where it is process 1 and may configure everything. It sets up private mounts, says
that it is ready and turns into `cat`, which reads its standard input until the test process closes the
pipe or dies. Then process 1 is gone: the kernel kills every process of the lab and takes its interfaces
down. There is no clean-up that a crash could prevent.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

START_SECONDS: Final = 20.0
"""For the kernel to make or to take down a set of namespaces: well under a second on a quiet machine."""

COMMAND_SECONDS: Final = 20.0
"""For one `ip` or `tc`: milliseconds; more only when the machine is overloaded."""

USER_NAMESPACE: Final = ("--user", "--map-root-user")
"""What lets somebody who is not root make the other namespaces."""

PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
"""Where `ip`, `tc` and `bridge` lie on Debian, whose users do not have it in their PATH."""

SETUP: Final = r"""
set -e
read pid rest < /proc/self/stat
mount -t tmpfs -o mode=755 lan /run
mkdir /run/netns
mount -t proc proc /proc 2>/dev/null || true
replace() {
    file=$(readlink -m "$1")
    case $file in
    /run/*) mkdir -p "$(dirname "$file")"; cat > "$file" ;;
    *) cat > "/run/$2"; [ ! -e "$file" ] || mount --bind "/run/$2" "$file" ;;
    esac
}
printf '%s\n' "$HOSTS" | replace /etc/hosts hosts
printf 'nameserver 127.0.0.1\noptions attempts:1 timeout:1\n' | replace /etc/resolv.conf resolv.conf
ip link set lo up
echo "ready $pid"
exec cat
"""
"""What process 1 does. The id it prints is the one by which the outside knows it. Host names come from
/etc/hosts; for all others the resolver is told at once that there is no name server."""


class Unavailable(Exception):
    """This machine cannot make such namespaces; the message says what refused."""


class Keeper:
    """Process 1 of a lab, and the way into its namespaces."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        """`names` maps host names to addresses. Unavailable where the system refuses."""
        refusals = []
        for kind in ((), USER_NAMESPACE) if os.geteuid() == 0 else (USER_NAMESPACE,):
            try:
                self._start(kind, names or {})
            except Unavailable as refusal:
                refusals.append(str(refusal))
            else:
                return
        raise Unavailable("; ".join(refusals))

    def _start(self, kind: Sequence[str], names: Mapping[str, str]) -> None:
        known = (
            "127.0.0.1 localhost",
            "::1 localhost",
            *(f"{address} {name}" for name, address in names.items()),
        )
        unshare = ("unshare", *kind, "--net", "--mount", "--pid", "--fork", "--kill-child")
        try:
            self._process = subprocess.Popen(
                [*unshare, "sh", "-c", SETUP],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={"PATH": PATH, "HOSTS": "\n".join(known)},
                start_new_session=True,
            )
        except FileNotFoundError:
            raise Unavailable("unshare of util-linux is not installed") from None
        assert self._process.stdout is not None
        word, _space, pid = self._process.stdout.readline().partition(" ")
        if word != "ready":
            _output, complaint = self._process.communicate(timeout=START_SECONDS)
            raise Unavailable(f"{' '.join(unshare)}: {complaint.strip() or 'no reason given'}")
        users = ("--user", "--preserve-credentials") if kind else ()
        self._entrance = ("nsenter", "--target", pid.strip(), *users, "--mount", "--net", "--pid")

    def inside(self, command: Sequence[str], namespace: str | None = None) -> list[str]:
        """The command line that runs `command` in the lab, in one of its network namespaces."""
        further = ("nsenter", f"--net=/run/netns/{namespace}") if namespace else ()
        return [*self._entrance, *further, *command]

    def run(self, *command: str, namespace: str | None = None) -> str:
        """Run a short command in the lab and return its output; Unavailable when it fails."""
        done = subprocess.run(
            self.inside(command, namespace),
            capture_output=True,
            text=True,
            env={"PATH": PATH},
            timeout=COMMAND_SECONDS,
        )
        if done.returncode:
            raise Unavailable(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def close(self) -> None:
        """End process 1, and so everything in the lab."""
        try:
            self._process.communicate(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
