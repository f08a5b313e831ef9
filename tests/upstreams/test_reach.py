"""Where a redirect may lead: told by addresses in a table, and by connections to real sockets."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import pytest
import trio
import trio.testing

from swarm.sources.address import ip_address
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.http import Http, open_client
from swarm.upstreams.reach import Allowed, Fence, Level, Reached, level_of
from swarm.upstreams.trouble import BadAnswer, Unavailable

TARGET = ("http", "cdn.test", 80)
HOME = ("http", "hub.test", 80)


@pytest.mark.parametrize(
    ("host", "level"),
    [
        ("8.8.8.8", Level.PUBLIC),
        ("2606:4700::1", Level.PUBLIC),
        ("64:ff9b::808:808", Level.PUBLIC),
        ("203.0.113.1", Level.PUBLIC),
        ("198.18.0.9", Level.PUBLIC),
        ("2001:db8::1", Level.PUBLIC),
        ("10.1.2.3", Level.PRIVATE),
        ("172.16.0.1", Level.PRIVATE),
        ("192.168.0.1", Level.PRIVATE),
        ("100.64.0.1", Level.PRIVATE),
        ("fd00::1", Level.PRIVATE),
        ("255.255.255.255", Level.PRIVATE),
        ("224.0.0.1", Level.PRIVATE),
        ("64:ff9b::a00:1", Level.PRIVATE),
        ("64:ff9b:1::a00:1", Level.PRIVATE),
        ("64:ff9b:1:ffff::1%eth0", Level.PRIVATE),
        ("fec0::1", Level.PRIVATE),
        ("::7f00:1", Level.PRIVATE),
        ("::ffff:0:a00:1", Level.PRIVATE),
        ("ff0e::1", Level.PRIVATE),
        ("2001::7f00:1", Level.PRIVATE),
        ("::ffff:10.0.0.1", Level.PRIVATE),
        ("2002:a00:1::", Level.PRIVATE),
        ("240.0.0.1", Level.PRIVATE),
        ("0.1.2.3", Level.PRIVATE),
        ("169.254.169.254", Level.LINK),
        ("::ffff:169.254.169.254", Level.LINK),
        ("64:ff9b::a9fe:a9fe", Level.LINK),
        ("fe80::1%eth0", Level.LINK),
        ("127.0.0.1", Level.MACHINE),
        ("127.8.8.8", Level.MACHINE),
        ("::1", Level.MACHINE),
        ("0.0.0.0", Level.MACHINE),
        ("::", Level.MACHINE),
        ("::ffff:127.0.0.1", Level.MACHINE),
        ("2002:7f00:1::", Level.MACHINE),
        ("64:ff9b::7f00:1", Level.MACHINE),
        ("64:ff9b::", Level.MACHINE),
        ("::ffff:0.0.0.0", Level.MACHINE),
    ],
)
def test_levels(host: str, level: Level) -> None:
    address = ip_address(host)
    assert address is not None
    assert level_of(address) is level


class Stream:
    """What httpcore hands to a trace: a connection that came to `host`."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.closed = False

    def get_extra_info(self, name: str) -> Any:
        assert name == "server_addr"
        return self.host, 80

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed = True


async def connect(fence: Fence, stream: Stream, through: str = "cdn.test") -> None:
    await fence.trace("connection.connect_tcp.started", {"host": through, "port": 80})
    await fence.trace("connection.connect_tcp.complete", {"return_value": stream})
    await fence.trace("http11.send_request_headers.started", {})


def resolves(*hosts: str) -> Any:
    async def resolve(name: str, port: int) -> Collection[str]:
        await trio.lowlevel.checkpoint()
        assert (name, port) == ("cdn.test", 80)
        return hosts

    return resolve


def fence(limit: Level, *hosts: str, allowed: Collection[str] = (), reached: Reached | None = None) -> Fence:
    return Fence(TARGET, limit, reached or Reached(), Allowed.parse(allowed), resolves(*hosts))


