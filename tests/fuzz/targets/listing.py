"""What a hub, or who stands in for one, says of a repository: JSON and headers.

headers, "name: value", a line each | an empty line | the body
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx

from protocol.limits import KIB
from protocol.manifest import BadManifest, Blob, File
from swarm.upstreams.endpoint import Endpoint, origin
from swarm.upstreams.http import parse_json
from swarm.upstreams.listing import next_page, parse_info, parse_page
from swarm.upstreams.runs import Run
from swarm.upstreams.stream import held_range
from swarm.upstreams.trouble import Asked, BadAnswer, Trouble, refusal, retry_after

HUB = Endpoint("https://hub.test/base")
PAGE = "https://hub.test/base/api/models/a/b/tree/c?recursive=true"
RUN = Run(Blob("sha256", bytes(32), 900 * KIB), 1, 1, 2)
STATUSES = (200, 206, 401, 403, 404, 429, 503)


def seeds() -> Iterator[bytes]:
    oid, sha = "0" * 40, "1" * 64
    info = {"id": "org/model", "sha": oid, "private": False, "gated": "auto"}
    tree = [
        {"type": "directory", "path": "a", "oid": oid},
        {"type": "file", "path": "a/b", "oid": oid, "size": 3},
        {"type": "file", "path": "w", "oid": oid, "size": 1 << 40, "lfs": {"oid": sha, "size": 1 << 40}},
    ]
    pages = f'link: <{PAGE}&cursor=x>; rel="next"'
    headers = "content-range: bytes 262144-786431/921600\ncontent-length: 524288\nretry-after: 7"
    limited = 'ratelimit: "api";r=0;t=120\nx-error-code: RepoNotFound\nx-error-message: no'
    for head, body in ((pages, info), (headers, tree), (limited, [])):
        yield f"{head}\n\n{json.dumps(body)}".encode()


def run(data: bytes) -> None:
    head, _, body = data.partition(b"\n\n")
    said: dict[str, str] = {}
    for line in head.decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        said[name.lower()] = value.strip()
    read_headers(said)
    read_body(body)


def read_headers(said: dict[str, str]) -> None:
    wait = retry_after(said)
    assert wait is None or 0 <= wait < float("inf")
    for status in STATUSES:
        assert isinstance(refusal(Asked(HUB, "a/b", "main"), status, said, authorized=False), Trouble)
        read_range(status, said)
    try:
        following = next_page(HUB, PAGE, httpx.URL(PAGE), said)
    except BadAnswer:
        return
    assert following is None or origin(httpx.URL(following)) == HUB.origin


def read_range(status: int, said: dict[str, str]) -> None:
    try:
        start, stop = held_range(status, said, RUN)
    except BadAnswer:
        return
    assert start <= RUN.start < RUN.stop <= stop <= RUN.blob.size


def read_body(body: bytes) -> None:
    try:
        value = parse_json(body)
    except BadAnswer:
        return
    for parse in (parse_info, parse_page):
        try:
            parsed = parse(value)
        except (BadAnswer, BadManifest):
            continue
        if isinstance(parsed, list):
            assert all(isinstance(file, File) for file in parsed)
