"""The control socket, both ways: what a process of this machine says to a node, and what a node answers.

    u8: bytes of a read | lines

A line is a value of the right types or refused, and the lines are the same however they were cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from swarm.errors import SwarmError
from swarm.node.wire import Answer, BadLine, Lines, build, decode, encode, plain, told_error
from swarm.sources import Source
from swarm.transfer.requests import (
    FileProgress,
    GetRequest,
    GetResult,
    GotFile,
    ListedFile,
    Progress,
    RepoName,
    Root,
    Roots,
    SourceBytes,
    SourceProgress,
)

LIMIT = 2000
SHAPES = (GetRequest, RepoName, Roots, Progress, GetResult)

DIGEST = "00" * 20
VALUES = (
    GetRequest(
        "hf", "org/m", files=("a",), include=("*.json",), endpoints=("https://m.test",), token="t"
    ),  # no secret
    RepoName("hf", "model", "org/m", "main"),
    Roots((Root("/a/b", "sha256", DIGEST, 7),)),
    Progress(
        "fetching", 1, 9, (FileProgress("a", 1, 9),), (SourceProgress(Source("peer", "x"), 1, 0.5),), "m"
    ),
    GetResult(
        "hf",
        "org/m",
        "model",
        DIGEST,
        "main",
        (GotFile("a", "git-sha1", DIGEST, 7, "/s/a"),),
        (ListedFile("a", "git-sha1", DIGEST, 7),),
        7,
        0.5,
        (SourceBytes("local", "here", 7),),
        "publisher",
    ),
)


def seeds() -> Iterator[bytes]:
    for value in VALUES:
        yield b"\x07" + encode(plain(value))
    answers: list[Answer] = [
        {"alive": True},
        {"event": plain(VALUES[3])},
        {"result": plain(VALUES[4])},
        {"error": {"exit_code": 4, "message": "m", "advice": "a"}},
    ]
    yield b"\x20" + b"".join(map(encode, answers))
    yield b"\xff" + b'{"call":"get"}\n[1]\n"x"\n{"hub":NaN,"repo":1e999,"files":[[]]}\n' + b"[" * 300


def run(data: bytes) -> None:
    if not data:
        return
    step, text = data[0] + 1, data[1:]
    lines = cut(text, step)
    assert lines == cut(text, len(text) or 1)
    for line in lines[:-1]:
        read(line)


def cut(text: bytes, step: int) -> list[bytes]:
    """The lines, and at the end whether one was too long."""
    cutter, found = Lines(LIMIT), []
    try:
        for at in range(0, len(text), step):
            found += cutter.feed(text[at : at + step])
    except BadLine:
        long = next(n for n, line in enumerate(text.split(b"\n")) if len(line) > LIMIT)
        return [*text.split(b"\n")[:long], b"too long"]
    return [*found, b"end"]


def read(line: bytes) -> None:
    try:
        value = decode(line)
    except BadLine:
        return
    for shape in SHAPES:
        for each in (value, value.get("event"), value.get("result")):
            try:
                built = build(shape, each)
            except BadLine:
                continue
            typed(built)
            assert json.loads(encode(plain(built))) is not None
    try:
        assert isinstance(told_error(value.get("error")), SwarmError)
    except BadLine:
        return


def typed(value: object) -> None:
    """No field of what was built is a list or an object that nobody has looked into."""
    if isinstance(value, tuple):
        for each in value:
            typed(each)
    else:
        assert value is None or isinstance(value, str | int | float | bool)
