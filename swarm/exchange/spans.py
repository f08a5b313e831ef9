"""Chunk numbers as the ranges of a message, without ever making a set as wide as a number a peer named."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from protocol.limits import MAX_MAP_BYTES, MAX_RANGES
from protocol.messages import Ranges


def spans(chunks: Iterable[int]) -> Ranges:
    """Ranges (first, count), ascending and not touching, that hold exactly these chunks."""
    found: list[tuple[int, int]] = []
    for chunk in sorted(set(chunks)):
        if found and chunk == sum(found[-1]):
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((chunk, 1))
    return tuple(found)


def sendable_spans(chunks: Iterable[int]) -> Iterator[Ranges]:
    """`spans` in parts, each of which fits one message."""
    ranges = spans(chunks)
    for start in range(0, len(ranges), MAX_RANGES):
        yield ranges[start : start + MAX_RANGES]


def covers(ranges: Ranges, chunk: int) -> bool:
    """Is the chunk in one of these ascending ranges?"""
    place = bisect_right(ranges, chunk, key=lambda span: span[0]) - 1
    return place >= 0 and chunk < sum(ranges[place])


def map_segments(have: int) -> Iterator[tuple[int, bytes]]:
    """A have-map in the parts (first chunk, bits) of HaveMap messages; parts without a chunk are left out."""
    whole = have.to_bytes((have.bit_length() + 7) // 8, "little")
    for start in range(0, len(whole), MAX_MAP_BYTES):
        segment = whole[start : start + MAX_MAP_BYTES].rstrip(b"\0")
        if segment:
            yield 8 * start, segment
