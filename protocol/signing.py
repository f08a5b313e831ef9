"""Who a node is, and what it signs.

A node holds two keys: an Ed25519 key, which is its identity, and an X25519 key for the Noise handshake,
bound to the first by a signature as in the libp2p noise specification. Every signature covers a domain
before the data, so that one made for a purpose never passes for another: a domain ends with its only
colon, hence none is the beginning of another followed by data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import codec
from protocol.ids import ChunkDigest, NodeId, SnapshotKey, node_id
from protocol.messages import Claims

STATIC_KEY_DOMAIN: Final = b"noise-libp2p-static-key:"
"""Over the 32 bytes of a Noise static key (libp2p noise specification, "Static Key Authentication")."""

CLAIMS_DOMAIN: Final = b"lanswarm-claims-1:"
"""Over the encoded list of topic, first, digests and whole (docs/protocol.md, "Attestations")."""

UNSIGNED: Final = bytes(64)
"""Stands where a signature will be."""


class BadSignature(ValueError):
    """The key did not sign this."""


class SigningKey:
    """An Ed25519 key made from its 32-byte seed; `public_key` is the 32 raw bytes of the public one.

    ValueError when the seed has another length.
    """

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, domain: bytes, data: bytes) -> bytes:
        """64 bytes: the Ed25519 signature over domain and data."""
        return self._key.sign(_signed(domain, data))


class Identity(SigningKey):
    """A node's two private keys: 32 bytes of Ed25519 seed and 32 bytes of X25519 private key.

    `noise_public` is the 32 raw bytes of the second's public key; `static_proof` is the signature of the
    first over it. ValueError when a key has another length.
    """

    def __init__(self, ed25519_seed: bytes, noise_private: bytes) -> None:
        super().__init__(ed25519_seed)
        self.noise_private = noise_private
        self.noise_public = X25519PrivateKey.from_private_bytes(noise_private).public_key().public_bytes_raw()
        self.node_id = node_id(self.public_key)
        self.static_proof = self.sign(STATIC_KEY_DOMAIN, self.noise_public)


def verify(public_key: bytes, domain: bytes, data: bytes, signature: bytes) -> None:
    """Raise BadSignature unless the holder of `public_key` (32 raw bytes) signed `data` in `domain`."""
    signed = _signed(domain, data)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except (InvalidSignature, ValueError) as error:
        raise BadSignature(f"not signed by the key it names ({domain.decode('ascii')}…)") from error


def attest(
    identity: Identity, topic: SnapshotKey, first: int, digests: Sequence[ChunkDigest], whole: bool
) -> Claims:
    """A signed statement: chunks `first`, `first` + 1, … of `topic` have these digests.

    `whole` says that their blobs were checked against the publisher's digest. BadMessage when there are
    no digests or more than MAX_CLAIMED_DIGESTS.
    """
    plain = Claims(topic, first, tuple(digests), whole, identity.public_key, UNSIGNED)
    signature = identity.sign(CLAIMS_DOMAIN, _statement(plain))
    return Claims(topic, first, plain.digests, whole, identity.public_key, signature)


def check_claims(claims: Claims) -> NodeId:
    """The node that signed these claims; BadSignature when the key they name did not."""
    verify(claims.public_key, CLAIMS_DOMAIN, _statement(claims), claims.signature)
    return claims.signer


def _statement(claims: Claims) -> bytes:
    return codec.encode([claims.topic, claims.first, claims.digests, claims.whole])


def _signed(domain: bytes, data: bytes) -> bytes:
    if not domain.endswith(b":") or domain.count(b":") != 1:
        raise ValueError(f"a domain ends with its only colon: {domain!r}")
    return domain + data
