"""The messages of control and bulk connections: their fields and what each means.

`docs/protocol.md` is the normative text. Everything about chunks names a topic (the key of a snapshot)
and chunk numbers of that snapshot; paths and URLs never occur. A message that breaks a limit or has a
field of the wrong form cannot be constructed: it raises BadMessage (rules: `fields`).

On the wire a message is the encoded list of its number and its fields in the order written here. A
payload is no field of that list: it follows it, so that chunk bytes are never copied into an encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

from protocol import codec
from protocol.chunks import LARGEST_CHUNK, Bytes
from protocol.fields import RULES, identifier
from protocol.fields import BadMessage as BadMessage
from protocol.ids import ChunkDigest, NodeId, SnapshotKey, node_id
from protocol.limits import MAX_CHUNKS

Ranges = tuple[tuple[int, int], ...]
"""Spans of chunk numbers as (first, count), ascending, not touching, counts above zero."""


class Checked:
    """A message whose every field keeps the rule of its name."""

    __slots__: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.__slots__:
            _RULES[name](getattr(self, name))


_RULES: Final = dict(RULES)  # half as dear as by way of the view

M = TypeVar("M", bound=Checked)


# --- control connections -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ping(Checked):
    """Are you there? Answered by Pong with the same nonce."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Pong(Checked):
    """The answer to a Ping."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Peers(Checked):
    """Nodes the sender has a proven link with, each with addresses (host:port) to try."""

    entries: tuple[tuple[NodeId, tuple[str, ...]], ...]


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
        """The id of the node whose key this names; proven only by `signing.check_claims`."""
        return node_id(self.public_key)


@dataclass(frozen=True, slots=True)
class NeedClaims(Checked):
    """Send what you know of the digests of these chunks."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Lease(Checked):
    """The sender holds (or gives up) the right to fetch this topic from upstream.

    Sent on taking it and then once a second; `fetched` is the number of bytes had from upstream so far,
    which must grow for the lease to hold.
    """

    topic: SnapshotKey
    held: bool
    fetched: int


@dataclass(frozen=True, slots=True)
class Fetching(Checked):
    """The holder of the lease is about to fetch these chunks from upstream."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Lookup(Checked):
    """Which snapshot is this name? Asked when the hub is out of reach. `request` returns in Found."""

    request: int
    hub: str
    repo_type: str
    repo: str
    revision: str


@dataclass(frozen=True, slots=True)
class Found(Checked):
    """The snapshot of a Lookup, or None; its manifest can be had on a bulk connection."""

    request: int
    topic: SnapshotKey | None
    commit: str

    def __post_init__(self) -> None:
        RULES["request"](self.request)
        RULES["commit"](self.commit)
        if self.topic is not None:
            identifier(self.topic)


@dataclass(frozen=True, slots=True)
class Redeem(Checked):
    """A node of no site was invited by the receiver: let me in. Answered by Granted.

    `invitation` is the public key of the token, `proof` its signature (`invitation.Token.proof`), `name`
    is for people.
    """

    invitation: bytes
    proof: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Renew(Checked):
    """Grant the sender anew the membership it has shown. Answered by Granted."""


@dataclass(frozen=True, slots=True)
class Granted(Checked):
    """The answer to Redeem and Renew: an encoded membership, or nothing and the reason why not."""

    membership: bytes
    refusal: str

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if bool(self.membership) == bool(self.refusal):
            raise BadMessage("a membership and a refusal, or neither")


@dataclass(frozen=True, slots=True)
class Belongs(Checked):
    """The sender's badge from now on, instead of the one in its handshake."""

    badge: bytes


@dataclass(frozen=True, slots=True)
class Revoked(Checked):
    """A revocation list (`revocation`) that the sender holds true."""

    revocation: bytes


