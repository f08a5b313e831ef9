"""The messages of control and bulk connections: their fields and what each means.

`docs/protocol.md` is the normative text. Everything about chunks names a topic (the key of a snapshot)
and chunk numbers of that snapshot; paths and URLs never occur. A message that breaks a limit or has a
field of the wrong form cannot be constructed: it raises BadMessage.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.ids import ChunkDigest, NodeId, SnapshotKey

Ranges = tuple[tuple[int, int], ...]
"""Spans of chunk numbers as (first, count), ascending, not touching, counts above zero."""


# --- control connections -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? Answered by Pong with the same nonce."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Pong:
    nonce: int


@dataclass(frozen=True, slots=True)
class Peers:
    """Nodes the sender has a proven link with, each with addresses (host:port) to try."""

    entries: tuple[tuple[NodeId, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Join:
    """The sender takes part in a topic. HaveMap segments with what it holds follow.

    wants: it still lacks chunks. can_fetch: it can reach an upstream and may be the origin.
    ask: it wants to know the same of the receiver, who answers with a Join that does not ask and its
    map, or with Absent.
    """

    topic: SnapshotKey
    wants: bool
    can_fetch: bool
    ask: bool


@dataclass(frozen=True, slots=True)
class Absent:
    """The sender does not take part in this topic: the answer to a Join for one it does not know."""

    topic: SnapshotKey


@dataclass(frozen=True, slots=True)
class Leave:
    """The sender no longer serves or wants this topic."""

    topic: SnapshotKey


@dataclass(frozen=True, slots=True)
class HaveMap:
    """A segment of the sender's have-map: bit i of byte j (least significant first) is chunk first+8j+i."""

    topic: SnapshotKey
    first: int
    bits: bytes


@dataclass(frozen=True, slots=True)
class Have:
    """Chunks the sender holds since its map."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Lost:
    """Chunks the sender holds no more: found wrong, or removed."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Claims:
    """An attestation: chunks first, first+1, … have these digests, says `signer` (docs, "Attestations").

    `public_key` is the signer's Ed25519 key (32 bytes), `signature` 64 bytes over the domain-separated
    topic, first, whole and digests. `whole`: the signer checked the whole blob of each of these chunks
    against the publisher's digest. May be passed on by anybody.
    """

    topic: SnapshotKey
    first: int
    digests: tuple[ChunkDigest, ...]
    whole: bool
    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class NeedClaims:
    """Send what you know of the digests of these chunks."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Lease:
    """The sender holds (or gives up) the right to fetch this topic from upstream.

    Sent on taking it and then once a second; `fetched` is the number of bytes had from upstream so far,
    which must grow for the lease to hold.
    """

    topic: SnapshotKey
    held: bool
    fetched: int


@dataclass(frozen=True, slots=True)
class Fetching:
    """The holder of the lease is about to fetch these chunks from upstream."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Lookup:
    """Which snapshot is this name? Asked when the hub is out of reach. `request` returns in Found."""

    request: int
    hub: str
    repo_type: str
    repo: str
    revision: str


@dataclass(frozen=True, slots=True)
class Found:
    """The snapshot of a Lookup, or None; its manifest can be had on a bulk connection."""

    request: int
    topic: SnapshotKey | None
    commit: str


ControlMessage = (
    Ping
    | Pong
    | Peers
    | Join
    | Absent
    | Leave
    | HaveMap
    | Have
    | Lost
    | Claims
    | NeedClaims
    | Lease
    | Fetching
    | Lookup
    | Found
)


# --- bulk connections: both sides may ask and answer -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """Send these chunks, in this order. A digest, where known, is the one the chunk must have."""

    topic: SnapshotKey
    items: tuple[tuple[int, ChunkDigest | None], ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Do not send these after all, unless they are under way."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Refuse:
    """These requested chunks will not come: not held, or held with another digest."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class NeedManifest:
    """Send the manifest of this topic."""

    topic: SnapshotKey


@dataclass(frozen=True, slots=True)
class Data:
    """Chunk bytes. `pieces` are (chunk, offset in it, length), in the order they lie in `payload`."""

    topic: SnapshotKey
    pieces: tuple[tuple[int, int, int], ...]
    payload: bytes | memoryview


@dataclass(frozen=True, slots=True)
class ManifestPart:
    """Bytes of a manifest from `offset` on; `size` is the whole, 0 when there is none to send."""

    topic: SnapshotKey
    offset: int
    size: int
    payload: bytes | memoryview


BulkMessage = Request | Cancel | Refuse | NeedManifest | Data | ManifestPart
