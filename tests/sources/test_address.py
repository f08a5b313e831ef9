"""Addresses as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.sources.address import Address, is_lan, is_loopback


@pytest.mark.parametrize(
    ("text", "host", "port", "written"),
    [
        ("1.2.3.4:80", "1.2.3.4", 80, "1.2.3.4:80"),
        ("1.2.3.4", "1.2.3.4", 7677, "1.2.3.4:7677"),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80, "[fe80::1%eth0]:80"),
        ("[FD00:0::1]", "fd00::1", 7677, "[fd00::1]:7677"),
        ("fe80::1%eth0", "fe80::1%eth0", 7677, "[fe80::1%eth0]:7677"),
        ("::ffff:10.0.0.1", "10.0.0.1", 7677, "10.0.0.1:7677"),
        ("Node-1.Local.:80", "node-1.local", 80, "node-1.local:80"),
        ("0.0.0.0:0", "0.0.0.0", 0, "0.0.0.0:0"),
    ],
)
def test_reads_and_writes(text: str, host: str, port: int, written: str) -> None:
    address = Address.parse(text)
    assert (address.host, address.port, str(address)) == (host, port, written)


NOT_ADDRESSES = """
:80 host: host:http host:65536 host:-1 host:٣ http://host -a a..b fe80::1%eth0/x
1.2.3 1.2.3.4.5 256.1.1.1 224.0.0.1 ff02::1 [1.2.3.4]:80 [::1 [host]:80 []
"""


@pytest.mark.parametrize("text", ["", " ", "a b", "x" * 64, "a." * 127 + "a", *NOT_ADDRESSES.split()])
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        Address.parse(text)


@given(
    st.one_of(st.ip_addresses(), st.from_regex(r"[a-z][a-z0-9]{0,20}(\.[a-z][a-z0-9]{0,8})?", fullmatch=True))
)
def test_what_it_writes_it_reads(host: object) -> None:
    try:
        address = Address(str(host), 7677)
    except ValueError:
        return
    assert Address.parse(str(address), default_port=1) == address


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("host", "lan"),
    [
        ("10.255.0.1", True),
        ("172.16.0.1", True),
        ("172.32.0.1", False),
        ("192.168.0.1", True),
        ("169.254.1.1", True),
        ("127.9.9.9", True),
        ("100.64.0.1", False),
        ("203.0.113.1", False),
        ("2001:db8::1", False),
        ("8.8.8.8", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fd12::1", True),
        ("2606:4700::1", False),
        ("::ffff:192.168.1.1", True),
        ("::ffff:8.8.8.8", False),
        ("localhost", False),
    ],
)
def test_is_lan(host: str, lan: bool) -> None:
    assert is_lan(host) is lan


def test_loopback_and_dialable() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost")
    assert Address("node", 1).dialable
    assert not Address("10.0.0.1", 0).dialable
    assert not Address("::", 1).dialable