@pytest.mark.parametrize(
    "inner",
    ["10.0.0.1", "169.254.169.254", "127.0.0.1", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "0.0.0.0", "::"],
)
async def test_a_name_that_leads_inward_is_not_connected_to(inner: str) -> None:
    with pytest.raises(BadAnswer, match=r"cdn\.test, which is"):
        await connect(fence(Level.PUBLIC, "8.8.8.8", inner), Stream("8.8.8.8"))


async def test_a_name_that_means_something_else_once_it_is_connected_to() -> None:
    stream = Stream("127.0.0.1")
    with pytest.raises(BadAnswer, match="on this machine"):
        await connect(fence(Level.PUBLIC, "8.8.8.8"), stream)
    assert stream.closed


@pytest.mark.parametrize(
    ("limit", "may"),
    [
        (Level.PUBLIC, {"8.8.8.8"}),
        (Level.PRIVATE, {"8.8.8.8", "10.0.0.1"}),
        (Level.LINK, {"8.8.8.8", "10.0.0.1", "169.254.1.1"}),
        (Level.MACHINE, {"8.8.8.8", "10.0.0.1", "169.254.1.1", "127.0.0.1"}),
    ],
)
async def test_outward_or_on_the_level(limit: Level, may: set[str]) -> None:
    went = set()
    for host in ("8.8.8.8", "10.0.0.1", "169.254.1.1", "127.0.0.1"):
        try:
            await connect(fence(limit, host), Stream(host))
        except BadAnswer:
            continue
        went.add(host)
    assert went == may


@pytest.mark.parametrize("allowed", ["cdn.test", "CDN.test", "10.0.0.0/8", "10.0.0.1"])
async def test_what_the_operator_allowed(allowed: str) -> None:
    reached = Reached()
    for _ in range(2):
        one = fence(Level.PUBLIC, "10.0.0.1", allowed=[allowed], reached=reached)
        one.check()
        await connect(one, Stream("10.0.0.1"))


async def test_a_connection_that_is_there_is_judged_as_well() -> None:
    """Somebody named this host as an endpoint of his; that is no leave for others to be sent there."""
    reached = Reached()
    await connect(fence(Level.MACHINE, reached=reached), Stream("127.0.0.1"))
    with pytest.raises(BadAnswer, match="on this machine"):
        fence(Level.PUBLIC, reached=reached).check()
    fence(Level.MACHINE, reached=reached).check()


async def test_what_a_proxy_connects_to_is_its_own_affair() -> None:
    reached = Reached()
    await connect(fence(Level.PUBLIC, reached=reached), Stream("127.0.0.1"), through="proxy.test")
    assert reached.innermost(TARGET) is Level.PUBLIC


@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.1", "0.0.0.0", "::1"])
def test_addresses_are_refused_even_where_a_proxy_would_be_asked(host: str) -> None:
    with pytest.raises(BadAnswer, match=host):
        Fence(("http", host, 80), Level.PRIVATE, Reached(), Allowed()).check()


def test_how_far_in_an_endpoint_is() -> None:
    reached = Reached()
    assert reached.home(HOME) is Level.PUBLIC
    assert reached.home(("http", "10.0.0.1", 80)) is Level.PRIVATE
    reached.note(HOME, Level.MACHINE)
    assert reached.home(HOME) is Level.MACHINE
    reached.note(HOME, Level.PUBLIC)
    reached.note(HOME, Level.MACHINE)
    assert reached.home(HOME) is Level.PUBLIC, "a name that was public cannot make itself at home here"


# --- over sockets ---------------------------------------------------------------------------------


