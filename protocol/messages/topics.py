"""Who takes part in a topic and holds what, and what is said about the digests of its chunks."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.fields import BadMessage
from protocol.ids import ChunkDigest, NodeId, SnapshotKey, node_id
from protocol.limits import MAX_CHUNKS
from protocol.messages.checked import Checked, Ranges


@dataclass(frozen=True, slots=True)
class Join(Checked):
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
class Absent(Checked):
    """The sender does not take part in this topic: the answer to a Join for one it does not know."""

    topic: SnapshotKey


@dataclass(frozen=True, slots=True)
class Leave(Checked):
    """The sender no longer serves or wants this topic."""

    topic: SnapshotKey


@dataclass(frozen=True, slots=True)
class Company(Checked):
    """Those linked with the sender that take part in the topic and want chunks: who shares its uplink.

    Replaces the one before. Sent to each of them, whenever it has changed.
    """

    topic: SnapshotKey
    nodes: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class Seek(Checked):
    """`seeker`, who can be called at these addresses, looks for nodes that take part in a topic.

    Who does, calls it; who does not, passes this on with one hop less, unless there is none left. The seeker
    itself sends no address: its peers know where it listens.
    """

    topic: SnapshotKey
    seeker: NodeId
    addresses: tuple[str, ...]
    hops: int


@dataclass(frozen=True, slots=True)
class HaveMap(Checked):
    """A segment of the sender's have-map: bit i of byte j (least significant first) is chunk first+8j+i."""

    topic: SnapshotKey
    first: int
    bits: bytes

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if self.first + 8 * len(self.bits) >= MAX_CHUNKS + 8:
            raise BadMessage("a map that goes beyond the last chunk")


@dataclass(frozen=True, slots=True)
class Have(Checked):
    """Chunks the sender holds since its map."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Lost(Checked):
    """Chunks the sender holds no more: found wrong, or removed."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Claims(Checked):
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

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if self.first + len(self.digests) > MAX_CHUNKS:
            raise BadMessage("digests beyond the last chunk")

    @property
    def signer(self) -> NodeId:
        """The id of the node whose key this names; proven only by `protocol.signing.check_claims`."""
        return node_id(self.public_key)


@dataclass(frozen=True, slots=True)
class NeedClaims(Checked):
    """Send what you know of the digests of these chunks."""

    topic: SnapshotKey
    ranges: Ranges
