"""Every message there can be, for hypothesis."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from protocol.chunks import LARGEST_CHUNK
from protocol.fields import U64
from protocol.ids import ChunkDigest, NodeId, SnapshotKey
from protocol.limits import MAX_CHUNKS
from protocol.messages import (
    Absent,
    Belongs,
    BulkMessage,
    Cancel,
    Claims,
    ControlMessage,
    Data,
    Elsewhere,
    Fetching,
    Found,
    Granted,
    Have,
    HaveMap,
    Join,
    Lease,
    Leave,
    Lookup,
    Lost,
    ManifestPart,
    NeedClaims,
    NeedManifest,
    Peers,
    Ping,
    Pong,
    Ranges,
    Redeem,
    Refuse,
    Renew,
    Request,
    Revoked,
)

raw32 = st.binary(min_size=32, max_size=32)
topics = raw32.map(SnapshotKey)
nodes = raw32.map(NodeId)
digests = raw32.map(ChunkDigest)
numbers = st.integers(0, U64)
chunks = st.integers(0, MAX_CHUNKS - 1)
flags = st.booleans()
names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), U64)
    | st.binary()
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)
"""Values the codec has an encoding for; hardly ever nested too deeply."""


def _spans(bounds: list[int]) -> Ranges:
    return tuple((first, end - first) for first, end in pairwise(sorted(bounds)))[::2]


spans = st.lists(st.integers(0, MAX_CHUNKS), min_size=2, max_size=20, unique=True).map(_spans)

control_messages: st.SearchStrategy[ControlMessage] = st.one_of(
    st.builds(Ping, numbers),
    st.builds(Pong, numbers),
    st.builds(
        Peers, st.lists(st.tuples(nodes, st.lists(names, max_size=8).map(tuple)), max_size=5).map(tuple)
    ),
    st.builds(Join, topics, flags, flags, flags),
    st.builds(Absent, topics),
    st.builds(Leave, topics),
    st.builds(HaveMap, topics, st.integers(0, MAX_CHUNKS // 2), st.binary(max_size=50)),
    st.builds(Have, topics, spans),
    st.builds(Lost, topics, spans),
    st.builds(
        Claims,
        topics,
        st.integers(0, MAX_CHUNKS - 9),
        st.lists(digests, min_size=1, max_size=9).map(tuple),
        flags,
        raw32,
        st.binary(min_size=64, max_size=64),
    ),
    st.builds(NeedClaims, topics, spans),
    st.builds(Lease, topics, flags, numbers),
    st.builds(Fetching, topics, spans),
    st.builds(Lookup, numbers, names, names, names, names),
    st.builds(Found, numbers, st.none() | topics, names),
    st.builds(Redeem, raw32, st.binary(min_size=64, max_size=64), names),
    st.builds(Renew),
    st.builds(Granted, st.binary(min_size=1, max_size=50), st.just("")),
    st.builds(Granted, st.just(b""), names.filter(bool)),
    st.builds(Belongs, st.binary(min_size=1, max_size=50)),
    st.builds(Revoked, st.binary(min_size=1, max_size=50)),
)


@st.composite
def data_messages(draw: st.DrawFn) -> Data:
    """Data whose payload is as long as its pieces say."""
    lengths = draw(st.lists(st.integers(1, 300), min_size=1, max_size=5))
    pieces = tuple((draw(chunks), draw(st.integers(0, LARGEST_CHUNK - n)), n) for n in lengths)
    return Data(draw(topics), pieces, draw(st.binary(min_size=sum(lengths), max_size=sum(lengths))))


@st.composite
def manifest_parts(draw: st.DrawFn) -> ManifestPart:
    """A part that lies within its manifest, or the word that there is none."""
    payload = draw(st.binary(max_size=300))
    if not payload:
        return ManifestPart(draw(topics), 0, 0, b"")
    offset = draw(st.integers(0, 1 << 20))
    return ManifestPart(draw(topics), offset, offset + len(payload) + draw(st.integers(0, 9)), payload)


bulk_messages: st.SearchStrategy[BulkMessage] = st.one_of(
    st.builds(Request, topics, st.lists(st.tuples(chunks, st.none() | digests), max_size=5).map(tuple)),
    st.builds(Cancel, topics, spans),
    st.builds(Refuse, topics, spans),
    st.builds(Elsewhere, topics, spans),
    st.builds(NeedManifest, topics),
    data_messages(),
    manifest_parts(),
)
