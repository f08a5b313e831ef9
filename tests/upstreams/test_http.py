"""Redirects, credentials and the ends of waits."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
import trio
from trio.testing import MockClock

from swarm.errors import UsageError
from swarm.upstreams import http
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.http import Http, open_client
from swarm.upstreams.trouble import BadAnswer, Trouble, Unavailable
from tests.upstreams.hubs import CANARY

HOME = Endpoint("https://hub.test", CANARY)


def over(handler: Callable[[httpx.Request], httpx.Response]) -> Http:
    return Http(open_client(transport=httpx.MockTransport(handler)))


class Redirects:
    """Answers with a redirect where `to` has one; keeps (URL, Authorization) of every request."""

    def __init__(self, **to: str) -> None:
        self.to = {url.replace("__", "/"): location for url, location in to.items()}
        self.seen: list[tuple[str, str | None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((str(request.url), request.headers.get("authorization")))
        location = self.to.get(request.url.path.strip("/"))
        if location is None:
            return httpx.Response(200, stream=httpx.ByteStream(b"here"))
        return httpx.Response(302, headers={"Location": location}, stream=httpx.ByteStream(b"moved"))


async def follow(redirects: Redirects, endpoint: Endpoint = HOME, start: str = "a") -> str:
    reply = await over(redirects).get(endpoint, f"{endpoint.url}/{start}", authorized=True)
    assert await reply.block() == b"here"
    await reply.aclose()
    return str(reply.url)


@pytest.mark.parametrize(
    "location", ["/b?sig=1", "b?sig=1", "https://hub.test/b?sig=1", "https://hub.test:443/b?sig=1"]
)
async def test_the_credential_goes_along_on_the_same_origin(location: str) -> None:
    redirects = Redirects(a=location)
    assert await follow(redirects) == "https://hub.test/b?sig=1"
    assert [shown for _, shown in redirects.seen] == [f"Bearer {CANARY}"] * 2


@pytest.mark.parametrize(
    "location",
    [
        "https://cdn.test/b",
        "//cdn.test/b",
        "https://hub.test:8443/b",
        "https://hub.test.evil.test/b",
        "https://hub.test@evil.test/b",
        "https://sub.hub.test/b",
    ],
)
async def test_the_credential_does_not_leave_the_origin(location: str) -> None:
    redirects = Redirects(a=location)
    await follow(redirects)
    (first, second) = redirects.seen
    assert first == ("https://hub.test/a", f"Bearer {CANARY}")
    assert CANARY not in str(second)


async def test_the_credential_is_not_shown_again_on_the_way_back() -> None:
    redirects = Redirects(a="https://cdn.test/b", b="https://hub.test/c")
    await follow(redirects)
    assert [shown for _, shown in redirects.seen] == [f"Bearer {CANARY}", None, None]


async def test_http_and_https_are_two_origins() -> None:
    redirects = Redirects(a="https://hub.test/b")
    await follow(redirects, Endpoint("http://hub.test", CANARY))
    assert [shown for _, shown in redirects.seen] == [f"Bearer {CANARY}", None]


async def test_no_redirect_leads_out_of_tls() -> None:
    with pytest.raises(BadAnswer, match="out of TLS"):
        await follow(Redirects(a="http://hub.test/b"))


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://hub.test/x", "https://", "https://[::1", "javascript:1"]
)
async def test_redirects_to_what_is_no_web_address(location: str) -> None:
    with pytest.raises(Trouble):
        await follow(Redirects(a=location))


async def test_redirects_in_a_circle_end() -> None:
    redirects = Redirects(a="/b", b="/a")
    with pytest.raises(BadAnswer, match="redirects without end"):
        await follow(redirects)
    assert len(redirects.seen) == http.MAX_REDIRECTS + 1


async def test_ranges_and_no_compression_are_asked_for_on_every_hop() -> None:
    seen: list[tuple[str, str, str | None]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(
            (request.headers["range"], request.headers["accept-encoding"], request.headers.get("referer"))
        )
        if request.url.path == "/a":
            return httpx.Response(302, headers={"Location": "https://cdn.test/b"})
        return httpx.Response(206)

    reply = await over(handler).get(HOME, "https://hub.test/a", authorized=False, byte_range=(10, 20))
    await reply.aclose()
    assert seen == [("bytes=10-19", "identity", None)] * 2


async def test_cookies_are_not_kept() -> None:
    seen: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, headers={"Set-Cookie": "session=1; Path=/"})

    one = over(handler)
    for _ in range(2):
        await (await one.get(HOME, "https://hub.test/a", authorized=False)).aclose()
    assert seen == [None, None]


class Slow(httpx.AsyncBaseTransport):
    """Takes `headers` seconds to answer, then sends a block every `between` seconds."""

    def __init__(self, headers: float, between: float) -> None:
        self.headers, self.between = headers, between

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.sleep(self.headers)
        return httpx.Response(200, stream=_Slowly(self.between))


class _Slowly(httpx.AsyncByteStream):
    def __init__(self, between: float) -> None:
        self.between = between

    def __aiter__(self) -> _Slowly:
        return self

    async def __anext__(self) -> bytes:
        await trio.sleep(self.between)
        return b"x"


async def test_silence_before_the_headers_ends(autojump_clock: MockClock) -> None:
    one = Http(open_client(transport=Slow(headers=3600, between=1)))
    with pytest.raises(Unavailable, match="no answer for 30 s") as silent:
        await one.get(HOME, "https://hub.test/a", authorized=False)
    assert trio.current_time() == http.ANSWER_SECONDS
    assert not silent.value.answered


async def test_silence_within_a_body_ends(autojump_clock: MockClock) -> None:
    one = Http(open_client(transport=Slow(headers=1, between=http.STALL_SECONDS + 1)))
    reply = await one.get(HOME, "https://hub.test/a", authorized=False)
    with pytest.raises(Unavailable, match="it stopped sending for 10 s"):
        await reply.block()
    assert trio.current_time() == 1 + http.STALL_SECONDS
    await reply.aclose()
    assert trio.current_time() == 1 + http.STALL_SECONDS


async def test_a_body_that_drips_goes_on(autojump_clock: MockClock) -> None:
    one = Http(open_client(transport=Slow(headers=0, between=http.STALL_SECONDS - 1)))
    reply = await one.get(HOME, "https://hub.test/a", authorized=False)
    for _ in range(5):
        assert await reply.block() == b"x"
    await reply.aclose()
    assert trio.current_time() == 5 * (http.STALL_SECONDS - 1)


async def test_metadata_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_JSON", 100)
    for length, fits in ((100, True), (101, False)):
        content = b'"' + b"x" * (length - 2) + b'"'

        def handler(request: httpx.Request, content: bytes = content) -> httpx.Response:
            return httpx.Response(200, stream=httpx.ByteStream(content))

        reply = await over(handler).get(HOME, "https://hub.test/a", authorized=False)
        if fits:
            assert await reply.json() == "x" * 98
        else:
            with pytest.raises(BadAnswer, match="more than 100 bytes"):
                await reply.json()
        await reply.aclose()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff", b"[1, 2"])
async def test_what_is_no_json(content: bytes) -> None:
    reply = await over(lambda request: httpx.Response(200, stream=httpx.ByteStream(content))).get(
        HOME, "https://hub.test/", authorized=False
    )
    with pytest.raises(Trouble, match="no JSON"):
        await reply.json()
    await reply.aclose()


def test_settings_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://proxy:1")
    with pytest.raises(UsageError, match="proxy or certificate settings"):
        open_client()


def test_loopback_is_not_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.test:3128")
    client = open_client()
    direct = client._transport
    for url in ("http://127.0.0.1:8090/x", "http://localhost:1/", "http://[::1]:5/"):
        assert client._transport_for_url(httpx.URL(url)) is direct, url
    assert client._transport_for_url(httpx.URL("https://huggingface.co/")) is not direct
