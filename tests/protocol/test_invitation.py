"""Tokens, requests and grants: text that comes back as it was, and proofs that serve one node only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.armor import BadArmor, wrap
from protocol.ids import NodeId, SiteId
from protocol.invitation import (
    GRANT_PREFIX,
    Grant,
    Token,
    check_proof,
    parse_grant,
    parse_request,
    parse_token,
    request,
)
from protocol.limits import MAX_ADDRESS, MAX_ADDRESSES, MAX_ARMOR, MAX_NAME
from protocol.signing import BadSignature
from tests.protocol.sites import FOUNDED, FOUNDER, ISSUER, JOINED, MEMBER, NOW

TOKEN = Token(FOUNDED.site, FOUNDER.node_id, b"\x44" * 32, NOW, "lab", ("10.0.0.1:7677", "[fd00::1]:7677"))


def test_a_token_is_one_word_and_comes_back() -> None:
    word = str(TOKEN)
    assert parse_token(word) == TOKEN
    assert word.startswith("swarmtoken1_")
    assert not set(word) & set(" \n'\"$#:{}[]&*!|>%@`")


def test_the_longest_texts_fit() -> None:
    addresses = ("x" * MAX_ADDRESS,) * MAX_ADDRESSES
    longest = replace(TOKEN, name="é" * (MAX_NAME // 2), addresses=addresses)
    assert parse_token(str(longest)) == longest
    grant = Grant("é" * (MAX_NAME // 2), JOINED, addresses)
    assert parse_grant(str(grant)) == grant
    assert len(str(grant)) <= MAX_ARMOR


def test_the_secret_of_a_token_is_not_shown_by_accident() -> None:
    assert TOKEN.seed.hex() not in repr(TOKEN)
    assert str(TOKEN) not in repr(TOKEN)


@pytest.mark.parametrize(
    "change",
    [
        {"site": SiteId(b"x")},
        {"inviter": NodeId(b"x")},
        {"seed": b"x"},
        {"expires": -1},
        {"name": "a\nb"},
        {"addresses": ("x",) * (MAX_ADDRESSES + 1)},
        {"addresses": ("x" * (MAX_ADDRESS + 1),)},
    ],
    ids=repr,
)
def test_a_token_with_a_wrong_field(change: dict[str, object]) -> None:
    with pytest.raises(BadArmor):
        replace(TOKEN, **change)  # type: ignore[arg-type]  # wrong on purpose


def test_a_proof_serves_one_node_at_one_inviter_of_one_site() -> None:
    proof = TOKEN.proof(MEMBER.public_key)
    check_proof(TOKEN.invitation, TOKEN.site, TOKEN.inviter, MEMBER.public_key, proof)
    for wrong in (
        (ISSUER.public_key, TOKEN.site, TOKEN.inviter, MEMBER.public_key),
        (TOKEN.invitation, SiteId(bytes(32)), TOKEN.inviter, MEMBER.public_key),
        (TOKEN.invitation, TOKEN.site, ISSUER.node_id, MEMBER.public_key),
        (TOKEN.invitation, TOKEN.site, TOKEN.inviter, ISSUER.public_key),
    ):
        with pytest.raises(BadSignature):
            check_proof(*wrong, proof)


def test_a_request_is_signed_by_who_asks() -> None:
    asked = request(MEMBER, "h1")
    assert parse_request(str(asked)) == asked
    with pytest.raises(BadArmor):
        replace(asked, public_key=ISSUER.public_key)
    with pytest.raises(BadArmor):
        replace(asked, name="h2")


def test_words_of_one_kind_are_not_taken_for_another() -> None:
    words = [str(TOKEN), str(request(MEMBER, "h1")), str(Grant("lab", JOINED, ()))]
    for place, parse in enumerate((parse_token, parse_request, parse_grant)):
        for other, word in enumerate(words):
            if place != other:
                with pytest.raises(BadArmor):
                    parse(word)


def test_a_grant_that_nobody_gave() -> None:
    root_key, chain = JOINED.as_list()
    assert isinstance(chain, list)
    for wrong in ([root_key, [*chain[:-1], chain[0]]], [root_key, []], "x"):
        with pytest.raises(BadArmor):
            parse_grant(wrap(GRANT_PREFIX, ["lab", [], wrong]))
    with pytest.raises(BadArmor):
        parse_grant(wrap(GRANT_PREFIX, ["lab", [1], JOINED.as_list()]))
