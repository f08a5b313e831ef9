"""Two exchanges over TCP on loopback, and what the network adapter does with ports and hosts."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.lowlevel

from protocol.bits import everything
from swarm.errors import UsageError
from swarm.exchange.exchange import Exchange
from swarm.exchange.interfaces import PeerGone
from swarm.exchange.tcp import TcpNetwork
from swarm.sources.address import Address
from swarm.workers import ThreadWorkers
from tests.exchange.nodes import Content, Inbox, Offer, Seen, Shelf, entropy, identity

PATIENCE = 20


def exchange(number: int, shelf: Shelf, *, port: int = 0, any_port: bool = True) -> Exchange:
    return Exchange(
        identity(number),
        TcpNetwork(),
        shelf,
        port=port,
        agent=f"test/{number}",
        entropy=entropy(number),
        workers=ThreadWorkers(),
        hosts=["127.0.0.1"],
        any_port=any_port,
    )


async def test_a_snapshot_travels_over_tcp() -> None:
    content = Content(9_000_000, 100, 200, 70_000)
    seeds, leeches = Shelf(), Shelf()
    seeds.add(Offer(content, everything(content.layout.total)))
    leeches.add(Offer(content, 0))
    seed, leech = exchange(1, seeds), exchange(2, leeches)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            port = await nursery.start(seed.run)
            await nursery.start(leech.run)
            with leech.join(content.key, content.digest) as topic:
                leech.sighting(Seen(None, (Address("127.0.0.1", port),)))
                event = await topic.events.receive()
                inbox = Inbox()
                await topic.source(event.peer).fetch(range(content.layout.total), inbox.deliver)
                assert [inbox.chunks[n] for n in sorted(inbox.chunks)] == [
                    content.chunk(n) for n in range(content.layout.total)
                ]
                assert await leech.manifest(event.peer, content.key) == content.snapshot.encoded
                assert seed.peers()[0].address == Address("127.0.0.1", leech.port)
                seed.distrust(leech.me, 100)
                async for happened in topic.events:
                    if isinstance(happened, PeerGone):
                        break
            nursery.cancel_scope.cancel()


async def test_ports() -> None:
    with trio.fail_after(PATIENCE), socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with trio.open_nursery() as nursery:
            assert await nursery.start(exchange(1, Shelf(), port=port).run) != port
            nursery.cancel_scope.cancel()
        with pytest.raises(UsageError, match=str(port)):
            await exchange(1, Shelf(), port=port, any_port=False).run()


async def test_all_hosts_share_one_port() -> None:
    async def hang_up(stream: trio.abc.Stream, host: str | None) -> None:
        remote.append(host)
        await stream.aclose()

    remote: list[str | None] = []
    network = TcpNetwork()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:

            async def listen(task_status: trio.TaskStatus[int]) -> None:
                await network.listen(0, None, hang_up, task_status=task_status)

            port = await nursery.start(listen)
            hosts = ["127.0.0.1", "::1"] if socket.has_ipv6 and _has_loopback6() else ["127.0.0.1"]
            for host in hosts:
                stream = await network.dial(Address(host, port))
                assert await stream.receive_some(1) == b""
                assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                await stream.aclose()
            assert remote == hosts
            nursery.cancel_scope.cancel()


async def test_a_host_that_is_not_here_cannot_be_listened_on() -> None:
    async def nobody(stream: trio.abc.Stream, host: str | None) -> None:
        raise AssertionError

    with pytest.raises(OSError, match="assign"):
        await TcpNetwork().listen(0, ["127.0.0.1", "192.0.2.1"], nobody, task_status=trio.TASK_STATUS_IGNORED)


async def test_a_closed_port_refuses() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="connect"):
            await TcpNetwork().dial(Address("127.0.0.1", bound.getsockname()[1]))


def _has_loopback6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
        return True
