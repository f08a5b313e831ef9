"""Names of nodes, snapshots and chunks: fixed-length byte strings, never text on the wire.

A node is named by the BLAKE3 of its Ed25519 public key, so an id can be checked by whoever holds the
key. Shown to people, ids are lower-case base32 without padding; `short` is the first ten characters.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Final, NewType

from blake3 import blake3

ID_LENGTH: Final = 32

REMEMBERED_TEXTS: Final = 1024
"""Ids whose text is remembered: those of a LAN, each of which is named with every order."""

NodeId = NewType("NodeId", bytes)
"""32 bytes: BLAKE3 of the raw Ed25519 public key."""

SnapshotKey = NewType("SnapshotKey", bytes)
"""32 bytes: BLAKE3 of the canonical encoding of a snapshot (see `manifest`)."""

SiteId = NewType("SiteId", bytes)
"""32 bytes: BLAKE3 of the raw Ed25519 public key that is a site's root (see `membership`)."""

ChunkDigest = NewType("ChunkDigest", bytes)
"""32 bytes: BLAKE3 of a chunk's bytes."""

PRIVATE_CONTEXT: Final = "lanswarm 2026-11 topic of a private snapshot within a site"
"""Makes such a topic differ from every digest there is (BLAKE3, derive_key)."""


def node_id(public_key: bytes) -> NodeId:
    """The id of the node that holds the Ed25519 key with these 32 raw bytes."""
    return NodeId(blake3(public_key).digest())


def site_id(root_key: bytes) -> SiteId:
    """The id of the site whose root is the Ed25519 key with these 32 raw bytes."""
    return SiteId(blake3(root_key).digest())


def private_topic(key: SnapshotKey) -> SnapshotKey:
    """Where members of a site meet that know this snapshot to be private.

    Another name than its key, so that whoever takes the snapshot for public meets nobody who does not.
    """
    return SnapshotKey(blake3(key, derive_key_context=PRIVATE_CONTEXT).digest())


@lru_cache(REMEMBERED_TEXTS)
def to_text(identifier: bytes) -> str:
    """Lower-case base32 without padding, 52 characters for an id."""
    return base64.b32encode(identifier).decode("ascii").rstrip("=").lower()


def from_text(text: str) -> bytes:
    """The inverse of `to_text`; ValueError when the text is not the form `to_text` writes."""
    padded = text.upper() + "=" * (-len(text) % 8)
    identifier = base64.b32decode(padded)
    if len(identifier) != ID_LENGTH or to_text(identifier) != text:
        raise ValueError(f"not an id: {text!r}")
    return identifier


def short(identifier: bytes) -> str:
    """Ten characters, enough to tell the nodes of one LAN apart."""
    return to_text(identifier)[:10]
