"""Hubs in memory behind an httpx client, so that a virtual clock can run a stalled download in no time."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import trio

from swarm.cli.demo_repo import Repository
from swarm.cli.demo_site import Answer, Pause, Request
from tests.hub.faults import Faults, FaultySite

Respond = Callable[[Request], Answer]


def site(name: str, *repositories: Repository, faults: Faults | None = None) -> FaultySite:
    """A hub at https://{name}.test whose large files lie at https://cdn.{name}.test; its time is trio's."""
    return FaultySite(repositories, cdn_url=f"https://cdn.{name}.test", faults=faults, now=trio.current_time)


def url(name: str) -> str:
    return f"https://{name}.test"


class HubTransport(httpx.AsyncBaseTransport):
    """Hands requests to the hub whose host they name; a host nobody has cannot be connected to."""

    def __init__(self, **sites: FaultySite) -> None:
        self.hosts: dict[str, Respond] = {}
        for name, one in sites.items():
            self.hosts |= {f"{name}.test": one.answer, f"cdn.{name}.test": one.answer_cdn}
        self.down: set[str] = set()
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        self.asked.append(request)
        host = request.url.host
        if host in self.down or host not in self.hosts:
            raise httpx.ConnectError(f"cannot connect to {host}", request=request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.raw_path.decode()
        answer = self.hosts[host](Request(request.method, target, headers, await request.aread()))
        await trio.sleep(answer.delay)
        return httpx.Response(answer.status, headers=dict(answer.headers), stream=_Body(answer))


class _Body(httpx.AsyncByteStream):
    """An answer's body; pauses take virtual time, and less than was promised is a protocol error."""

    def __init__(self, answer: Answer) -> None:
        length = answer.headers.get("Content-Length")
        self._left = None if length is None else int(length)
        self._blocks = iter(answer.body)

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        for block in self._blocks:
            if isinstance(block, Pause):
                await trio.sleep(block.seconds)
                continue
            await trio.lowlevel.checkpoint()
            if self._left is not None:
                self._left -= len(block)
            return block
        await trio.lowlevel.checkpoint()
        if self._left:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._blocks = iter(())
