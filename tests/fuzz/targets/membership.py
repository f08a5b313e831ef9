"""Badges and memberships: none passes that the root and those it certified did not sign, and what passes can
be judged.

    u8: bytes as they are, or a chain that the holders of the keys signed | the encoding
    a chain: any number of  u8: who signs, who is certified | u8: rights | u16: issued | u16: expires
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise

from protocol import codec
from protocol.limits import MAX_CHAIN
from protocol.membership import (
    CERTIFICATE_DOMAIN,
    Badge,
    BadMembership,
    Membership,
    decode_badge,
    decode_membership,
)
from protocol.signing import SigningKey
from protocol.standing import judge
from tests.protocol.sites import FOUNDED, FOUNDER, ISSUER, ISSUING, JOINED, MEMBER, NOW, OTHER_ROOT, ROOT

LINK = struct.Struct("!BBHH")
KEYS: tuple[SigningKey, ...] = (ROOT, FOUNDER, ISSUER, MEMBER, OTHER_ROOT)
GRANTED = {certificate.signature for each in (FOUNDED, ISSUING, JOINED) for certificate in each.chain}
OURS = {key.public_key for key in (ROOT, FOUNDER, ISSUER, MEMBER)}
HERE = Badge(JOINED, NOW, serves_open=False)
RAW, SIGNED = range(2)


def seeds() -> Iterator[bytes]:
    for each in (FOUNDED, ISSUING, JOINED):
        yield bytes([RAW]) + each.encode()
    yield bytes([RAW]) + Badge(JOINED, NOW, serves_open=True).encode()
    good = LINK.pack(0x01, 2, 0, 900) + LINK.pack(0x12, 1, 0, 900) + LINK.pack(0x23, 0, 5, 90)
    yield bytes([SIGNED]) + good
    yield bytes([SIGNED]) + good[: LINK.size] + LINK.pack(0x12, 2, 0, 901)
    yield bytes([SIGNED]) + LINK.pack(0x41, 2, 0, 900) + LINK.pack(0x33, 9, 7, 7)


def run(data: bytes) -> None:
    if not data:
        return
    if data[0] % 2 == SIGNED:
        check_chain(data[1:])
    else:
        check_bytes(data[1:])


def check_bytes(data: bytes) -> None:
    for decode in (decode_membership, decode_badge):
        try:
            found = decode(data)
        except BadMembership:
            continue
        assert found.encode() == data
        membership = found if isinstance(found, Membership) else found.membership
        for certificate in membership.chain:
            assert certificate.signer not in OURS or certificate.signature in GRANTED
        badge = found if isinstance(found, Badge) else Badge(found, NOW, serves_open=False)
        judge(HERE, badge, None, NOW)
        judge(badge, None, None, NOW)


def check_chain(data: bytes) -> None:
    """It is a membership if each was signed by the one before it and is given less, and only then."""
    links = [LINK.unpack_from(data, at) for at in range(0, len(data) - LINK.size + 1, LINK.size)]
    links = links[: MAX_CHAIN + 1]
    rows = [(who >> 4, who & 0xF, rights, issued, expires) for who, rights, issued, expires in links]
    rows = [(by % len(KEYS), to % len(KEYS), *rest) for by, to, *rest in rows]
    encoded = codec.encode([ROOT.public_key, [certified(*row) for row in rows]])
    try:
        membership = decode_membership(encoded)
    except BadMembership:
        assert not holds(rows)
        return
    assert holds(rows)
    assert membership.node_id == membership.chain[-1].node_id


def certified(by: int, to: int, rights: int, issued: int, expires: int) -> list[object]:
    statement = codec.encode([JOINED.site, KEYS[to].public_key, rights, issued, expires])
    signature = KEYS[by].sign(CERTIFICATE_DOMAIN, statement)
    return [KEYS[to].public_key, rights, issued, expires, signature]


def holds(rows: list[tuple[int, int, int, int, int]]) -> bool:
    """The same rule in other words."""
    in_order = [0, *(to for _, to, *_ in rows)][: len(rows)] == [by for by, *_ in rows]
    less = all(low[2] < high[2] and high[3] <= low[3] and low[4] <= high[4] for high, low in pairwise(rows))
    each = all(rights <= 2 and issued < expires for _, _, rights, issued, expires in rows)
    return 1 <= len(rows) <= MAX_CHAIN and in_order and less and each
