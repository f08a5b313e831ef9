"""What can go wrong with one endpoint, as far as it matters to what is done next; and the final word.

`Unavailable`: ask later, or another. `BadAnswer`: it does not serve this; ask another. `Refused`: it
understood and said no. `refusal` reads an HTTP status into one of them (the Hub's own codes come in
X-Error-Code, huggingface_hub `utils/_http.py`); `verdict` makes of what all endpoints said the one error
that a person gets to see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from swarm.errors import NoSource, NotAllowed, NotFound, SwarmError
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.headers import number

OVERLOADED: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529})
"""Statuses that speak of the server's state, not of what was asked; 52x are those of CDNs."""


class Gated(NotAllowed):
    """The hub itself says that this takes an accepted licence."""


class NoSuchRepo(NotFound):
    """The hub itself says that it has no such repository, or none for this caller."""


class Trouble(Exception):
    """One endpoint did not give what it was asked for; `reason` in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unavailable(Trouble):
    """Down, overloaded or silent. retry_after: seconds, if it said so. answered: it is there at all."""

    def __init__(self, reason: str, *, retry_after: float | None = None, answered: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.answered = answered


class BadAnswer(Trouble):
    """An answer that the hub's API does not allow, or bytes of another file than the one asked for."""


class Refused(Trouble):
    """The endpoint said no: `error` is what to tell. ambiguous: a 401, which some give for anything."""

    def __init__(self, error: SwarmError, *, ambiguous: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.ambiguous = ambiguous


@dataclass(frozen=True)
class Asked:
    """What a request was about, for messages."""

    endpoint: Endpoint
    repo: str
    revision: str
    path: str | None = None

    @property
    def page(self) -> str:
        return f"{self.endpoint.url}/{self.repo}"


def refusal(asked: Asked, status: int, headers: Mapping[str, str], *, authorized: bool) -> Trouble:
    """What an answer other than 2xx means."""
    code, said = headers.get("x-error-code", ""), headers.get("x-error-message", "")
    if status in OVERLOADED:
        reason = "too many requests" if status == 429 else f"status {status}"
        wait = retry_after(headers)
        told = "" if wait is None else f" (it says: wait {wait:.0f} s)"
        return Unavailable(reason + told, retry_after=wait, answered=True)
    if "resource is disabled" in said:
        return Refused(NotFound(f"{asked.repo} has been disabled by {asked.endpoint}: {said}"))
    if code == "GatedRepo":
        return Refused(_gated(asked, authorized=authorized))
    if status in (404, 410) or code.endswith("NotFound"):
        return Refused(_not_found(asked, code, status), ambiguous=status == 401)
    if status in (401, 403, 451):
        return Refused(_not_allowed(asked, status, said, authorized=authorized), ambiguous=status == 401)
    return BadAnswer(f"status {status}{f' ({said})' if said else ''}")


def _gated(asked: Asked, *, authorized: bool) -> Gated:
    if authorized:
        return Gated(
            f"{asked.repo} is gated and your account has no access to it",
            f"Accept its licence at {asked.page}, then try again.",
        )
    return Gated(
        f"{asked.repo} is gated: it wants an accepted licence and a token",
        f"Accept its licence at {asked.page}, then set HF_TOKEN to a token of your account.",
    )


def _not_found(asked: Asked, code: str, status: int) -> NotFound:
    if code == "RevisionNotFound":
        return NotFound(
            f"{asked.repo} has no revision {asked.revision!r}",
            f"See its branches and tags at {asked.page}/tree/main.",
        )
    if code == "EntryNotFound" and asked.path is not None:
        return NotFound(f"{asked.repo} has no file {asked.path!r} at {asked.revision}")
    missing = NoSuchRepo if code == "RepoNotFound" else NotFound
    if status == 401:
        return missing(
            f"{asked.repo} does not exist on {asked.endpoint}, or is private",
            "Check the spelling; if it is private, set HF_TOKEN to a token that may read it.",
        )
    return missing(f"{asked.repo} was not found on {asked.endpoint}", "Check the spelling and --repo-type.")


def _not_allowed(asked: Asked, status: int, said: str, *, authorized: bool) -> NotAllowed:
    because = f": {said}" if said else ""
    if status == 401 and authorized:
        return NotAllowed(
            f"{asked.endpoint} did not accept the token{because}", "Set HF_TOKEN to a token that is valid."
        )
    if status == 401:
        return NotAllowed(
            f"{asked.repo} does not exist on {asked.endpoint}, or is private{because}",
            "Check the spelling; if it is private, set HF_TOKEN to a token that may read it.",
        )
    advice = "Ask its owner for access." if authorized else "Set HF_TOKEN to a token that may read it."
    return NotAllowed(f"{asked.endpoint} refuses {asked.repo} (status {status}){because}", advice)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until it is worth asking again: Retry-After in seconds (RFC 9110, 10.2.3), or the time
    until the window of a used-up quota ends: `RateLimit: "api";r=0;t=120`, as the Hub sends it."""
    seconds = number(headers.get("retry-after", "").strip())
    if seconds is None:
        limit = headers.get("ratelimit", "")
        left, until = re.search(r"\br=(\d+)", limit), re.search(r"\bt=(\d+)", limit)
        if until and (left is None or number(left[1]) == 0):
            seconds = number(until[1])
    return None if seconds is None else float(seconds)


def verdict(repo: str, said: Sequence[tuple[Endpoint, Trouble]]) -> SwarmError:
    """The error for a repository that no endpoint gave, from what each said, in order of preference.

    Only an answer everyone agrees on, or the first endpoint's with the others out of reach, is taken for
    "it does not exist"; an endpoint that knows it but wants a licence outweighs those that do not.
    """
    refused = [trouble for _, trouble in said if isinstance(trouble, Refused)]
    clear = [trouble for trouble in refused if not trouble.ambiguous]
    for trouble in clear:
        if isinstance(trouble.error, NotAllowed):
            return trouble.error
    if refused and (len(refused) == len(said) or isinstance(said[0][1], Refused)):
        return (clear or refused)[0].error
    told = "; ".join(f"{endpoint}: {trouble.reason}" for endpoint, trouble in said)
    return NoSource(
        f"no upstream answers for {repo}: {told}",
        "Check the network and the proxy settings, or name another --endpoint.",
    )
