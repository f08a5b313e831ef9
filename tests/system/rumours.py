"""What a host does that spreads rumours, and the one they are about: `python -m tests.system.rumours …`

mdns COUNT PLACE…     announces so many nodes at these addresses, by multicast, and damaged copies
peers TARGET PLACE…   links with the node at TARGET and tells it of nodes there
listen PLACE…         has nothing to do with it; tells which address is called, by whom, and what it says
"""

from __future__ import annotations

import ipaddress
import itertools
import random
import socket
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

import trio
from zeroconf import DNSOutgoing, ServiceInfo  # type: ignore[attr-defined]  # it is not in __all__

from protocol.announce import SERVICE_TYPE, Announcement
from protocol.messages import Peers, Ping, Pong
from swarm.exchange.tcp import TcpNetwork
from swarm.sources.address import Address
from tests.command.attacker import heard, stranger
from tests.exchange.bystander import Bystander
from tests.exchange.nodes import made_up
from tests.fuzz.test_corpus import mutated

MDNS: Final = ("224.0.0.251", 5353)
ANSWER: Final = 0x8400
"""A response, and authoritative (RFC 6762, 18)."""

AT_ONCE: Final = 50
"""Packets in one go: what a receiver's buffer holds."""


def announcement(number: int, place: Address) -> bytes:
    """One packet with all there is to know of a made-up node."""
    said = Announcement(made_up(number), place.port)
    name = f"n{number}.local."
    info = ServiceInfo(
        SERVICE_TYPE,
        said.instance,
        addresses=[ipaddress.ip_address(place.host).packed],
        port=place.port,
        properties=said.to_txt(),
        server=name,
    )
    packet = DNSOutgoing(ANSWER)
    for record in (info.dns_pointer(), info.dns_service(), info.dns_text(), *info.dns_addresses()):
        packet.add_answer_at_time(record, 0)
    (data,) = packet.packets()
    return data


def by_mdns(count: int, places: Sequence[Address]) -> None:
    dice = random.Random(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        out.bind(("", MDNS[1]))
        for number, place in zip(range(1, count + 1), itertools.cycle(places), strict=False):
            packet = announcement(number, place)
            out.sendto(packet, MDNS)
            out.sendto(mutated(packet, dice), MDNS)
            if number % AT_ONCE == 0:
                time.sleep(0.01)
    print("said", flush=True)


async def by_peers(target: Address, places: Sequence[Address]) -> None:
    async with stranger(target.port).linked(target, "control") as link:
        for number, place in enumerate(places, 1):
            link.say(Peers(((made_up(number), (str(place),)),)))
        link.say(Ping(1))
        await heard(link, Pong)
        print("said", flush=True)
        await trio.sleep_forever()


async def listen(places: Sequence[Address]) -> None:
    async with trio.open_nursery() as nursery:
        for place in places:
            told = partial(print, place, flush=True)
            bystander = Bystander(TcpNetwork(list), [place.host], told=told)
            await nursery.start(bystander.run, place.port)
        print("ready", flush=True)


def main(mode: str, *words: str) -> None:
    if mode == "mdns":
        by_mdns(int(words[0]), [*map(Address.parse, words[1:])])
        return
    target, *places = map(Address.parse, words)
    trio.run(by_peers, target, places) if mode == "peers" else trio.run(listen, [target, *places])


if __name__ == "__main__":
    main(*sys.argv[1:])
