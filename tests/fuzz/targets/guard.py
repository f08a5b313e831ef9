"""The head of a request to a local listener: whatever is let through is for this machine, from no page of
another site, and changes nothing unless it shows the token.

method | space | target, a line; then headers, "name: value", a line each
"""

from __future__ import annotations

from collections.abc import Iterator

from swarm.guard import LOCAL_NAMES, READING, TOKEN_HEADER, Guard, Head
from swarm.sources.address import ip_address

TOKEN = "0123456789abcdef"  # of nothing
GUARD = Guard(TOKEN, names=("gpu7",))
OURS = LOCAL_NAMES | {"gpu7"}


def seeds() -> Iterator[bytes]:
    yield b"GET /api/models HTTP\nHost: localhost:7678\nAccept: */*"
    yield b"GET http://127.0.0.1:7678/x?y HTTP\nHost: 127.0.0.1:7678\nOrigin: http://127.0.0.1:7678"
    yield f"POST /x\nHost: [::1]:7678\n{TOKEN_HEADER}: {TOKEN}\nSec-Fetch-Site: same-origin".encode()
    yield b"GET /\nHost: gpu7\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document"
    yield b"GET http://evil.test/\nHost: x.localhost.\nOrigin: null\nHost: evil.test"


def run(data: bytes) -> None:
    first, *rest = data.decode("latin-1").split("\n")
    method, _, target = first.partition(" ")
    pairs = [line.partition(":") for line in rest]
    head = Head(method, target, [(name, value.strip()) for name, _, value in pairs])
    if GUARD.judge(head) is not None:
        return
    (host,) = head.all("host")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    name = name.strip("[]").lower().removesuffix(".")
    assert ip_address(name) is not None or name in OURS or name.endswith(".localhost")
    assert len(head.all("origin")) <= 1
    assert not any("evil" in value.lower() for value in head.all("origin"))
    assert method in READING or head.all(TOKEN_HEADER) == [TOKEN]
