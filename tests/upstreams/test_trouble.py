"""Statuses and codes as what to do next; many opinions as one verdict."""

from __future__ import annotations

import httpx
import pytest

from swarm.errors import NoSource, NotAllowed, NotFound, SwarmError
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.trouble import (
    Asked,
    BadAnswer,
    Refused,
    Trouble,
    Unavailable,
    refusal,
    retry_after,
    verdict,
)

HUB = Endpoint("https://hub.test")
ASKED = Asked(HUB, "ns/m", "main", "config.json")


def read(status: int, code: str = "", message: str = "", *, authorized: bool = False) -> Trouble:
    headers = httpx.Headers({"X-Error-Code": code, "X-Error-Message": message})
    return refusal(ASKED, status, headers, authorized=authorized)


@pytest.mark.parametrize(
    ("status", "code", "message", "authorized", "error", "text"),
    [
        (401, "RepoNotFound", "", False, NotFound, "does not exist on https://hub.test, or is private"),
        (404, "RepoNotFound", "", True, NotFound, "was not found"),
        (404, "", "", False, NotFound, "was not found"),
        (404, "RevisionNotFound", "", False, NotFound, "has no revision 'main'"),
        (404, "EntryNotFound", "", False, NotFound, "has no file 'config.json' at main"),
        (401, "GatedRepo", "", False, NotAllowed, "it wants an accepted licence and a token"),
        (403, "GatedRepo", "", True, NotAllowed, "your account has no access"),
        (403, "", "Access to this resource is disabled.", False, NotFound, "has been disabled"),
        (401, "", "", False, NotAllowed, "does not exist on https://hub.test, or is private"),
        (401, "", "Invalid credentials", True, NotAllowed, "did not accept the token: Invalid credentials"),
        (403, "", "", False, NotAllowed, "refuses ns/m"),
        (451, "", "", False, NotAllowed, "refuses ns/m"),
    ],
)
def test_refusals(
    status: int, code: str, message: str, authorized: bool, error: type[SwarmError], text: str
) -> None:
    trouble = read(status, code, message, authorized=authorized)
    assert isinstance(trouble, Refused)
    assert isinstance(trouble.error, error)
    assert text in trouble.error.message
    assert trouble.ambiguous == (status == 401 and code != "GatedRepo")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 522])
def test_what_speaks_of_the_server(status: int) -> None:
    trouble = read(status)
    assert isinstance(trouble, Unavailable)
    assert trouble.answered


@pytest.mark.parametrize("status", [300, 304, 400, 405, 418])
def test_what_makes_no_sense(status: int) -> None:
    assert isinstance(read(status), BadAnswer)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": " 0 "}, 0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "²"}, None),
        ({"RateLimit": '"resolvers";r=0;t=55'}, 55),
        ({"RateLimit": '"resolvers";t=55'}, 55),
        ({"RateLimit": '"resolvers";r=12;t=55'}, None),
        ({"RateLimit": '"resolvers";r=0;t=55', "Retry-After": "7"}, 7),
        ({"RateLimit": "limit=1"}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after({name.lower(): value for name, value in headers.items()}) == seconds


UNCLEAR = Refused(NotFound("missing or private"), ambiguous=True)
MISSING = Refused(NotFound("missing"))
GATED = Refused(NotAllowed("gated"))
DOWN = Unavailable("down")
BROKEN = BadAnswer("html")


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ([MISSING], NotFound, "missing"),
        ([MISSING, DOWN], NotFound, "missing"),
        ([DOWN, MISSING], NoSource, "https://0.test: down; https://1.test: missing"),
        ([MISSING, GATED], NotAllowed, "gated"),
        ([DOWN, GATED], NotAllowed, "gated"),
        ([UNCLEAR, MISSING], NotFound, "missing"),
        ([UNCLEAR, DOWN], NotFound, "missing or private"),
        ([UNCLEAR], NotFound, "missing or private"),
        ([DOWN, BROKEN], NoSource, "https://0.test: down; https://1.test: html"),
    ],
)
def test_verdicts(said: list[Trouble], error: type[SwarmError], text: str) -> None:
    found = verdict("ns/m", [(Endpoint(f"https://{number}.test"), one) for number, one in enumerate(said)])
    assert type(found) is error
    assert text in found.message
