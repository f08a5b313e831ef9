"""Who may ask a local HTTP listener for what: one decision for gateway, dashboard and metrics. Pure.

They listen on loopback and ask nobody for a name, so what threatens them is the browser on the same machine:
any page may have it send requests here. Such a request carries marks no page can forge. Its `Host` is the
name the page was loaded from: after DNS rebinding that is the attacker's, never ours (an address cannot be
rebound, so addresses are ours in any case). Its `Origin` or `Sec-Fetch-Site` says that it comes from
elsewhere. Whatever changes state takes a token on top, which lies in a file of the node's owner, so that
neither a page nor another user of the machine can send it.

    verdict = guard.judge(Head(method, target, headers))      # before a byte of a body is read
    if verdict is not None: answer verdict.status and verdict.reason, close the connection

No listener answers with `Access-Control-Allow-*`, and none changes anything on GET or HEAD.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarm.errors import UsageError
from swarm.sources.address import ip_address, is_loopback

TOKEN_HEADER: Final = "x-swarm-token"  # noqa: S105  # the name of a header
"""Where the token is shown. Not in `Authorization`, which carries the user's token for the hub through the
gateway; and no header that a page may set without the browser asking us first (Fetch standard, CORS)."""

READING: Final = frozenset({"GET", "HEAD"})
"""Methods that change nothing (RFC 9110, 9.2.1). OPTIONS is left out: only pages from elsewhere send it."""

LOCAL_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
"""Names that every system takes for loopback without asking a name server (RFC 6761, 6.3; hosts(5))."""

MAX_AUTHORITY: Final = 260
"""Characters of a Host header: a DNS name, a colon and a port."""

_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request: names of headers in any case, values without the space around them."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found.lower() == name]


@dataclass(frozen=True, slots=True)
class Denied:
    """What to answer instead: an HTTP status, and a sentence for whoever set the client up."""

    status: int
    reason: str


class Guard:
    """The rules of one listener.

    `token`: what whoever changes something must show. `names`: further names that the operator gave this
    machine, for a listener beyond loopback. `reads`: requests by POST that change nothing (method, pattern
    of the whole path), as the batch API of Git LFS has them.
    """

    def __init__(
        self,
        token: str,
        *,
        names: Sequence[str] = (),
        reads: Sequence[tuple[str, re.Pattern[str]]] = (),
    ) -> None:
        if not token:
            raise ValueError("an empty token would let everybody in")
        self._token = token.encode()
        self._names = LOCAL_NAMES | {name.lower().rstrip(".") for name in names}
        self._reads = tuple(reads)

    def judge(self, head: Head) -> Denied | None:
        """None when the request may be carried out."""
        authority = _authority_of(head)
        if authority is None:
            return Denied(400, "A request names the host it is for, once.")
        if not self._is_ours(authority):
            return Denied(421, f"This is not {authority[0]}. Use localhost or the address.")
        if not _same_origin(head, authority):
            return Denied(403, "Pages of other sites may not ask this node.")
        if self._changes(head) and not self._knows_token(head):
            return Denied(401, f"This changes something: show the node's token as {TOKEN_HEADER}.")
        return None

    def _is_ours(self, authority: tuple[str, str]) -> bool:
        host = authority[0]
        return ip_address(host) is not None or host in self._names or host.endswith(".localhost")

    def _changes(self, head: Head) -> bool:
        _, path = _split(head.target)
        reads = any(method == head.method and pattern.fullmatch(path) for method, pattern in self._reads)
        return head.method not in READING and not reads

    def _knows_token(self, head: Head) -> bool:
        shown = head.all(TOKEN_HEADER)
        return len(shown) == 1 and hmac.compare_digest(shown[0].encode(), self._token)


def check_listening(host: str, names: Sequence[str], *, told: bool) -> None:
    """UsageError unless a local listener may be bound to `host`: loopback, or wherever the operator told.

    Beyond loopback nobody can know what this machine is called, so that has to be told as well.
    """
    if is_loopback(host) or host.lower() in LOCAL_NAMES:
        return
    if not told:
        raise UsageError(f"{host} is not an address of this machine alone.", "Listen on 127.0.0.1 or ::1.")
    if ip_address(host) is None and host.lower() not in {name.lower() for name in names}:
        raise UsageError(f"{host} is not one of this machine's names.", "Listen on an address.")


def _authority_of(head: Head) -> tuple[str, str] | None:
    """(host, port as it is written) that the request is for, in lower case; None unless it is told well.

    In absolute form the target says it, and Host must not say otherwise (RFC 9112, 3.2.2).
    """
    hosts = head.all("host")
    if len(hosts) != 1:
        return None
    told = _parsed(hosts[0])
    named, path = _split(head.target)
    if not path.startswith("/"):
        return None
    return told if named is None or _parsed(named) == told else None


def _split(target: str) -> tuple[str | None, str]:
    """(authority of a target in absolute form, None in origin form; path, empty when there is none)."""
    if not target.startswith("http://"):
        return None, target.partition("?")[0]
    authority, slash, path = target.removeprefix("http://").partition("?")[0].partition("/")
    return authority, slash + path


def _parsed(authority: str) -> tuple[str, str] | None:
    match = _AUTHORITY.fullmatch(authority) if len(authority) <= MAX_AUTHORITY else None
    if match is None:
        return None
    return match["host"].strip("[]").lower().removesuffix("."), match["port"] or ""


def _same_origin(head: Head, authority: tuple[str, str]) -> bool:
    """Whether no page of another site is behind this.

    Programs say nothing about it. A browser sends Origin with whatever a page may be denied (Fetch
    standard), and Sec-Fetch-Site with everything: `none` is a person who typed the address.
    """
    origins = head.all("origin")
    if origins and (len(origins) > 1 or _origin_authority(origins[0]) != authority):
        return False
    sites = head.all("sec-fetch-site")
    if all(site in ("none", "same-origin") for site in sites):
        return True
    followed_a_link = head.all("sec-fetch-mode") == ["navigate"] and head.all("sec-fetch-dest") == [
        "document"
    ]
    return followed_a_link and head.method == "GET" and not origins


def _origin_authority(origin: str) -> tuple[str, str] | None:
    """The authority of an origin as a browser writes it; None for `null` and anything else."""
    scheme, _, rest = origin.partition("://")
    return _parsed(rest) if scheme == "http" else None
