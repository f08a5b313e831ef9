"""Who is heard on the control socket, and what members of the group are told."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio

from swarm.errors import NotAllowed, NotFound
from swarm.node import callers, control
from swarm.node.callers import Caller, Guest
from swarm.transfer.requests import GetRequest, RepoName
from tests.node.fakes import MODEL, RESULT, ROOTS, STATUS, WHY, FakeNode

OPEN = RepoName("hf", "dataset", "ns/name")
SECRET = RepoName("hf", "dataset", "ns/secret")

OURS = os.getegid()
"""The group that a socket of ours has."""


@pytest.mark.parametrize(
    ("uid", "gid", "groups", "may"),
    [
        (0, 999, [999], True),
        (os.geteuid(), 999, [999], True),
        (54321, 77, [77], True),
        (54321, 999, [999, 77], True),
        (54321, 999, [999], False),
    ],
)
def test_who_may_call(uid: int, gid: int, groups: list[int], may: bool) -> None:
    assert callers.may_call(Caller(uid, gid), group=77, groups_of=lambda *_: groups) is may


@pytest.mark.parametrize(("uid", "may"), [(0, True), (os.geteuid(), True), (77, True), (54321, False)])
def test_who_may_serve_a_home_of_user_77(uid: int, may: bool) -> None:
    assert callers.may_serve(Caller(uid, 77), owner=77) is may


def test_the_kernel_says_who_it_is() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert callers.caller_of(ours) == Caller(os.geteuid(), os.getegid())


def test_the_answer_of_other_kernels() -> None:
    """As <sys/ucred.h> of macOS has it: 76 bytes."""
    assert callers.XUCRED.size == 76
    _, uid, _, gid, *_ = callers.XUCRED.unpack(callers.XUCRED.pack(0, 501, 2, 20, 12, *[0] * 14))
    assert (uid, gid) == (501, 20)


def node() -> FakeNode:
    held = FakeNode()
    held.models_held = [MODEL, {**MODEL, "repo": "ns/secret", "private": True}]
    return held


async def test_a_guest_sees_nothing_private() -> None:
    guest = Guest(node())
    assert [row["repo"] for row in await guest.models()] == ["ns/name"]
    assert (await guest.status())["snapshots"] == []
    assert await guest.why(OPEN) == [WHY]
    for name in (SECRET, RepoName("hf", "dataset", "ns/nothing")):
        with pytest.raises(NotFound, match="is held here"):
            await guest.why(name)


async def test_a_guest_removes_nothing() -> None:
    """Nor does the answer tell what there is."""
    held = node()
    for name in (OPEN, SECRET, RepoName("hf", "dataset", "ns/nothing")):
        with pytest.raises(NotAllowed, match="another user's"):
            await Guest(held).remove(name)
    assert held.removed == []


async def test_what_a_guest_does_is_done() -> None:
    held = node()
    guest = Guest(held)
    assert await guest.get(GetRequest("hf", "ns/name", token="mine"), lambda progress: None) == RESULT
    assert held.requests == [GetRequest("hf", "ns/name", token="mine", guest=True)]
    await guest.add_roots(ROOTS)
    assert held.roots == ROOTS
    assert await guest.peers() == STATUS["peers"]


PYTHON = which("python3", path=os.defpath) or sys.executable
"""One that any user may run: where tests are run from may be closed to others."""

ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as stream:
    stream.connect(sys.argv[1])
    stream.sendall(b'{"call": "models"}\\n')
    print(stream.makefile().read())
"""
"""A program that is not ours, which asks the node of another user."""


ME: tuple[int, int, list[int], str] = (os.geteuid(), OURS, [], "ns/secret")

STRANGERS = [
    (54321, 54321, [], "This node is another user's."),
    (54321, 54321, [OURS], "This node is another user's."),  # who is in a group, the system's list says
    (54321, OURS, [], "ns/name"),
]
"""(user, group, further groups, what the node answers)."""


@pytest.mark.parametrize(("uid", "gid", "groups", "told"), [ME, *(STRANGERS if os.geteuid() == 0 else [])])
async def test_the_kernels_word_counts(uid: int, gid: int, groups: list[int], told: str) -> None:
    become: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": groups} if uid != ME[0] else {}
    with TemporaryDirectory(prefix="lanswarm-") as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "control.sock"
        async with trio.open_nursery() as nursery:
            await nursery.start(control.serve, node(), path)
            path.chmod(0o666)
            done = await trio.run_process(
                [PYTHON, "-c", ASK, str(path)],
                capture_stdout=True,
                **become,
            )
            nursery.cancel_scope.cancel()
    answer = done.stdout.decode()
    assert told in answer
    assert ("ns/secret" in answer) == (uid == os.geteuid())
