"""What is made of a resolved service instance, and how many instances are followed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

import pytest
from zeroconf.asyncio import AsyncServiceInfo

from protocol.announce import SERVICE_TYPE, Announcement
from protocol.ids import NodeId
from swarm.discovery.local import LocalAddress
from swarm.discovery.names import MAX_NAMES, MAX_RESOLVING, Names, named_zone, sighting_of
from swarm.discovery.responder import service_info
from swarm.discovery.sightings import Event, Sighting, Vanished
from swarm.sources.address import Address

ME = Announcement(NodeId(b"\1" * 32), 7677)
OTHER = Announcement(NodeId(b"\2" * 32), 7001)
HERE = (LocalAddress("eth0", 2, "192.168.1.5", 24),)
THERE = (LocalAddress("eth0", 7, "192.168.1.9", 24), LocalAddress("eth0", 7, "fe80::9%eth0", 64))


def resolved(
    announcement: Announcement = OTHER,
    *,
    name: str | None = None,
    txt: Mapping[bytes, bytes | None] | None = None,
) -> AsyncServiceInfo:
    """An instance as zeroconf would have resolved it, with another name or TXT record if wanted."""
    return AsyncServiceInfo(
        SERVICE_TYPE,
        name or announcement.instance,
        port=announcement.port,
        properties=dict(announcement.to_txt() if txt is None else txt),
        parsed_addresses=["192.168.1.9"],
    )


def test_a_record_becomes_a_sighting() -> None:
    expected = Sighting(OTHER.node_id, (Address("192.168.1.9", 7001),), "mdns")
    assert sighting_of(resolved(), ME, HERE) == expected


def test_what_one_node_announces_another_one_reads() -> None:
    info = service_info(OTHER, THERE)
    assert info.parsed_addresses() == ["192.168.1.9", "fe80::9"]
    seen = sighting_of(info, ME, HERE)
    assert seen is not None
    assert seen.addresses == (Address("192.168.1.9", 7001),)


@pytest.mark.parametrize(
    "info",
    [
        resolved(ME),
        resolved(txt={}),
        resolved(txt={b"id": b"x", b"v": b"1"}),
        resolved(txt={b"id": None, b"v": b"1"}),
        resolved(name=f"nonsense.{SERVICE_TYPE}"),
        resolved(OTHER, name=ME.instance),
        resolved(Announcement(OTHER.node_id, OTHER.port, version=2)),
        AsyncServiceInfo(SERVICE_TYPE, OTHER.instance, port=0, properties=OTHER.to_txt()),
    ],
    ids=[
        "ourselves",
        "empty",
        "no-id",
        "id-without-value",
        "wrong-name",
        "our-name",
        "other-version",
        "no-port",
    ],
)
def test_other_records_are_passed_over(info: AsyncServiceInfo) -> None:
    assert sighting_of(info, ME, HERE) is None


def test_a_node_that_is_nowhere_near_is_passed_over() -> None:
    far = AsyncServiceInfo(
        SERVICE_TYPE,
        OTHER.instance,
        port=1,
        properties=OTHER.to_txt(),
        parsed_addresses=["8.8.8.8", "127.0.0.1"],
    )
    assert sighting_of(far, ME, HERE) is None


def test_zones_get_the_name_of_the_interface() -> None:
    index, name = socket.if_nameindex()[0]
    assert named_zone(f"fe80::1%{index}") == f"fe80::1%{name}"
    assert named_zone("fe80::1%eth0") == "fe80::1%eth0"
    assert named_zone("10.0.0.1") == "10.0.0.1"
    with pytest.raises(ValueError, match="no interface"):
        named_zone(f"fe80::1%{2**30}")


class Lan:
    """A LAN as `Names` asks it: `answers` says what a name stands for, once `reply` is set."""

    def __init__(self) -> None:
        self.answers: dict[str, Sighting | None] = {}
        self.asked: list[str] = []
        self.reply = asyncio.Event()
        self.events: list[Event] = []
        self.names = Names(self.resolve, self.events.append)

    async def resolve(self, name: str) -> Sighting | None:
        self.asked.append(name)
        await self.reply.wait()
        return self.answers.get(name)


def sighting(node: int, port: int = 7677) -> Sighting:
    return Sighting(NodeId(bytes([node]) * 32), (Address("192.168.1.9", port),), "mdns")


async def settled() -> None:
    """Let every task of the loop go as far as it can."""
    for _round in range(100):
        await asyncio.sleep(0)


def test_a_name_is_seen_and_vanishes() -> None:
    async def scenario(lan: Lan) -> None:
        lan.answers = {"a": sighting(1)}
        lan.reply.set()
        lan.names.heard("a")
        await settled()
        lan.names.gone("a")
        lan.names.gone("a")
        lan.names.gone("never heard of")
        await lan.names.close()

    lan = Lan()
    asyncio.run(scenario(lan))
    assert lan.events == [sighting(1), Vanished(NodeId(b"\1" * 32))]


def test_news_while_a_name_is_resolved_are_not_lost() -> None:
    async def scenario(lan: Lan) -> None:
        lan.answers = {"a": sighting(1)}
        for _time in range(3):
            lan.names.heard("a")
            await settled()
        assert lan.asked == ["a"]
        lan.reply.set()
        await settled()

    lan = Lan()
    asyncio.run(scenario(lan))
    assert lan.asked == ["a", "a"]
    assert lan.events == [sighting(1), sighting(1)]


def test_what_says_goodbye_while_it_is_resolved_is_not_reported() -> None:
    async def scenario(lan: Lan) -> None:
        lan.answers = {"a": sighting(1)}
        lan.names.heard("a")
        await settled()
        lan.names.gone("a")
        lan.reply.set()
        await settled()

    lan = Lan()
    asyncio.run(scenario(lan))
    assert lan.events == []


def test_a_flood_of_names_costs_no_more_than_the_limit() -> None:
    async def scenario(lan: Lan) -> None:
        for number in range(MAX_NAMES + 10):
            lan.names.heard(f"name {number}")
        await settled()
        assert len(lan.asked) == MAX_RESOLVING
        lan.reply.set()
        await settled()
        assert len(lan.asked) == MAX_NAMES
        lan.names.heard("a")
        await settled()

    lan = Lan()
    asyncio.run(scenario(lan))
    assert lan.asked[-1] == "a"


def test_closing_drops_what_is_being_resolved() -> None:
    async def scenario(lan: Lan) -> None:
        lan.names.heard("a")
        await settled()
        await lan.names.close()
        assert len(asyncio.all_tasks()) == 1

    lan = Lan()
    asyncio.run(scenario(lan))
    assert lan.events == []
