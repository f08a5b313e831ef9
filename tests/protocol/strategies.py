"""Every message there can be, for hypothesis: a strategy for each name of a field, as `fields` has rules."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from hypothesis import strategies as st

from protocol.chunks import LARGEST_CHUNK
from protocol.fields import U64
from protocol.ids import ChunkDigest, NodeId, SnapshotKey
from protocol.limits import MAX_CHUNKS, MAX_SEEK_HOPS
from protocol.messages import (
    BULK,
    CONTROL,
    BulkMessage,
    Checked,
    ControlMessage,
    Data,
    Found,
    Granted,
    ManifestPart,
    Ranges,
)

Some = st.SearchStrategy[Any]

raw32 = st.binary(min_size=32, max_size=32)
raw64 = st.binary(min_size=64, max_size=64)
topics = raw32.map(SnapshotKey)
nodes = raw32.map(NodeId)
digests = raw32.map(ChunkDigest)
numbers = st.integers(0, U64)
chunks = st.integers(0, MAX_CHUNKS - 1)
flags = st.booleans()
names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20)
some_bytes = st.binary(min_size=1, max_size=50)
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


def _several(item: Some, least: int = 0, most: int = 8) -> Some:
    return st.lists(item, min_size=least, max_size=most).map(tuple)


FIELDS: Final[Mapping[str, Some]] = {
    "nonce": numbers,
    "entries": _several(st.tuples(nodes, _several(names))),
    "topic": topics,
    "wants": flags,
    "can_fetch": flags,
    "ask": flags,
    "first": st.integers(0, MAX_CHUNKS - 8 * 50),
    "bits": st.binary(max_size=50),
    "ranges": st.lists(st.integers(0, MAX_CHUNKS), min_size=2, max_size=20, unique=True).map(_spans),
    "digests": _several(digests, least=1),
    "whole": flags,
    "public_key": raw32,
    "signature": raw64,
    "held": flags,
    "fetched": numbers,
    "request": numbers,
    "hub": names,
    "repo_type": names,
    "repo": names,
    "revision": names,
    "reason": names,
    "seeker": nodes,
    "seed": nodes,
    "addresses": _several(names),
    "hops": st.integers(0, MAX_SEEK_HOPS),
    "holder": nodes,
    "age": numbers,
    "nodes": _several(nodes),
    "items": _several(st.tuples(chunks, st.none() | digests)),
    "invitation": raw32,
    "proof": raw64,
    "name": names,
    "badge": some_bytes,
    "revocation": some_bytes,
}
"""Field name -> what it may hold, for the messages whose fields do not hang together."""


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


WHOLE: Final[Mapping[type, Some]] = {
    Found: st.builds(Found, numbers, st.none() | topics, names),
    Granted: st.builds(Granted, some_bytes, st.just(""))
    | st.builds(Granted, st.just(b""), names.filter(bool)),
    Data: data_messages(),
    ManifestPart: manifest_parts(),
}
"""The messages whose fields do."""


def _message(kind: type[Checked]) -> Some:
    return WHOLE[kind] if kind in WHOLE else st.builds(kind, *[FIELDS[name] for name in kind.__slots__])


control_messages: st.SearchStrategy[ControlMessage] = st.one_of([_message(kind) for kind in CONTROL.values()])
bulk_messages: st.SearchStrategy[BulkMessage] = st.one_of([_message(kind) for kind in BULK.values()])
