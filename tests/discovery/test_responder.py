"""What the responder asks of zeroconf, and how it ends."""

from __future__ import annotations

from typing import NoReturn

import pytest
from zeroconf import IPVersion

from protocol.announce import SERVICE_TYPE, Announcement
from protocol.ids import NodeId
from swarm.discovery import responder
from swarm.discovery.local import LocalAddress
from swarm.discovery.responder import Responder, ip_version, service_info, sockets_for

ME = Announcement(NodeId(b"\1" * 32), 7677)
LO = LocalAddress("lo", 1, "127.0.0.1", 8)
LO6 = LocalAddress("lo", 1, "::1", 128)
ETH = LocalAddress("eth0", 2, "192.168.1.5", 24)
ETH6 = LocalAddress("eth0", 2, "fd00::5", 64)
LINK6 = LocalAddress("eth0", 2, "fe80::5%eth0", 64)


def test_sockets_are_opened_for_each_ipv4_address_and_each_ipv6_interface() -> None:
    assert sockets_for([LO, LO6, ETH, ETH6, LINK6]) == ["127.0.0.1", "192.168.1.5", 2]
    assert sockets_for([]) == []


def test_ip_versions() -> None:
    assert ip_version([ETH]) is IPVersion.V4Only
    assert ip_version([LINK6]) is IPVersion.V6Only
    assert ip_version([ETH, LINK6]) is IPVersion.All
    assert ip_version([]) is IPVersion.V4Only


def test_the_service_names_this_node_and_its_addresses() -> None:
    info = service_info(ME, [ETH, LINK6])
    assert (info.type, info.name, info.port) == (SERVICE_TYPE, ME.instance, 7677)
    assert info.server == f"{ME.instance.partition('.')[0]}.local."
    assert info.parsed_addresses() == ["192.168.1.5", "fe80::5"]


def refuse(*_arguments: object, **_options: object) -> NoReturn:
    raise PermissionError(1, "Operation not permitted")


def vanish(*_arguments: object, **_options: object) -> NoReturn:
    raise RuntimeError("No adapter found for index 7")


@pytest.mark.parametrize(("failure", "told"), [(refuse, "not permitted"), (vanish, "index 7")])
def test_what_the_system_refuses_is_returned(
    failure: object, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "AsyncZeroconf", failure)
    refused = Responder(ME, (ETH,), report=lambda _event: None, ready=lambda: None)
    assert told in refused.run()
    refused.change((LO,))
    refused.stop()


def test_stopped_before_it_runs_it_says_goodbye_at_once() -> None:
    made = Responder(ME, (LO,), report=lambda _event: None, ready=lambda: None)
    made.stop()
    assert made.run() == ""


def test_no_address_at_all_is_no_reason_to_fail() -> None:
    made = Responder(ME, (), report=lambda _event: None, ready=lambda: None)
    made.change((LO,))
    made.change(())
    made.stop()
    assert made.run() == ""
