"""Discovery between hosts of a real network: real multicast, cables, addresses."""

from __future__ import annotations

import json
import re
import signal

from tests.lan.fixtures import MakeLan
from tests.lan.harness import Host
from tests.lan.process import HostProcess


def watch(host: Host, node: int, *options: str) -> HostProcess:
    """Start a node that only discovers, and wait until it announces itself."""
    arguments = ("--node", str(node), "--port", str(7000 + node), *options)
    process = host.python("-m", "tests.discovery.watch", *arguments)
    process.expect(f'"ready": {node}')
    return process


def seen(process: HostProcess, node: int, address: str = "", *, anywhere: bool = True) -> list[str]:
    """Wait for a sighting of the node, at this address if one is given, and return its addresses."""
    pattern = rf'.*"seen": {node}, .*"{re.escape(address)}.*'
    addresses: list[str] = json.loads(process.expect(pattern, anywhere=anywhere)[0])["at"]
    return addresses


def gone(process: HostProcess, node: int) -> None:
    process.expect(f'"gone": {node}')


def test_three_hosts_see_each_other_and_hear_goodbye(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=3)
    nodes = [watch(host, number) for number, host in enumerate(lan.hosts, 1)]
    assert seen(nodes[0], 2)[0] == "10.77.0.11:7002"
    assert seen(nodes[1], 1) == ["10.77.0.10:7001", "[fd77::a]:7001"]
    assert seen(nodes[2], 1)[0] == "10.77.0.10:7001"
    assert seen(nodes[2], 2)[0] == "10.77.0.11:7002"
    assert nodes[1].stop() == 0
    gone(nodes[0], 2)
    gone(nodes[2], 2)
    assert not any("Traceback" in line for node in nodes for line in node.err.lines)


def test_a_node_that_starts_without_a_cable_is_found_once_it_has_one(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=2)
    lan[0].cut()
    alone, other = watch(lan[0], 1), watch(lan[1], 2)
    lan[0].mend()
    assert seen(other, 1)[0] == "10.77.0.10:7001"
    assert seen(alone, 2)[0] == "10.77.0.11:7002"


def test_the_lan_is_asked_again_and_again(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=2)
    lan[0].cut(silently=True)
    first, second = watch(lan[0], 1, "--ask-again", "1"), watch(lan[1], 2)
    lan[0].mend()
    for _round in range(3):
        seen(first, 2, anywhere=False)
    seen(second, 1)


def test_a_new_address_is_announced(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=2)
    mover, other = watch(lan[0], 1), watch(lan[1], 2)
    seen(other, 1, "10.77.0.10:7001")
    seen(mover, 2)
    lan[0].readdress(99)
    seen(other, 1, "10.77.0.99:7001")


def test_a_killed_node_is_seen_again_at_its_new_port(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=2)
    other, doomed = watch(lan[1], 2), watch(lan[0], 1)
    seen(other, 1, "10.77.0.10:7001")
    assert doomed.kill() == -signal.SIGKILL
    again = lan[0].python("-m", "tests.discovery.watch", "--node", "1", "--port", "8001")
    seen(again, 2)
    seen(other, 1, "10.77.0.10:8001")


def test_ipv6_alone_is_enough(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=2)
    for host in lan.hosts:
        host.run(["ip", "addr", "flush", "dev", "e0", "scope", "global"])
    first, second = watch(lan[0], 1), watch(lan[1], 2)
    assert seen(first, 2) == ["[fe80::b%e0]:7002"]
    assert seen(second, 1) == ["[fe80::a%e0]:7001"]


def test_only_the_chosen_network_is_announced(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=2)
    lan[0].run(["ip", "addr", "add", "192.168.9.1/24", "dev", "e0"])
    other = watch(lan[1], 2)
    watch(lan[0], 1, "--interface", "192.168.9.0/24")
    assert seen(other, 1) == ["192.168.9.1:7001"]


def test_nodes_of_one_machine_without_a_network_meet_on_loopback(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=1)
    lan[0].cut()
    first, second = watch(lan[0], 1), watch(lan[0], 2)
    assert seen(first, 2)[0] == "127.0.0.1:7002"
    assert seen(second, 1)[0] == "127.0.0.1:7001"
