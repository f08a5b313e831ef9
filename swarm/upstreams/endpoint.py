"""An upstream's base URL and the credential that may be shown to it, and to it only."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from swarm.config.values import without_secrets
from swarm.errors import UsageError

HUB_URL: Final = "https://huggingface.co"
HUB_HOSTS: Final = frozenset({"huggingface.co", "hf.co", "www.huggingface.co"})
"""The hub's own hosts: a token for the hub goes there over TLS alone."""

Origin = tuple[str, str, int | None]
"""(scheme, host, port): what two URLs must share for a credential to go from one to the other."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def origin(url: httpx.URL) -> Origin:
    return url.scheme, url.raw_host.decode("ascii"), url.port or _DEFAULT_PORTS.get(url.scheme)


@dataclass(frozen=True)
class Endpoint:
    """One base URL of a hub; a path in it is kept. Raises UsageError when it is no URL.

    `url` ends without a slash and never holds a user name or password: those of the URL given become
    `authorization`, the value of the header for this endpoint's own origin, as does a token.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    authorization: str | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            parsed = httpx.URL(self.url)
        except httpx.InvalidURL:
            raise UsageError(f"{without_secrets(self.url)!r} is not a URL") from None
        if parsed.scheme not in _DEFAULT_PORTS or not parsed.host or parsed.query or parsed.fragment:
            raise UsageError(
                f"{without_secrets(self.url)!r} cannot be an endpoint",
                "Give a base URL such as https://hf-mirror.com.",
            )
        bare = parsed.copy_with(username=None, password=None)
        object.__setattr__(self, "authorization", _authorization(parsed, self.token))
        object.__setattr__(self, "url", str(bare).rstrip("/"))

    @property
    def origin(self) -> Origin:
        return origin(httpx.URL(self.url))

    def __str__(self) -> str:
        return self.url


def _authorization(url: httpx.URL, token: str | None) -> str | None:
    if url.scheme != "https" and url.host in HUB_HOSTS:
        return None
    if token:
        return f"Bearer {token}"
    if url.username or url.password:
        return "Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
    return None


def endpoints_for(named: Sequence[str], token: str | None) -> tuple[Endpoint, ...]:
    """Endpoints for the URLs the user named, each once, or for the hub itself when none is named.

    The token is for one of them only: for the hub's own host, or else for the one named first, which
    stands for the hub as HF_ENDPOINT does for huggingface_hub. Another that is to have a credential
    carries it in its URL.
    """
    endpoints = list({endpoint.url: endpoint for endpoint in map(Endpoint, named or [HUB_URL])}.values())
    own = (number for number, endpoint in enumerate(endpoints) if httpx.URL(endpoint.url).host in HUB_HOSTS)
    chosen = next(own, 0)
    if endpoints[chosen].authorization is None:
        endpoints[chosen] = Endpoint(endpoints[chosen].url, token)
    return tuple(endpoints)
