"""Two exchanges over TCP on loopback, and what the network adapter does with ports and hosts."""

from __future__ import annotations

import socket
from functools import partial

import pytest
import trio
import trio.lowlevel

from protocol.bits import everything
from swarm.errors import UsageError
from swarm.exchange import tcp
from swarm.exchange.exchange import Exchange
from swarm.exchange.interfaces import Handler, PeerGone
from swarm.exchange.tcp import TcpNetwork
from swarm.sources.address import Address
from swarm.workers import ThreadWorkers
from tests.exchange.nodes import Content, Inbox, Offer, Seen, Shelf, entropy, identity

PATIENCE = 20


def loopback() -> list[str]:
    return ["127.0.0.1", "::1"] if socket.has_ipv6 and _has_loopback6() else ["127.0.0.1"]


def exchange(number: int, shelf: Shelf, *, port: int = 0, any_port: bool = True) -> Exchange:
    return Exchange(
        identity(number),
        TcpNetwork(loopback),
        shelf,
        port=port,
        agent=f"test/{number}",
        entropy=entropy(number),
        workers=ThreadWorkers(),
        hosts=["127.0.0.1"],
        any_port=any_port,
    )


async def listening(nursery: trio.Nursery, network: TcpNetwork, handler: Handler) -> int:
    """Listen on all hosts of the network; the port."""
    port: int = await nursery.start(partial(network.listen, 0, None, handler))
    return port


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
                assert await leech.asking.manifest(event.peer, content.key) == content.snapshot.encoded
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
    network = TcpNetwork(loopback)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            port = await listening(nursery, network, hang_up)
            for host in loopback():
                stream = await network.dial(Address(host, port))
                assert await stream.receive_some(1) == b""
                assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                await stream.aclose()
            assert remote == loopback()
            nursery.cancel_scope.cancel()


async def test_addresses_that_come_and_go_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.2 stands for an address that a lease brings and takes."""
    here = ["127.0.0.1"]
    looked = trio.Event()

    def hosts() -> list[str]:
        trio.from_thread.run_sync(looked.set)
        return list(here)

    async def look_again() -> None:
        nonlocal looked
        for _ in range(2):  # once it has looked again, it has done what it saw the time before
            looked = trio.Event()
            await looked.wait()

    monkeypatch.setattr(tcp, "FOLLOW_SECONDS", 0)
    network, streams = TcpNetwork(hosts), list[trio.abc.Stream]()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:

            async def keep(stream: trio.abc.Stream, host: str | None) -> None:
                streams.append(stream)
                await stream.send_all(b"!")
                await trio.sleep_forever()

            port = await listening(nursery, network, keep)
            with pytest.raises(OSError, match="connect"):
                await network.dial(Address("127.0.0.2", port))
            here.append("127.0.0.2")
            await look_again()
            kept = await network.dial(Address("127.0.0.2", port))
            assert await kept.receive_some(1) == b"!"
            here.remove("127.0.0.2")
            await look_again()
            with pytest.raises(OSError, match="connect"):
                await network.dial(Address("127.0.0.2", port))
            await streams[0].send_all(b"?")
            assert await kept.receive_some(1) == b"?"
            nursery.cancel_scope.cancel()
    for stream in (kept, *streams):
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize(
    ("local", "remote", "admitted"),
    [
        ("192.168.1.5", "192.168.1.9", True),
        ("192.168.1.5", "10.0.0.9", True),
        ("fe80::5%eth0", "fe80::9%eth0", True),
        ("192.168.1.5", "8.8.8.8", False),
        ("fd00::5", "2606:4700::1", False),
        ("127.0.0.1", "100.64.0.9", False),
        ("8.8.4.4", "8.8.8.8", True),
        ("8.8.4.4", "192.168.1.9", True),
        (None, None, False),
    ],
)
def test_who_is_admitted_where(local: str | None, remote: str | None, admitted: bool) -> None:
    assert tcp.admits(local, remote) is admitted


async def test_a_stranger_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(stream: trio.abc.Stream, host: str | None) -> None:
        raise AssertionError

    monkeypatch.setattr(tcp, "admits", lambda local, remote: False)
    network = TcpNetwork(loopback)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            port = await listening(nursery, network, nobody)
            async with await network.dial(Address("127.0.0.1", port)) as stream:
                assert await stream.receive_some(1) == b""
            nursery.cancel_scope.cancel()


async def test_a_host_that_is_not_here_cannot_be_listened_on() -> None:
    async def nobody(stream: trio.abc.Stream, host: str | None) -> None:
        raise AssertionError

    with pytest.raises(OSError, match="assign"):
        await TcpNetwork(loopback).listen(
            0, ["127.0.0.1", "192.0.2.1"], nobody, task_status=trio.TASK_STATUS_IGNORED
        )


async def test_a_closed_port_refuses() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="connect"):
            await TcpNetwork(loopback).dial(Address("127.0.0.1", bound.getsockname()[1]))


def _has_loopback6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
        return True
