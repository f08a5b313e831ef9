"""Records of our service as zeroconf hands them on: passed over, or addresses that are worth a dial.

u16: port | u8: which name | u8: number of addresses | that many IPv4 ones | the TXT record
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from zeroconf import ServiceInfo

from protocol.announce import SERVICE_TYPE, Announcement
from protocol.limits import MAX_ADDRESSES
from swarm.discovery.local import LocalAddress
from swarm.discovery.names import sighting_of
from swarm.sources.address import is_lan
from tests.protocol.peers import ALICE, BOB

HEAD = struct.Struct("!HBB")
IPV4 = 4
ME = Announcement(ALICE.node_id, 7677)
OTHER = Announcement(BOB.node_id, 7677)
HERE = (LocalAddress("eth0", 2, "192.168.1.5", 24),)
NAMES = (
    OTHER.instance,
    ME.instance,
    OTHER.instance.replace(SERVICE_TYPE, "").upper() + SERVICE_TYPE,
    f"nonsense.{SERVICE_TYPE}",
)


def seeds() -> Iterator[bytes]:
    txt = b"".join(bytes([len(k) + 1 + len(v)]) + k + b"=" + v for k, v in OTHER.to_txt().items())
    addresses = bytes([192, 168, 1, 9, 8, 8, 8, 8, 127, 0, 0, 1])
    for name in range(len(NAMES)):
        yield HEAD.pack(7677, name, 3) + addresses + txt


def run(data: bytes) -> None:
    if len(data) < HEAD.size:
        return
    port, name, count = HEAD.unpack_from(data)
    end = HEAD.size + IPV4 * count
    given = [data[at : at + IPV4] for at in range(HEAD.size, min(end, len(data) - IPV4 + 1), IPV4)]
    instance = NAMES[name % len(NAMES)]
    info = ServiceInfo(SERVICE_TYPE, instance, addresses=given, port=port, properties=data[end:])
    seen = sighting_of(info, ME, HERE)
    if seen is None:
        return
    assert seen.node_id == BOB.node_id
    assert 1 <= len(seen.addresses) <= MAX_ADDRESSES
    assert all(is_lan(address.host) and address.port == port for address in seen.addresses)