class Site:
    """A server on loopback that redirects /a to `to`; `heard` counts the connections and the bytes sent."""

    def __init__(self) -> None:
        self.to = ""
        self.port = 0
        self.connections = 0
        self.heard = b""

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        async with stream:
            while data := await stream.receive_some():
                self.heard += bytes(data)
                if b" /a " in bytes(data):
                    head = f"HTTP/1.1 302 Found\r\nLocation: {self.to}\r\nContent-Length: 0\r\n\r\n"
                else:
                    head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                await stream.send_all(head.encode())


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    made = Site()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, made.serve, 0, host="127.0.0.1"))
        made.port = listeners[0].socket.getsockname()[1]
        yield made
        nursery.cancel_scope.cancel()


async def fetch(http: Http, endpoint: Endpoint, path: str) -> int:
    reply = await http.get(endpoint, f"{endpoint.url}{path}", authorized=False)
    await reply.discard()
    return reply.status


HERE: Final = [
    *("127.0.0.1", "localhost", "LOCALHOST", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("0.0.0.0", "[::]", "[::1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]"),
]
"""This machine, as names and addresses."""

SPELT_OTHERWISE: Final = ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "①②⑦.0.0.1", "localhost."]
"""The same as only some resolvers read it; where none does, nothing is connected to."""


@pytest.mark.parametrize("host", [*HERE, *SPELT_OTHERWISE])
async def test_a_public_endpoint_leads_nobody_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """The endpoint is here, too; the client was told that it had been reached on the internet."""
    async with site() as hub, site() as inner, open_client() as client:
        hub.to = f"http://{host}:{inner.port}/secret"
        endpoint = Endpoint(f"http://127.0.0.1:{hub.port}")
        client.reached.note(endpoint.origin, Level.PUBLIC)
        with pytest.raises(BadAnswer if host in HERE else (BadAnswer, Unavailable)):
            await fetch(Http(client), endpoint, "/a")
        assert (inner.connections, inner.heard) == (0, b"")


class Names(trio.abc.HostnameResolver):
    """A name server that gives one answer after another, the last of them for ever."""

    def __init__(self, *answers: Collection[str]) -> None:
        self.answers = list(answers)

    async def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> Any:
        await trio.lowlevel.checkpoint()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]

    async def getnameinfo(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("nobody asks this")


async def redirected(names: Names) -> Site:
    """What becomes of a server here that a public endpoint redirects to, by a name that `names` resolves."""
    async with site() as hub, site() as inner, open_client() as client:
        trio.socket.set_custom_hostname_resolver(names)
        hub.to = f"http://cdn.test:{inner.port}/secret"
        endpoint = Endpoint(f"http://127.0.0.1:{hub.port}")
        client.reached.note(endpoint.origin, Level.PUBLIC)
        with pytest.raises(BadAnswer, match=r"cdn\.test, which is on this machine"):
            await fetch(Http(client), endpoint, "/a")
        await trio.testing.wait_all_tasks_blocked()
        return inner


async def test_a_name_with_an_address_here_among_others_is_not_connected_to() -> None:
    inner = await redirected(Names(["203.0.113.1", "127.0.0.1"]))
    assert (inner.connections, inner.heard) == (0, b"")


async def test_a_name_that_changes_between_the_check_and_the_connection_is_told_nothing() -> None:
    inner = await redirected(Names(["203.0.113.1"], ["127.0.0.1"]))
    assert inner.connections == 1
    assert inner.heard == b""


async def test_an_endpoint_of_this_machine_may_lead_here() -> None:
    async with site() as hub, site() as inner, open_client() as client:
        hub.to = f"http://localhost:{inner.port}/file"
        endpoint = Endpoint(f"http://127.0.0.1:{hub.port}")
        for _ in range(2):
            assert await fetch(Http(client), endpoint, "/a") == 200
        assert inner.connections == 1


async def test_an_allowed_host_of_this_machine() -> None:
    async with site() as hub, site() as inner, open_client(allowed=Allowed.parse(["localhost"])) as client:
        hub.to = f"http://localhost:{inner.port}/file"
        endpoint = Endpoint(f"http://127.0.0.1:{hub.port}")
        client.reached.note(endpoint.origin, Level.PUBLIC)
        assert await fetch(Http(client), endpoint, "/a") == 200
