"""Revocation lists: none passes under a key of ours that its holder did not sign, and a list that passes puts
out nobody with as many rights as its signer.

    u8: bytes as they are, or signed by its holder | u8: who signs | the encoding
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol import codec
from protocol.ids import NodeId
from protocol.membership import Membership
from protocol.revocation import (
    REVOCATION_DOMAIN,
    BadRevocation,
    Revocation,
    Revocations,
    decode_revocation,
    revoke,
)
from protocol.signing import SigningKey
from tests.protocol.sites import FOUNDED, FOUNDER, ISSUER, ISSUING, JOINED, MEMBER, NOW, ROOT

SIGNERS: tuple[tuple[SigningKey, Membership | None], ...] = (
    (ROOT, None),
    (FOUNDER, FOUNDED),
    (ISSUER, ISSUING),
    (MEMBER, JOINED),
)
LISTS = tuple(
    revoke(key, ROOT.public_key, signer, None, [MEMBER.node_id, NodeId(bytes(32))], NOW)
    for key, signer in SIGNERS[:3]
)
RAW, SIGNED = range(2)


def seeds() -> Iterator[bytes]:
    for each in LISTS:
        yield bytes([RAW, 0]) + each.encode()
    ids = [FOUNDER.node_id, ISSUER.node_id, MEMBER.node_id]
    for signer in range(len(SIGNERS)):
        yield bytes([SIGNED, signer]) + codec.encode([7, NOW, sorted(ids)])
    yield bytes([SIGNED, 1]) + codec.encode([7, NOW, ids[::-1]])


def run(data: bytes) -> None:
    if len(data) < 2:
        return
    body, signed = data[2:], data[0] % 2 == SIGNED
    encoded = by(data[1] % len(SIGNERS), body) if signed else body
    try:
        found = decode_revocation(encoded)
    except BadRevocation:
        return
    assert found.encode() == encoded
    assert signed or found.root_key != ROOT.public_key or found in LISTS
    check(found)


def by(who: int, body: bytes) -> bytes:
    """A list whose version, time and nodes are these, as this signer would send it."""
    key, signer = SIGNERS[who]
    try:
        terms = codec.decode(body)
    except codec.BadEncoding:
        return body
    values = terms if isinstance(terms, list) else [terms]
    chain = signer.as_list()[1] if signer else []
    signature = key.sign(REVOCATION_DOMAIN, codec.encode([JOINED.site, *values]))
    return codec.encode([ROOT.public_key, chain, *values, signature])


def check(found: Revocation) -> None:
    assert found.signer is None or found.signer.rights > JOINED.rights
    known = Revocations(JOINED.site)
    if not known.add(found):
        assert found.site != JOINED.site
        return
    assert not known.add(found)
    for membership in (FOUNDED, ISSUING, JOINED):
        out = known.revoked(membership)
        listed = [each for each in membership.chain if each.node_id in found.nodes]
        assert (out is not None) == any(each.rights < found.rights for each in listed)
