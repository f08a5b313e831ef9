"""Real nodes on a LAN on which somebody makes up others, by mDNS and to their faces: it costs them little, a
machine that has nothing to do with it is hardly called, and one beyond the LAN never."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.frames import LENGTH
from protocol.limits import MIB
from protocol.noise import KEY
from swarm.exchange.hearsay import MAX_CANDIDATES_OF_A_HOST
from swarm.sources.address import Address
from tests.command.attacker import peak
from tests.lan.fixtures import MakeLan
from tests.system.site import MB, Site, wait_until

PORTS = range(9001, 9001 + 3 * MAX_CANDIDATES_OF_A_HOST)
NAMES = 3000
SPARE = 64 * MIB
"""A daemon's memory may grow by this: zeroconf keeps what it hears for as long as that says it is valid."""


def test_made_up_nodes_keep_nobody_from_the_real_ones(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=4, wan_mbit=100)
    bystander, villain = lan.hosts[2:]
    for number, host in enumerate(lan.hosts, 1):
        host.run(["ip", "addr", "add", f"203.0.113.{number}/24", "dev", "e0"])
    inside = [f"{bystander.address}:{port}" for port in PORTS]
    outside = [f"203.0.113.3:{port}" for port in PORTS]
    third = bystander.python("-m", "tests.system.rumours", "listen", *inside, *outside)
    third.expect("^ready")
    site = Site(lan, [4 * MB])
    first, second = site.members[:2]
    site.start([first])
    before = peak(first.daemon.pid)
    rumours = [
        villain.python("-m", "tests.system.rumours", "mdns", str(NAMES), *inside, *outside),
        villain.python("-m", "tests.system.rumours", "peers", f"{lan[0].address}:7677", *outside, *inside),
    ]
    for rumour in rumours:
        rumour.expect("^said")
    site.start([second])
    site.meet([first, second])
    for get in [member.get() for member in (first, second)]:
        site.check(get.result())
    wait_until(
        "a call to the bystander ends", lambda: any(call.said != "None" for call in called(third.out.lines))
    )
    assert not any(member.logged("Traceback") for member in (first, second))
    assert peak(first.daemon.pid) - before < SPARE
    calls = called(third.out.lines)
    assert {call.place.host for call in calls} == {bystander.address}
    for caller in {call.caller for call in calls}:
        places = {call.place for call in calls if call.caller == caller}
        assert len(places) <= MAX_CANDIDATES_OF_A_HOST
    assert {call.said for call in calls} == {"None", str(LENGTH.size + KEY)}


@dataclass(frozen=True)
class Call:
    """Somebody called the bystander here, and has said so many bytes in the end, None while it stays."""

    place: Address
    caller: str
    said: str


def called(lines: list[str]) -> list[Call]:
    told = [line.split() for line in lines if line != "ready"]
    return [Call(Address.parse(place), caller, said) for place, caller, said in told]
