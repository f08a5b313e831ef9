"""Sets of chunk numbers as non-negative ints: bit i stands for chunk number i.

Union, intersection and difference of two have-maps are then one operation each over machine words,
whatever the size of the snapshot. What the int type lacks is here: going through the members without
one pass over the whole int for each, taking some from a given place on, periodic sets, and spans.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from protocol.limits import MAX_CHUNKS

_ONES: Final = re.compile("1+")
_NOT_ZERO: Final = re.compile(rb"[^\0]")
_MEMBERS: Final = tuple(tuple(i for i in range(8) if byte >> i & 1) for byte in range(256))
_FULL: Final = 0xFF


def single(member: int) -> int:
    """The set of one chunk."""
    return 1 << member


def everything(total: int) -> int:
    """The set of the chunks 0 … total-1."""
    return (1 << total) - 1


def span(first: int, count: int) -> int:
    """The set of the chunks first … first+count-1."""
    return ((1 << count) - 1) << first


def minus(bits: int, without: int) -> int:
    """The members of the first set that are not in the second; ten times as fast as `bits & ~without`."""
    return bits ^ (bits & without)


def members(bits: int, start: int = 0) -> Iterator[int]:
    """Every member once: those from `start` on, ascending, then those below it, ascending."""
    if start <= 0:
        yield from _ascending(bits, 0)
        return
    yield from _ascending(bits >> start, start)
    yield from _ascending(bits & everything(start), 0)


def descending(bits: int) -> Iterator[int]:
    """Every member once, the largest first; for few of them, as each costs a pass over the set."""
    while bits:
        largest = bits.bit_length() - 1
        yield largest
        bits ^= 1 << largest


def _ascending(bits: int, offset: int) -> Iterator[int]:
    data = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    for match in _NOT_ZERO.finditer(data):
        at = match.start()
        for i in _MEMBERS[data[at]]:
            yield offset + 8 * at + i


def lowest(bits: int) -> int:
    """The smallest member; ValueError when there is none."""
    if not bits:
        raise ValueError("an empty set has no lowest member")
    return (bits & -bits).bit_length() - 1


def from_members(numbers: Iterable[int]) -> int:
    """The set of these chunks, none of them negative."""
    numbers = list(numbers)
    if not numbers:
        return 0
    data = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        data[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(data, "little")


def periodic(period: int, first: int, run: int, total: int) -> int:
    """The chunks below `total` whose number modulo `period` is one of first … first+run-1."""
    repeats = -(-total // period)
    comb = everything(repeats * period) // everything(period)
    return (comb * span(first, run)) & everything(total)


def to_ranges(bits: int) -> tuple[tuple[int, int], ...]:
    """The set as spans (first, count), ascending, not touching."""
    return tuple((match.start(), match.end() - match.start()) for match in _ONES.finditer(f"{bits:b}"[::-1]))


def from_ranges(ranges: Iterable[tuple[int, int]], total: int = MAX_CHUNKS) -> int:
    """The set of all chunks in these spans (first, count).

    ValueError when a span is not within 0 … total-1: a peer names spans, and nothing as large as a
    number that it made up must be allocated.
    """
    spans = list(ranges)
    for first, count in spans:
        if first < 0 or count < 0 or first + count > total:
            raise ValueError(f"chunks {first}+{count} are not all within 0…{total - 1}")
    data = bytearray((max((first + count for first, count in spans), default=0) + 7) // 8)
    for first, count in spans:
        _fill(data, first, first + count)
    return int.from_bytes(data, "little")


def _fill(data: bytearray, first: int, end: int) -> None:
    """Set the bits first … end-1."""
    head, tail = first >> 3, end >> 3
    if head == tail:
        if end > first:
            data[head] |= (_FULL << (first & 7)) & ~(_FULL << (end & 7)) & _FULL
        return
    data[head] |= (_FULL << (first & 7)) & _FULL
    data[head + 1 : tail] = bytes([_FULL]) * (tail - head - 1)
    if end & 7:
        data[tail] |= ~(_FULL << (end & 7)) & _FULL
