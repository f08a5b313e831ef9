"""Certificates and their chains: only what was granted can exist, and only for as long as it was granted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec
from protocol.ids import SiteId, site_id
from protocol.limits import MAX_CHAIN, MAX_MEMBERSHIP, MAX_TIME
from protocol.membership import (
    CLOCK_TOLERANCE,
    DAY,
    ISSUER_SECONDS,
    MEMBER_SECONDS,
    Badge,
    BadMembership,
    Certificate,
    Membership,
    Rights,
    admit,
    decode_badge,
    decode_membership,
    found,
    lifetime_of,
)
from protocol.signing import CLAIMS_DOMAIN
from tests.protocol.sites import FOUNDED, FOUNDER, ISSUER, ISSUING, JOINED, MEMBER, NOW, OTHER_ROOT, ROOT
from tests.protocol.strategies import values


def test_a_member_and_what_it_says() -> None:
    assert JOINED.node_id == MEMBER.node_id
    assert JOINED.site == site_id(ROOT.public_key)
    assert [certificate.rights for certificate in JOINED.chain] == [2, 1, 0]
    assert JOINED.own.expires == NOW + MEMBER_SECONDS
    assert JOINED.renew_at == NOW + MEMBER_SECONDS / 2
    assert FOUNDED.own.expires == ISSUING.own.expires == NOW + ISSUER_SECONDS
    assert lifetime_of(Rights.MEMBER) == 30 * DAY
    assert lifetime_of(Rights.ISSUER) == 365 * DAY


@pytest.mark.parametrize("membership", [FOUNDED, ISSUING, JOINED])
def test_encoding(membership: Membership) -> None:
    assert decode_membership(membership.encode()) == membership
    badge = Badge(membership, NOW, serves_open=True)
    assert decode_badge(badge.encode()) == badge


def test_the_longest_badge_fits_a_handshake() -> None:
    assert len(JOINED.chain) == MAX_CHAIN
    assert len(Badge(JOINED, MAX_TIME, serves_open=True).encode()) <= MAX_MEMBERSHIP // 4


@pytest.mark.parametrize(
    ("now", "fault"),
    [
        (NOW, None),
        (NOW - CLOCK_TOLERANCE, None),
        (NOW - CLOCK_TOLERANCE - 1, "not valid yet"),
        (NOW + MEMBER_SECONDS - 1, None),
        (NOW + MEMBER_SECONDS, "expired"),
    ],
)
def test_when_it_holds(now: int, fault: str | None) -> None:
    assert JOINED.fault_at(now) == fault


def test_nobody_outlives_who_issued_it() -> None:
    late = NOW + ISSUER_SECONDS - 5 * DAY
    assert admit(ISSUING, ISSUER, MEMBER.public_key, Rights.MEMBER, late, MEMBER_SECONDS).own.expires == (
        ISSUING.own.expires
    )
    with pytest.raises(BadMembership):
        admit(ISSUING, ISSUER, MEMBER.public_key, Rights.MEMBER, NOW + ISSUER_SECONDS, MEMBER_SECONDS)


def test_an_issuer_whose_clock_is_behind_that_of_its_founder() -> None:
    early = admit(ISSUING, ISSUER, MEMBER.public_key, Rights.MEMBER, NOW - 3600, MEMBER_SECONDS)
    assert early.own.issued == ISSUING.own.issued


@pytest.mark.parametrize(
    ("above", "rights"),
    [
        (FOUNDED, Rights.FOUNDER),
        (FOUNDED, Rights.ROOT),
        (ISSUING, Rights.ISSUER),
        (ISSUING, Rights.FOUNDER),
        (JOINED, Rights.MEMBER),
    ],
)
def test_nobody_gives_what_it_has_not(above: Membership, rights: Rights) -> None:
    keys = {FOUNDED: FOUNDER, ISSUING: ISSUER, JOINED: MEMBER}
    with pytest.raises(BadMembership):
        admit(above, keys[above], b"\x07" * 32, rights, NOW, MEMBER_SECONDS)


@pytest.mark.parametrize(
    "change",
    [
        {"site": SiteId(site_id(OTHER_ROOT.public_key))},
        {"public_key": FOUNDER.public_key},
        {"rights": 1},
        {"rights": True},
        {"rights": 3},
        {"issued": NOW - 1},
        {"expires": NOW + MEMBER_SECONDS + 1},
        {"expires": MAX_TIME + 1},
        {"signer": FOUNDER.public_key},
        {"signature": bytes(64)},
        {"signature": bytes(63)},
        {"public_key": b""},
    ],
    ids=repr,
)
def test_a_certificate_that_nobody_signed_cannot_exist(change: dict[str, object]) -> None:
    with pytest.raises(BadMembership):
        replace(JOINED.own, **change)  # type: ignore[arg-type]  # wrong on purpose


def test_a_signature_made_for_something_else_does_not_serve() -> None:
    own = JOINED.own
    with pytest.raises(BadMembership):
        replace(own, signature=ISSUER.sign(CLAIMS_DOMAIN, own.statement()))


def test_a_certificate_that_ends_before_it_begins() -> None:
    with pytest.raises(BadMembership, match="ends before"):
        found(ROOT, FOUNDER.public_key, NOW, lifetime=0)


def test_chains_with_a_break() -> None:
    founder, issuer, member = JOINED.chain
    direct = admit(FOUNDED, FOUNDER, MEMBER.public_key, Rights.MEMBER, NOW, MEMBER_SECONDS).own
    other = found(OTHER_ROOT, FOUNDER.public_key, NOW)
    broken: list[tuple[bytes, tuple[Certificate, ...]]] = [
        (ROOT.public_key, ()),
        (ROOT.public_key, (issuer, member)),
        (ROOT.public_key, (founder, member)),
        (ROOT.public_key, (founder, issuer, direct)),
        (ROOT.public_key, (founder, issuer, member, member)),
        (ROOT.public_key, other.chain),
        (ROOT.public_key, (*other.chain, issuer)),
        (OTHER_ROOT.public_key, JOINED.chain),
    ]
    for root_key, chain in broken:
        with pytest.raises(BadMembership):
            Membership(root_key, chain)


def test_a_certificate_of_another_site_by_the_same_founder() -> None:
    """Who founds two sites cannot have the members of one pass for those of the other."""
    other = found(OTHER_ROOT, FOUNDER.public_key, NOW)
    theirs = admit(other, FOUNDER, MEMBER.public_key, Rights.MEMBER, NOW, MEMBER_SECONDS)
    with pytest.raises(BadMembership):
        Membership(ROOT.public_key, (*FOUNDED.chain, theirs.own))


def test_bytes_that_are_not_canonical_or_not_whole() -> None:
    data = JOINED.encode()
    for wrong in (data[:-1], data + b"\0", bytes(MAX_MEMBERSHIP + 1), b""):
        with pytest.raises(BadMembership):
            decode_membership(wrong)
    with pytest.raises(BadMembership):
        decode_badge(data)
    with pytest.raises(BadMembership):
        decode_badge(codec.encode([*JOINED.as_list(), True, True]))
    with pytest.raises(BadMembership):
        decode_badge(codec.encode([*JOINED.as_list(), -1, True]))


@given(values.map(codec.encode) | st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    for decode in (decode_membership, decode_badge):
        with pytest.raises(BadMembership):
            decode(data)


@given(st.data())
def test_any_byte_changed_is_refused(data: st.DataObject) -> None:
    encoded = bytearray(JOINED.encode())
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadMembership):
        decode_membership(bytes(encoded))
