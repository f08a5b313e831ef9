"""The one encoding of everything two nodes say or sign: a canonical subset of MessagePack.

Values are None, bool, integers of 64 bits, bytes, text that is valid UTF-8, and lists of these. There are
no maps, no floats and no extension types, and each value has exactly one encoding (the shortest), so that
a digest or a signature over an encoding is one over the value. Source: the MessagePack specification.

A decoder meets hostile lengths in three steps. First the bytes are walked without building anything, so
that every length in them is known to be backed by as many bytes; then values are built, counting items;
then what was built is encoded again and must be the same bytes. Of a few bytes nothing large can come, so
that there is no need to walk and to count.

`pack` and `unpack` are for who looks at every value itself, as messages do: they leave the types, and
`unpack` the comparison as well, to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

import msgpack  # type: ignore[import-untyped]  # it ships no types

from protocol.chunks import Bytes
from protocol.limits import MAX_ITEMS, MAX_NESTING

SMALL: Final = 512
"""Bytes that need not be walked: lists in lists, of three bytes each, claim SMALL² / 3 items at most. Eight
bytes are allocated for each, together less than MAX_ITEMS may cost."""

SCALARS: Final = frozenset([type(None), bool, int, bytes, str])
LISTS: Final = frozenset([list, tuple])


class BadEncoding(ValueError):
    """The bytes are not the canonical encoding of any value, or the value has none."""


def encode(value: object) -> bytes:
    """The canonical encoding; BadEncoding when `value` has none. Tuples are written as lists."""
    _check_types(value)
    return pack(value)


def pack(value: object) -> bytes:
    """`encode` for a value of which every type and depth is known to be of the subset."""
    try:
        encoded = msgpack.packb(value)
    except (ValueError, OverflowError) as error:
        raise BadEncoding(f"cannot be encoded: {error}") from error
    assert isinstance(encoded, bytes)
    return encoded


def decode(data: Bytes, *, max_items: int = MAX_ITEMS) -> object:
    """The value `data` is the canonical encoding of, with lists as `list`.

    `max_items` is the number of values in all lists together, and bounds the memory used: some 100 bytes
    for each item beside the bytes themselves. Raises BadEncoding.
    """
    value = _built(data, max_items, tuples=False)
    if encode(value) != data:
        raise BadEncoding("not in canonical form")
    return value


def unpack(data: Bytes) -> object:
    """The value that `data` encodes, with lists as tuples; BadEncoding when there is none, or one too large.

    No type was looked at. The encoding is canonical only if `pack` gives the same bytes.
    """
    return _built(data, MAX_ITEMS, tuples=True)


def _built(data: Bytes, max_items: int, *, tuples: bool) -> object:
    size = memoryview(data).nbytes
    try:
        if size <= min(SMALL, max_items):
            return msgpack.unpackb(data, use_list=not tuples, max_map_len=0, max_ext_len=0)
        _walk(data, size)
        return msgpack.unpackb(
            data,
            use_list=not tuples,
            list_hook=_Counter(max_items),
            object_hook=_refuse_map,
            max_array_len=min(size, max_items),
            max_str_len=size,
            max_bin_len=size,
            max_map_len=0,
            max_ext_len=0,
        )
    except (ValueError, RecursionError, msgpack.OutOfData) as error:
        raise BadEncoding(f"not an encoded value: {error}") from error


def _walk(data: Bytes, size: int) -> None:
    """Raise unless `data` begins with one complete value; builds nothing."""
    walker = msgpack.Unpacker(max_buffer_size=max(size, 1))
    walker.feed(data)
    walker.skip()


class _Counter:
    """Counts the items of every list as it is completed."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def __call__(self, items: Sequence[object]) -> Sequence[object]:
        self.left -= len(items)
        if self.left < 0:
            raise BadEncoding("too many items")
        return items


def _refuse_map(_: object) -> None:
    raise BadEncoding("maps are not used")


def _check_types(value: object) -> None:
    """Raise BadEncoding unless everything in `value` has a type of the subset, at a depth allowed."""
    level: list[object] = [value]
    for _ in range(MAX_NESTING + 1):
        types = set(map(type, level))
        strange = types - SCALARS - LISTS
        if strange:
            raise BadEncoding(f"no encoding for {', '.join(sorted(kind.__name__ for kind in strange))}")
        if not types & LISTS:
            return
        level = list(chain.from_iterable(item for item in level if isinstance(item, (list, tuple))))
    raise BadEncoding(f"nested deeper than {MAX_NESTING}")
