"""A site under test: a LAN of namespaces, a hub behind a slower link, and real nodes that share one model.

`Site` runs the hub and counts the payload that it sent; `Member` is one host: its daemon and its commands,
each the real `python -m swarm …` with an empty home. Members are told of the hub (HF_ENDPOINT) and of
nothing else: they find one another by mDNS.

    site = Site(make_lan(hosts=3, wan_mbit=100), [8 * MB])
    site.start()                                            # a daemon on each host
    gets = [member.get() for member in site.members]        # all at once
    for get in gets:
        site.check(get.result())
    assert site.sent() < 1.02 * site.size
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from swarm.client.remote import NodeGone, NoNode, RemoteNode
from swarm.node.api import PeerRow
from tests.lan.harness import Host, Lan
from tests.lan.process import HostProcess

MB: Final = 1_000_000

REPO: Final = "org/model"

PIECE: Final = 128 * MB

CDN_PORT: Final = 8000

SEND_BUFFER: Final = 64 * 1024
"""Bytes that the hub leaves to the kernel for each connection: what it counted as sent, but never left, when
the other side is gone. A few connections fill the links of these tests all the same."""

PATIENCE_SECONDS: Final = 60.0
"""For whatever a test waits for. Nothing here takes more than a few seconds on a quiet machine, but for
what needs a dead link to be noticed; a swarm that hangs takes longer than any time."""

POLL_SECONDS: Final = 0.05
"""Between two looks at something of another process that there is no event for."""


def wait_until(what: str, condition: Callable[[], bool]) -> None:
    """Return once the condition holds; AssertionError when it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(POLL_SECONDS)


class Get:
    """A `swarm get --json` that runs on a host."""

    def __init__(self, process: HostProcess) -> None:
        self.process = process

    @property
    def running(self) -> bool:
        return self.process.running

    def kill(self) -> None:
        self.process.kill()

    def result(self) -> dict[str, Any]:
        """The object it ends with; AssertionError when it fails, or does not end."""
        assert self.process.wait(PATIENCE_SECONDS) == 0, self.process.report()
        self.process.close()
        result: dict[str, Any] = json.loads(self.process.out.lines[-1])
        return result


