"""Identities and attestations: who signed what, and that nothing signed for one end serves another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import ChunkDigest, SnapshotKey, node_id, to_text
from protocol.limits import MAX_CLAIMED_DIGESTS
from protocol.messages import BadMessage
from protocol.signing import (
    CLAIMS_DOMAIN,
    STATIC_KEY_DOMAIN,
    BadSignature,
    Identity,
    attest,
    check_claims,
    verify,
)
from tests.protocol.peers import ALICE, BOB, TOPIC

DIGESTS = [ChunkDigest(bytes([n]) * 32) for n in range(3)]


def test_an_identity_is_a_function_of_its_keys() -> None:
    """RFC 8032, section 7.1, test 1, and RFC 7748, section 6.1."""
    identity = Identity(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
        bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
    )
    assert identity.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert identity.noise_public.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert identity.node_id == node_id(identity.public_key)
    assert to_text(identity.node_id) == "nqyqieti6rywbhdz6xznxtby4sskwl2nifqqtjhat7hvb7ipabra"


def test_the_static_proof_is_that_of_the_libp2p_noise_specification() -> None:
    signed = b"noise-libp2p-static-key:" + ALICE.noise_public
    Ed25519PublicKey.from_public_bytes(ALICE.public_key).verify(ALICE.static_proof, signed)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_keys_of_another_length(length: int) -> None:
    with pytest.raises(ValueError):
        Identity(bytes(length), bytes(32))
    with pytest.raises(ValueError):
        Identity(bytes(32), bytes(length))


@pytest.mark.parametrize("domain", [b"", b"none", b"two:colons:", b"colon:first"])
def test_a_domain_ends_with_its_only_colon(domain: bytes) -> None:
    with pytest.raises(ValueError, match="colon"):
        ALICE.sign(domain, b"")


def test_claims_name_their_signer() -> None:
    claims = attest(ALICE, TOPIC, 7, DIGESTS, whole=True)
    assert check_claims(claims) == claims.signer == ALICE.node_id


def test_claims_touched_anywhere_are_refused() -> None:
    claims = attest(ALICE, TOPIC, 7, DIGESTS, whole=True)
    for touched in (
        replace(claims, topic=SnapshotKey(bytes(32))),
        replace(claims, first=8),
        replace(claims, digests=claims.digests[::-1]),
        replace(claims, digests=claims.digests[:2]),
        replace(claims, whole=False),
        replace(claims, public_key=BOB.public_key),
        replace(claims, public_key=b"\xff" * 32),
        replace(claims, signature=attest(BOB, TOPIC, 7, DIGESTS, whole=True).signature),
    ):
        with pytest.raises(BadSignature):
            check_claims(touched)


@given(st.integers(0, 63), st.integers(1, 255))
def test_a_signature_touched_anywhere_is_refused(position: int, flip: int) -> None:
    claims = attest(ALICE, TOPIC, 7, DIGESTS, whole=True)
    signature = bytearray(claims.signature)
    signature[position] ^= flip
    with pytest.raises(BadSignature):
        check_claims(replace(claims, signature=bytes(signature)))


def test_a_signature_serves_one_domain() -> None:
    signature = ALICE.sign(CLAIMS_DOMAIN, ALICE.noise_public)
    verify(ALICE.public_key, CLAIMS_DOMAIN, ALICE.noise_public, signature)
    with pytest.raises(BadSignature):
        verify(ALICE.public_key, STATIC_KEY_DOMAIN, ALICE.noise_public, signature)


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_any_key_and_signature_are_refused(key: bytes, signature: bytes) -> None:
    with pytest.raises(BadSignature):
        verify(key, CLAIMS_DOMAIN, b"data", signature)


def test_as_many_digests_as_a_message_may_have() -> None:
    check_claims(attest(ALICE, TOPIC, 0, DIGESTS[:1] * MAX_CLAIMED_DIGESTS, whole=False))
    for count in (0, MAX_CLAIMED_DIGESTS + 1):
        with pytest.raises(BadMessage):
            attest(ALICE, TOPIC, 0, DIGESTS[:1] * count, whole=False)
