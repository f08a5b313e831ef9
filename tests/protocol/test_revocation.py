"""Revocation lists: who may sign them, whom they put out, and that all nodes come to the same."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec
from protocol.ids import NodeId
from protocol.limits import MAX_AUTHORITIES, MAX_REVOCATION, MAX_REVOKED
from protocol.membership import ISSUER_SECONDS, Rights, admit
from protocol.revocation import BadRevocation, Revocation, Revocations, decode_revocation, revoke
from tests.protocol.sites import (
    FOUNDED,
    FOUNDER,
    ISSUER,
    ISSUING,
    JOINED,
    MEMBER,
    NOW,
    OTHER_ROOT,
    ROOT,
    joined,
    person,
)
from tests.protocol.strategies import values

SITE = JOINED.site
A, B = (NodeId(bytes([number]) * 32) for number in (1, 2))


def by_founder(*nodes: NodeId, before: Revocation | None = None) -> Revocation:
    return revoke(FOUNDER, ROOT.public_key, FOUNDED, before, nodes, NOW)


def by_issuer(*nodes: NodeId, before: Revocation | None = None) -> Revocation:
    return revoke(ISSUER, ROOT.public_key, ISSUING, before, nodes, NOW)


def by_root(*nodes: NodeId) -> Revocation:
    return revoke(ROOT, ROOT.public_key, None, None, nodes, NOW)


@pytest.mark.parametrize("one", [by_root(A, B), by_founder(A), by_issuer()], ids=["root", "founder", "none"])
def test_encoding(one: Revocation) -> None:
    assert decode_revocation(one.encode()) == one


def test_the_longest_list_fits() -> None:
    nodes = [NodeId(number.to_bytes(32, "big")) for number in range(MAX_REVOKED)]
    assert len(by_issuer(*nodes).encode()) <= MAX_REVOCATION
    with pytest.raises(BadRevocation):
        by_issuer(*nodes, A)


def test_a_list_grows() -> None:
    first = by_founder(B)
    second = by_founder(A, before=first)
    assert (second.version, second.nodes) == (2, (A, B))


def test_who_is_out() -> None:
    said = Revocations(SITE, [by_founder(MEMBER.node_id)])
    assert said.revoked(JOINED) == MEMBER.node_id
    assert said.revoked(ISSUING) is None


def test_a_revoked_issuer_takes_with_it_what_it_issued() -> None:
    said = Revocations(SITE, [by_founder(ISSUER.node_id)])
    assert said.revoked(ISSUING) == said.revoked(JOINED) == ISSUER.node_id
    assert said.revoked(joined(MEMBER)) is None


def test_nobody_puts_out_its_equals_or_betters() -> None:
    said = Revocations(SITE, [by_issuer(FOUNDER.node_id, ISSUER.node_id), by_founder(FOUNDER.node_id)])
    assert said.revoked(FOUNDED) is None
    assert said.revoked(JOINED) is None
    assert Revocations(SITE, [by_root(FOUNDER.node_id)]).revoked(FOUNDED) == FOUNDER.node_id


def test_a_member_may_not_revoke() -> None:
    with pytest.raises(BadRevocation, match="may not"):
        revoke(MEMBER, ROOT.public_key, JOINED, None, [A], NOW)


@pytest.mark.parametrize("made", [NOW - 1, NOW + ISSUER_SECONDS + 1])
def test_a_list_made_when_its_signer_was_nobody(made: int) -> None:
    good = by_founder(A)
    signed = codec.encode([good.site, 1, made, [A]])
    with pytest.raises(BadRevocation, match="did not hold"):
        replace(good, made=made, signature=FOUNDER.sign(b"lanswarm-revocation-1:", signed))


def test_the_newer_list_counts_whatever_comes_first() -> None:
    old = by_founder(A)
    new = by_founder(B, before=old)
    said = Revocations(SITE)
    assert [said.add(one) for one in (old, old, new, old)] == [True, False, True, False]
    assert said.by(FOUNDER.public_key) == new
    assert said.lists == (new,)


def test_two_lists_of_one_version_are_taken_alike_by_all() -> None:
    lists = [by_founder(A), by_founder(B), by_issuer(A), by_root(B)]
    for order in permutations(lists):
        assert Revocations(SITE, order).lists == Revocations(SITE, lists).lists


def test_a_list_of_a_revoked_signer_is_not_taken() -> None:
    said = Revocations(SITE, [by_founder(ISSUER.node_id)])
    assert not said.add(by_issuer(MEMBER.node_id))
    assert said.revoked(joined(MEMBER)) is None


def test_lists_of_another_site_and_of_too_many_signers() -> None:
    said = Revocations(SITE)
    assert not said.add(revoke(OTHER_ROOT, OTHER_ROOT.public_key, None, None, [A], NOW))
    for number in range(100, 100 + MAX_AUTHORITIES):
        issuer = person(number)
        theirs = admit(FOUNDED, FOUNDER, issuer.public_key, Rights.ISSUER, NOW, ISSUER_SECONDS)
        assert said.add(revoke(issuer, ROOT.public_key, theirs, None, [A], NOW))
    assert not said.add(by_founder(A))


def test_what_nobody_signed() -> None:
    good = by_founder(A, B)
    for change in (
        {"version": 2},
        {"made": NOW + 1},
        {"nodes": (A,)},
        {"nodes": (B, A)},
        {"nodes": (A, A)},
        {"signer": ISSUING},
        {"signer": None},
        {"root_key": OTHER_ROOT.public_key},
        {"signature": bytes(64)},
    ):
        with pytest.raises(BadRevocation):
            replace(good, **change)


@given(values.map(codec.encode) | st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadRevocation):
        decode_revocation(data)


@given(st.data())
def test_any_byte_changed_is_refused(data: st.DataObject) -> None:
    encoded = bytearray(by_issuer(A, B).encode())
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadRevocation):
        decode_revocation(bytes(encoded))
