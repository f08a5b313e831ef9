"""Networks as they are: without multicast, with addresses that change, with more than one network."""

from __future__ import annotations

import re
import sys

import pytest

from swarm.sources.address import is_lan
from tests.lan.fixtures import MakeLan
from tests.system.site import MB, Member, Site, bytes_from, wait_until


def test_one_static_address_does_without_multicast(make_lan: MakeLan) -> None:
    """Everybody knows one node, and is told by it of the others."""
    lan = make_lan(hosts=5, wan_mbit=60)
    for host in lan.hosts:
        host.drop_multicast()
    site = Site(lan, [8 * MB], SWARM_PEERS=lan[0].address)
    site.start()
    site.meet()
    assert {row["via"] for row in site[1].peers()} <= {"static", "exchange", "inbound"}
    gets = [member.get() for member in site.members]
    for get in gets:
        site.check(get.result())
    assert site.sent_in_all() <= 1.02 * site.size


def test_gets_without_mdns_and_without_a_daemon(make_lan: MakeLan) -> None:
    """A daemon on one host; the others know its address and are nodes only while they fetch."""
    lan = make_lan(hosts=3, wan_mbit=60)
    site = Site(lan, [8 * MB], SWARM_MDNS="0", SWARM_PEERS=lan[0].address)
    site.start(site.members[:1])
    site.check(site[0].get().result())
    for get in [member.get() for member in site.members[1:]]:
        assert bytes_from(site.check(get.result()), "upstream") == 0
    assert site.sent_in_all() <= 1.02 * site.size


def test_an_address_changes_while_the_model_comes(make_lan: MakeLan) -> None:
    site = Site(make_lan(hosts=3, wan_mbit=30), [12 * MB])
    site.start()
    site.meet()
    gets = [member.get() for member in site.members]
    site.until_sent(0.3)
    origin = site.origin()
    mover = next(member for member in site.members if member is not origin)
    old = f"{mover.host.address}:7677"
    mover.host.readdress(99)
    for get in gets:
        site.check(get.result())
    others = [member for member in site.members if member is not mover]
    wait_until(
        "the others see it where it is now",
        lambda: all(member.address_of(mover) not in ("", old) for member in others),
    )


def test_who_stops_is_seen_no_more(make_lan: MakeLan) -> None:
    site = Site(make_lan(hosts=3), [])
    site.start()
    site.meet()
    assert {row["node"] for row in site[0].ask("peers")} == {site[1].id, site[2].id}
    assert site[2].daemon.stop() == 0
    wait_until("the others lose it", lambda: not site[0].sees([site[2]]) and not site[1].sees([site[2]]))
    assert [row["node"] for row in site[0].ask("peers")] == [site[1].id]


def test_only_the_chosen_network_is_used(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=3, wan_mbit=60)
    for number, host in enumerate(lan.hosts, 1):
        host.run(["ip", "addr", "add", f"192.168.9.{number}/24", "dev", "e0"])
    site = Site(lan, [4 * MB], SWARM_INTERFACE="192.168.9.0/24")
    site.start()
    site.meet()
    for number, member in enumerate(site.members, 1):
        status = member.ask("status")
        assert status["listen"] == [f"192.168.9.{number}:7677"]
        assert all(row["address"].startswith("192.168.9.") for row in status["peers"])
    gets = [member.get() for member in site.members]
    for get in gets:
        site.check(get.result())
    assert site.sent_in_all() <= 1.02 * site.size


CALL = """
import socket, sys
local, remote = sys.argv[1:]
try:
    stream = socket.create_connection((remote, 7677), timeout=5, source_address=(local, 0))
    print("closed" if stream.recv(1) == b"" else "answered")
except ConnectionRefusedError:
    print("refused")
except ConnectionResetError:
    print("closed")
"""
"""Call a node from one address of ours at one of its own, and say nothing."""


def test_a_public_address_is_not_listened_on(make_lan: MakeLan) -> None:
    """Nor are strangers heard who get through to a private one."""
    lan = make_lan(hosts=2)
    for number, host in enumerate(lan.hosts, 1):
        host.run(["ip", "addr", "add", f"203.0.113.{number}/24", "dev", "e0"])
    site = Site(lan, [])
    site.start()
    site.meet()

    def call(local: str, remote: str) -> str:
        return lan[1].run([sys.executable, "-c", CALL, local, remote]).stdout.strip()

    assert site[0].ask("status")["listen"][0] == f"{lan[0].address}:7677"
    assert call("203.0.113.2", "203.0.113.1") == "refused"
    assert call("203.0.113.2", lan[0].address) == "closed"
    told = lan[0].run(["ss", "-Htln", "( sport = :7677 )"]).stdout.splitlines()
    heard = {re.split(r"[%\]]|:7677$", line.split()[3].lstrip("["))[0] for line in told}
    assert lan[0].address in heard
    assert all(is_lan(host) for host in heard)


def test_a_public_address_is_listened_on_when_told_to(make_lan: MakeLan) -> None:
    lan = make_lan(hosts=2, wan_mbit=60)
    for number, host in enumerate(lan.hosts, 1):
        host.run(["ip", "addr", "add", f"203.0.113.{number}/24", "dev", "e0"])
    site = Site(lan, [1 * MB], SWARM_MDNS="0")
    site[0].begin(SWARM_LISTEN="203.0.113.1:7677")
    site[0].ready()
    site.check(site[0].get().result())
    result = site.check(site[1].get("--peers", "203.0.113.1", "--offline").result(), "manifest")
    assert bytes_from(result, "peer") == site.size


REDIRECT = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked", flush=True)
        self.send_response(302)
        self.send_header("Location", sys.argv[2] + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

server = ThreadingHTTPServer(("", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
"""
"""An upstream that sends everybody elsewhere."""


@pytest.mark.parametrize(
    ("elsewhere", "what"),
    [
        ("http://127.0.0.1:8100", "on this machine"),
        ("http://localhost:8100", "on this machine"),
        ("http://169.254.169.254:8100", "at a link-local address"),
        ("http://h1:8100", "on a private network"),
    ],
)
def test_an_upstream_leads_nobody_into_the_lan(make_lan: MakeLan, elsewhere: str, what: str) -> None:
    lan = make_lan(hosts=2)
    lan[0].run(["ip", "addr", "add", "203.0.113.1/24", "dev", "e0"])
    lan[1].run(["ip", "addr", "add", "169.254.169.254/16", "dev", "e0"])
    lan[0].run(["ip", "addr", "add", "169.254.1.1/16", "dev", "e0"])
    lan.wan.run(["ip", "addr", "add", "203.0.113.2/24", "dev", "e0"])
    inside = [host.python("-c", REDIRECT, "8100", "http://127.0.0.1:9") for host in lan.hosts]
    upstream = lan.wan.python("-c", REDIRECT, "80", elsewhere)
    for process in (*inside, upstream):
        process.expect("ready")
    member = Member(lan[0], {})
    result = member.get(HF_ENDPOINT="http://203.0.113.2", SWARM_MDNS="0")
    assert result.process.wait(60) == 5, result.process.report()
    assert result.process.err.find(what, 0.0, anywhere=True), result.process.report()
    assert upstream.out.find("asked", 0.0, anywhere=True)
    for process in inside:
        assert not process.out.find("asked", 0.0, anywhere=True)
    allowed = member.get(HF_ENDPOINT="http://203.0.113.2", SWARM_MDNS="0", SWARM_REDIRECTS=lan[1].address)
    allowed.process.wait(60)
    assert bool(inside[1].out.find("asked", 0.0, anywhere=True)) == ("h1" in elsewhere)
