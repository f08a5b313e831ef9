"""GET over httpx, the way an upstream must be asked.

Redirects are followed by hand: the credential goes to the endpoint's own scheme, host and port and, once
a redirect has led elsewhere, is not shown again; from TLS no redirect leads back to plain text, and none
leads further in than the endpoint is (`reach`). Nothing is compressed (a server that compresses ignores
ranges). Every wait has an end. What fails is a `Trouble`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, TypeVar

import httpx
import trio

from protocol.limits import KIB, MIB
from swarm.errors import UsageError
from swarm.upstreams.endpoint import Endpoint, origin
from swarm.upstreams.headers import number
from swarm.upstreams.reach import Allowed, Fence, Level, Reached
from swarm.upstreams.trouble import BadAnswer, Unavailable

for _chatty in ("httpx", "httpcore"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)
"""They log whole URLs and headers, and whoever has the signed URL of a CDN has the file, be it private."""

log = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 6.0
"""TCP and TLS to a far mirror take under 2 s; two lost SYNs are made up for within 3."""

ANSWER_SECONDS: Final = 30.0
"""Until the headers are there. Olah hashes whole files first; a caching proxy fetches before it answers."""

STALL_SECONDS: Final = 10.0
"""Without a byte for this long a body counts as stalled; huggingface_hub waits as long."""

CLOSE_SECONDS: Final = 1.0
"""For the end of a TLS connection that nobody needs any more."""

MAX_REDIRECTS: Final = 8
"""A renamed repository, a mirror, a cache and a CDN are four."""

MAX_SMALL_BODY: Final = 64 * KIB
"""A redirect's body up to this length is read so that its connection can be used again."""

MAX_JSON: Final = 64 * MIB
"""One page of metadata: a repository's info names every file, and datasets have a hundred thousand."""

CONNECTIONS: Final = 64
"""Open at once to all endpoints together; what a pool opens is limited more tightly there."""

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
"""Hosts that are never asked through a proxy: the proxy's loopback is another machine."""

NOTHING_MORE: Final = Allowed()

T = TypeVar("T")


class Client(httpx.AsyncClient):
    """Connections, and what is known of where they lead. Made by `open_client`."""

    def __init__(self, allowed: Allowed, **options: Any) -> None:
        super().__init__(**options)
        self.allowed = allowed
        self.reached = Reached()