@dataclass(frozen=True, slots=True)
class Company(Checked):
    """Those linked with the sender that take part in the topic and want chunks: who shares its uplink.

    Replaces the one before. Sent to each of them, whenever it has changed.
    """

    topic: SnapshotKey
    nodes: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class Bye(Checked):
    """The sender is about to end the link, for no fault of the receiver; the reason is for people.

    It holds as many links as it wants. Who is told so closes the link, and does not call again for a while.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class LeaseHeard(Checked):
    """A Lease passed on: `holder` said this `age` milliseconds ago."""

    topic: SnapshotKey
    holder: NodeId
    held: bool
    fetched: int
    age: int


@dataclass(frozen=True, slots=True)
class FetchingHeard(Checked):
    """A Fetching passed on: `holder` is about to fetch these chunks from upstream."""

    topic: SnapshotKey
    holder: NodeId
    ranges: Ranges


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
    | Redeem
    | Renew
    | Granted
    | Belongs
    | Revoked
    | Bye
    | Company
    | LeaseHeard
    | FetchingHeard
    | Seek
)


# --- bulk connections: both sides may ask and answer -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Request(Checked):
    """Send these chunks, in this order. A digest, where known, is the one the chunk must have."""

    topic: SnapshotKey
    items: tuple[tuple[int, ChunkDigest | None], ...]


@dataclass(frozen=True, slots=True)
class Cancel(Checked):
    """Do not send these after all, unless they are under way."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Refuse(Checked):
    """These requested chunks will not come: not held, or held with another digest."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Elsewhere(Checked):
    """These requested chunks will not come now: others are being sent them, and can relay them."""

    topic: SnapshotKey
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class NeedManifest(Checked):
    """Send the manifest of this topic."""

    topic: SnapshotKey


@dataclass(frozen=True, slots=True)
class Data(Checked):
    """Chunk bytes. `pieces` are (chunk, offset in it, length), in the order they lie in `payload`."""

    topic: SnapshotKey
    pieces: tuple[tuple[int, int, int], ...]
    payload: bytes | memoryview

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if any(length == 0 or offset + length > LARGEST_CHUNK for _, offset, length in self.pieces):
            raise BadMessage("a piece that is empty or goes beyond the end of any chunk")
        if sum(length for _, _, length in self.pieces) != memoryview(self.payload).nbytes:
            raise BadMessage("pieces that are not as long as the payload")


@dataclass(frozen=True, slots=True)
class ManifestPart(Checked):
    """Bytes of a manifest from `offset` on; `size` is the whole, 0 when there is none to send."""

    topic: SnapshotKey
    offset: int
    size: int
    payload: bytes | memoryview

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        length = memoryview(self.payload).nbytes
        if self.offset + length > self.size or (length == 0) != (self.size == 0):
            raise BadMessage("a part that is empty or goes beyond the end of the manifest")


BulkMessage = Request | Cancel | Refuse | NeedManifest | Data | ManifestPart | Elsewhere


# --- the wire ------------------------------------------------------------------------------------

CONTROL: Final[Mapping[int, type[ControlMessage]]] = MappingProxyType(
    {
        1: Ping,
        2: Pong,
        3: Peers,
        4: Join,
        5: Absent,
        6: Leave,
        7: HaveMap,
        8: Have,
        9: Lost,
        10: Claims,
        11: NeedClaims,
        12: Lease,
        13: Fetching,
        14: Lookup,
        15: Found,
        16: Redeem,
        17: Renew,
        18: Granted,
        19: Belongs,
        20: Revoked,
        21: Bye,
        22: Company,
        23: LeaseHeard,
        24: FetchingHeard,
        25: Seek,
    }
)
"""Message number -> message, on control connections."""

BULK: Final[Mapping[int, type[BulkMessage]]] = MappingProxyType(
    {32: Request, 33: Cancel, 34: Refuse, 35: NeedManifest, 36: Data, 37: ManifestPart, 38: Elsewhere}
)
"""Message number -> message, on bulk connections; no number means two things."""

NUMBERS: Final = MappingProxyType({kind: number for number, kind in (*CONTROL.items(), *BULK.items())})

_CONTROL: Final = dict(CONTROL)
_BULK: Final = dict(BULK)
"""The same without the views: these are looked into for every message."""

_ENCODED: Final[Mapping[type[Checked], tuple[int, list[str]]]] = {
    kind: (number, [name for name in kind.__slots__ if name != "payload"]) for kind, number in NUMBERS.items()
}
"""What the encoded list holds: the number and which fields."""


def encode_message(message: ControlMessage | BulkMessage) -> bytes:
    """The encoded list of number and fields, without the payload of a Data or ManifestPart."""
    return _encode(message)


def _encode(message: Checked) -> bytes:
    """No type is looked at again: the message could not have been made of values without an encoding."""
    number, names = _ENCODED[type(message)]
    return codec.pack([number, *[getattr(message, name) for name in names]])


def payload_of(message: ControlMessage | BulkMessage) -> bytes | memoryview:
    """What follows the encoded list: chunk or manifest bytes, or nothing."""
    return message.payload if isinstance(message, Data | ManifestPart) else b""


def decode_control(encoded: Bytes) -> ControlMessage:
    """The control message with this encoding; BadMessage or codec.BadEncoding when there is none."""
    kind, fields = _open(encoded, _CONTROL)
    return _build(encoded, kind, fields)


def decode_bulk(header: Bytes, payload: bytes | memoryview) -> BulkMessage:
    """The bulk message with this header and payload, which is kept as it is and not copied.

    Raises BadMessage or codec.BadEncoding, also for a payload after a message that has none.
    """
    kind, fields = _open(header, _BULK)
    if kind in (Data, ManifestPart):
        return _build(header, kind, (*fields, payload))
    if memoryview(payload).nbytes:
        raise BadMessage(f"{kind.__name__} with a payload")
    return _build(header, kind, fields)


def _open(encoded: Bytes, table: Mapping[int, type[M]]) -> tuple[type[M], tuple[Any, ...]]:
    match codec.unpack(encoded):
        case (int(number), *_) as row if type(row) is tuple and type(number) is int and number in table:
            return table[number], row[1:]
        case _:
            raise BadMessage("not a message of this kind of connection")


def _build(encoded: Bytes, kind: type[M], fields: tuple[Any, ...]) -> M:
    """The message with these fields, whose encoding must be the one that was received."""
    names = kind.__slots__
    if len(fields) != len(names):
        raise BadMessage(f"{kind.__name__} with {len(fields)} fields instead of {len(names)}")
    message = kind(*fields)
    if _encode(message) != encoded:
        raise codec.BadEncoding("not in canonical form")
    return message