class Member:
    """A host with a home of its own, and the commands that somebody gives there."""

    def __init__(self, host: Host, env: Mapping[str, str]) -> None:
        """`env`: what the people of this site have in their environment."""
        self.host = host
        self.env = {"HF_ENDPOINT": "http://wan", "SWARM_HOME": str(host.home / "swarm"), **env}
        self.id = ""
        """The node's id, once a daemon has told it."""
        self._daemon: HostProcess | None = None

    @property
    def daemon(self) -> HostProcess:
        assert self._daemon is not None, "no daemon was started"
        return self._daemon

    def begin(self, program: Sequence[str] = ("-m", "swarm"), **env: str) -> None:
        """Start a daemon, and do not wait for it. `program`: what to run instead of the real command."""
        self._daemon = self.host.python(*program, "daemon", "--json", env={**self.env, **env})

    def ready(self) -> None:
        """Wait until the daemon says that it runs."""
        self.id = json.loads(self.daemon.expect(r"^\{.*\}$")[0])["node"]

    def get(self, *options: str, **env: str) -> Get:
        """Start fetching the model."""
        command = ("-m", "swarm", "get", REPO, "--json", "--quiet", *options)
        return Get(self.host.python(*command, env={**self.env, **env}))

    def ask(self, *command: str) -> Any:
        """What `swarm … --json` prints, on this host."""
        done = self.host.run([sys.executable, "-m", "swarm", *command, "--json"], env=self.env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def peers(self) -> list[PeerRow]:
        """The peers its daemon sees, asked without the start of a process; none when nobody answers."""
        try:
            return RemoteNode(Path(self.env["SWARM_HOME"]) / "control.sock").peers()
        except (NoNode, NodeGone):
            return []

    def sees(self, others: Iterable[Member]) -> bool:
        """Whether it has a link with each of these."""
        seen = {row["node"] for row in self.peers()}
        return all(other.id in seen for other in others if other is not self)

    def received(self) -> int:
        """Bytes of chunks that its daemon has had from its peers so far."""
        return sum(row["received"] for row in self.peers())

    def address_of(self, other: Member) -> str:
        """Where it sees another node; empty when it does not."""
        return next((row["address"] for row in self.peers() if row["node"] == other.id), "")

    def logged(self, pattern: str) -> bool:
        """Whether the daemon has said anything like this on stderr."""
        return self.daemon.err.find(pattern, 0.0, anywhere=True) is not None

    @property
    def log(self) -> str:
        return "\n".join(self.daemon.err.lines)


class Site:
    """A LAN whose upstream has one model, and its members. The hub counts what it sends of it."""

    def __init__(self, lan: Lan, sizes: Sequence[int], **env: str) -> None:
        """`sizes`: bytes of the large files; there are small ones beside them. `env`: for all members."""
        self.lan = lan
        self.members = [Member(host, env) for host in lan.hosts]
        self._files = _make_model(lan.folder / "hub" / REPO, sizes)
        self._stats = lan.folder / "stats.json"
        bind = (f"{lan.wan.address}:80", "--cdn-port", str(CDN_PORT))
        root = ("--root", str(lan.folder / "hub"), "--stats", str(self._stats))
        buffer = ("--send-buffer", str(SEND_BUFFER))
        self.hub = lan.wan.python("-m", "tests.hub", *root, "--bind", *bind, *buffer)
        self.hub.expect("^ready")

    def __getitem__(self, index: int) -> Member:
        return self.members[index]

    @cached_property
    def size(self) -> int:
        """Bytes of the model."""
        return sum(path.stat().st_size for path in self._files.values())

    # --- members ----------------------------------------------------------------------------------

    def start(self, members: Iterable[Member] | None = None) -> None:
        """Start daemons (default: one on each host) and wait until they run, no longer."""
        started = self.members if members is None else list(members)
        for member in started:
            member.begin()
        for member in started:
            member.ready()

    def meet(self, members: Iterable[Member] | None = None) -> None:
        """Wait until these (default: all) see one another."""
        met = self.members if members is None else list(members)
        wait_until("all members see one another", lambda: all(member.sees(met) for member in met))

    def origin(self) -> Member:
        """Who fetches from upstream: the host that the hub has sent most of the files to."""
        told = self.lan.wan.run(["ss", "-tinH", "state", "established", f"( sport = :{CDN_PORT} )"]).stdout
        sent: dict[str, int] = {}
        for address, count in re.findall(r"([\d.]+)\]?:\d+ *\n.*?bytes_acked:(\d+)", told):
            sent[address] = sent.get(address, 0) + int(count)
        assert sent, f"nobody fetches\n{told}"
        busiest = max(sent, key=lambda address: sent[address])
        return next(member for member in self.members if member.host.address == busiest)

    # --- upstream ---------------------------------------------------------------------------------

    def sent(self) -> int:
        """Bytes of files that the hub has sent, a moment ago at the latest; exact once it has stopped."""
        total: int = json.loads(self._stats.read_text())["total"] if self._stats.exists() else 0
        return total

    def sent_in_all(self) -> int:
        """The same in the end: stops the hub, to be sure that it has counted all."""
        assert self.hub.stop() == 0
        return self.sent()

    def until_sent(self, share: float) -> None:
        """Wait until the hub has sent this share of the model."""
        wait_until(f"the hub sends {share:.0%}", lambda: self.sent() >= share * self.size)

    # --- results ----------------------------------------------------------------------------------

    def check(self, result: Mapping[str, Any], verified: str = "publisher") -> Mapping[str, Any]:
        """AssertionError unless the `get` brought the whole model as the publisher has it, and tells from
        where each byte of it came."""
        self.check_files(result)
        assert sum(source["bytes"] for source in result["sources"]) == self.size, result["sources"]
        assert result["verified"] == verified
        return result

    def check_files(self, result: Mapping[str, Any]) -> None:
        """AssertionError unless the files are what the publisher has."""
        folder = Path(result["snapshot"])
        found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert found == set(self._files)
        for name, path in self._files.items():
            assert _sha256(folder / name) == _sha256(path), f"{folder / name} is not what the hub has"
        assert result["bytes"] == self.size


def bytes_from(result: Mapping[str, Any], kind: str) -> int:
    """How much a `get` had from sources of this kind."""
    return sum(source["bytes"] for source in result["sources"] if source["kind"] == kind)


def _make_model(folder: Path, sizes: Sequence[int]) -> dict[str, Path]:
    """Large files of these sizes and some small ones; path by name. The same bytes every time."""
    folder.mkdir(parents=True)
    draw = random.Random(0)
    contents = {f"model-{number}.safetensors": _random(draw, size) for number, size in enumerate(sizes, 1)}
    contents |= {"config.json": b'{"model_type": "test"}\n', "tokenizer/vocab.json": draw.randbytes(120_000)}
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def _random(draw: random.Random, size: int) -> bytes:
    """So many bytes, in pieces: `randbytes` makes less than 256 MiB."""
    return b"".join(draw.randbytes(min(PIECE, size - at)) for at in range(0, size, PIECE))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