def open_client(
    agent: str = "lanswarm",
    transport: httpx.AsyncBaseTransport | None = None,
    allowed: Allowed = NOTHING_MORE,
) -> Client:
    """A client for `Http`: heeds HTTP_PROXY, HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE, keeps no cookies.

    UsageError when one of these settings cannot be used. `transport` replaces network and proxies;
    `allowed` is where a redirect may always lead.
    """
    try:
        return Client(
            allowed,
            transport=transport,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS // 2),
            headers={"User-Agent": agent, "Accept-Encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            mounts=dict.fromkeys(f"all://{host}" for host in LOOPBACK),
        )
    except (ValueError, OSError) as error:
        raise UsageError(
            f"the proxy or certificate settings cannot be used: {error}",
            "Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.",
        ) from error


class Reply:
    """An answer whose body has not been read. `url` is where it came from in the end; must be closed."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._blocks: AsyncIterator[bytes] = response.aiter_raw()
        self._reading = False
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.url = response.url

    async def block(self) -> bytes:
        """The next bytes of the body, b"" at its end; Unavailable when none come for STALL_SECONDS."""
        return await _within(STALL_SECONDS, self._next, "it stopped sending")

    async def _next(self) -> bytes:
        self._reading = True
        while (block := await anext(self._blocks, None)) == b"":
            pass
        self._reading = block is not None
        return block or b""

    async def json(self) -> object:
        """The whole body as JSON; BadAnswer when it is none or longer than MAX_JSON."""
        body = bytearray()
        while block := await self.block():
            body += block
            if len(body) > MAX_JSON:
                raise BadAnswer(f"metadata of more than {MAX_JSON} bytes")
        if self.headers.get("content-encoding", "identity") != "identity":
            raise BadAnswer("a compressed answer that was not asked for")
        return parse_json(body)

    async def discard(self) -> None:
        """Read the rest when it is short, so that the connection can be used again; then close."""
        length = number(self.headers.get("content-length", ""))
        try:
            if length is not None and length <= MAX_SMALL_BODY:
                while await self.block():
                    pass
        except Unavailable:
            pass  # of no use any more, and nobody waits for it
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Give up what is left of the body.

        A read that is cancelled as soon as it has to wait ends each of httpx's nested generators in order
        (left to the garbage collector they would end late, and trio warns of that) and still takes an
        end of the body that has arrived, after which the connection can be used again.
        """
        with trio.CancelScope(shield=True) as ending:
            ending.cancel()
            while self._reading:
                try:
                    await self._next()
                except (httpx.HTTPError, httpx.StreamError):
                    break
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
            await self._response.aclose()


class Http:
    """Asks endpoints through one httpx client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(
        self, endpoint: Endpoint, url: str, *, authorized: bool, byte_range: tuple[int, int] | None = None
    ) -> Reply:
        """The answer to a GET, redirects followed; any status. byte_range: (start, stop), stop excluded.

        `authorized` shows the endpoint's credential to the endpoint. Raises Unavailable or BadAnswer.
        """
        target = _parse(url)
        home = True
        for _ in range(MAX_REDIRECTS + 1):
            at_home = origin(target) == endpoint.origin
            home = home and at_home
            limit = Level.MACHINE if at_home else self._client.reached.home(endpoint.origin)
            headers = _headers(endpoint if home and authorized else None, byte_range)
            reply = await self._send(target, headers, limit)
            location = reply.headers.get("location")
            if not (300 <= reply.status < 400 and location):
                return reply
            await reply.discard()
            following = _parse(location, base=target)
            if target.scheme == "https" and following.scheme != "https":
                raise BadAnswer(f"a redirect out of TLS, to {following.host}")
            target = following
        raise BadAnswer("redirects without end")

    async def _send(self, url: httpx.URL, headers: Mapping[str, str], limit: Level) -> Reply:
        fence = Fence(origin(url), limit, self._client.reached, self._client.allowed)
        fence.check()
        request = self._client.build_request(
            "GET", url, headers=dict(headers), extensions={"trace": fence.trace}
        )

        async def send() -> httpx.Response:
            return await self._client.send(request, stream=True, follow_redirects=False)

        reply = Reply(await _within(ANSWER_SECONDS, send, "no answer"))
        log.debug("%d from %s for %s", reply.status, url.host, url.path)
        return reply


def parse_json(body: bytes | bytearray) -> object:
    """The value; BadAnswer when it is no JSON, or nested deeper than Python can follow."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("no JSON; is this the base URL of a hub?") from error


def _headers(shown_to: Endpoint | None, byte_range: tuple[int, int] | None) -> dict[str, str]:
    headers = {}
    if shown_to and shown_to.authorization:
        headers["Authorization"] = shown_to.authorization
    if byte_range:
        headers["Range"] = f"bytes={byte_range[0]}-{byte_range[1] - 1}"
    return headers


def _parse(url: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        parsed = base.join(url) if base else httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise BadAnswer(f"a redirect to what is not a URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BadAnswer(f"a redirect to what is no web address: {parsed.scheme}:")
    return parsed


async def _within(seconds: float, call: Callable[[], Awaitable[T]], silence: str) -> T:
    """The result of `call`; Unavailable when it takes longer or the connection fails."""
    try:
        with trio.fail_after(seconds):
            return await call()
    except trio.TooSlowError as error:
        raise Unavailable(f"{silence} for {seconds:g} s") from error
    except httpx.ConnectTimeout as error:
        raise Unavailable(f"no connection for {CONNECT_SECONDS:g} s") from error
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
        raise Unavailable(str(error) or type(error).__name__) from error
