"""The journal of a partial blob: which chunks were stored, from whom, and who vouched for them.

Append-only. Every record ends with the CRC-32 of what comes before it in the record, so that a record
torn by a crash ends the replay. The journal is a list of places to look at, not a proof: whoever
replays it hashes the chunks it names. All numbers big-endian:

    header   magic, u8 length + algorithm, digest (u8 length + bytes), u64 size
    name     u8 1, u32 number (from 1), u8 kind, u16 length, bytes
             kind 0, 1, 2: a local source, a peer, an upstream; 3: the node id of a voucher
    stored   u8 2, u32 chunk, u32 source, u32 voucher (0: none), 32 bytes BLAKE3
    dropped  u8 3, u32 chunk

Pure: bytes in, values out.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from protocol.ids import ID_LENGTH, ChunkDigest, NodeId
from protocol.manifest import Blob
from swarm.sources.interface import Source, SourceKind

MAGIC: Final = b"lanswarm partial 1\n"
KINDS: Final[tuple[SourceKind, ...]] = ("local", "peer", "upstream")
VOUCHER: Final = len(KINDS)
NO_VOUCHER: Final = 0
MAX_NAME_BYTES: Final = 0xFFFF
"""Bytes of a name that are kept, from a 16-bit length."""

_NAME: Final = struct.Struct(">BIBH")
_STORED: Final = struct.Struct(f">BIII{ID_LENGTH}s")
_DROPPED: Final = struct.Struct(">BI")
_CRC: Final = struct.Struct(">I")
_NAME_TAG, _STORED_TAG, _DROPPED_TAG = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal says of one chunk."""

    digest: ChunkDigest
    source: int
    voucher: int


@dataclass(slots=True)
class Replay:
    """What a journal comes down to. `end`: bytes of it that are sound, 0 when not even the header is."""

    end: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)
    names: dict[int, Source | NodeId] = field(default_factory=dict)


def header(blob: Blob) -> bytes:
    algorithm = blob.algorithm.encode()
    return _sealed(
        MAGIC
        + bytes([len(algorithm)])
        + algorithm
        + bytes([len(blob.digest)])
        + blob.digest
        + blob.size.to_bytes(8, "big")
    )


def name(number: int, value: Source | NodeId) -> bytes:
    """Binds a number to a source or to the id of a voucher."""
    if isinstance(value, Source):
        kind, text = KINDS.index(value.kind), value.name.encode("utf-8", "surrogateescape")[:MAX_NAME_BYTES]
    else:
        kind, text = VOUCHER, value
    return _sealed(_NAME.pack(_NAME_TAG, number, kind, len(text)) + text)


def stored(index: int, entry: Entry) -> bytes:
    return _sealed(_STORED.pack(_STORED_TAG, index, entry.source, entry.voucher, entry.digest))


def dropped(index: int) -> bytes:
    return _sealed(_DROPPED.pack(_DROPPED_TAG, index))


def replay(blob: Blob, data: bytes) -> Replay:
    """What `data` says of `blob`, up to the first record that is not sound."""
    result = Replay()
    start = header(blob)
    if not data.startswith(start):
        return result
    result.end = len(start)
    while (end := _next(data, result.end)) is not None:
        if not _apply(result, data[result.end : end - _CRC.size], blob.chunk_count):
            break
        result.end = end
    return result


def provenance(blob: Blob, found: Replay) -> dict[Source, int]:
    """Bytes of the stored chunks by who sent them."""
    count: Counter[Source] = Counter()
    for index, entry in found.entries.items():
        source = found.names[entry.source]
        assert isinstance(source, Source)
        count[source] += blob.span(index)[1]
    return dict(count)


def _sealed(body: bytes) -> bytes:
    return body + _CRC.pack(zlib.crc32(body))


def _next(data: bytes, at: int) -> int | None:
    """Where the record that begins at `at` ends, None when it is cut short or damaged."""
    match data[at : at + 1]:
        case b"\x01" if len(data) >= at + _NAME.size:
            length = _NAME.size + _NAME.unpack_from(data, at)[3]
        case b"\x02":
            length = _STORED.size
        case b"\x03":
            length = _DROPPED.size
        case _:
            return None
    end = int(at + length + _CRC.size)
    return end if end <= len(data) and _is_sealed(data[at:end]) else None


def _is_sealed(record: bytes) -> bool:
    return _CRC.pack(zlib.crc32(record[: -_CRC.size])) == record[-_CRC.size :]


def _apply(result: Replay, body: bytes, count: int) -> bool:
    """Take one record in; False when it makes no sense for this blob."""
    if body[0] == _NAME_TAG:
        return _apply_name(result, body)
    if body[0] == _DROPPED_TAG:
        result.entries.pop(_DROPPED.unpack(body)[1], None)
        return True
    _, index, source, voucher, digest = _STORED.unpack(body)
    told = isinstance(result.names.get(source), Source)
    vouched = voucher == NO_VOUCHER or isinstance(result.names.get(voucher), bytes)
    if index >= count or not told or not vouched:
        return False
    result.entries[index] = Entry(ChunkDigest(digest), source, voucher)
    return True


def _apply_name(result: Replay, body: bytes) -> bool:
    _, number, kind, _ = _NAME.unpack_from(body)
    text = body[_NAME.size :]
    if kind > VOUCHER or number == NO_VOUCHER:
        return False
    if kind == VOUCHER:
        result.names[number] = NodeId(text)
    else:
        result.names[number] = Source(KINDS[kind], text.decode("utf-8", "surrogateescape"))
    return True
