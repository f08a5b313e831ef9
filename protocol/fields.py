"""What each field of a message may hold: one rule for a name, in whichever message it occurs.

A rule takes the value of a field and raises BadMessage when it is not of that form. Rules run in the
constructors of `messages`, so they hold for what we are about to say as well as for what a peer said. They
look at the type of every value there is in a field: whatever keeps them has an encoding. The lists of the
messages that travel with every chunk have rules of their own, others are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from protocol.chunks import LARGEST_CHUNK
from protocol.ids import ID_LENGTH
from protocol.limits import (
    MAX_ADDRESS,
    MAX_ADDRESSES,
    MAX_CHUNKS,
    MAX_CLAIMED_DIGESTS,
    MAX_COMPANY,
    MAX_DATA_PAYLOAD,
    MAX_MANIFEST,
    MAX_MAP_BYTES,
    MAX_MEMBERSHIP,
    MAX_NAME,
    MAX_PEERS_PASSED_ON,
    MAX_PIECES,
    MAX_RANGES,
    MAX_REVOCATION,
    MAX_SEEK_HOPS,
)

U64: Final = (1 << 64) - 1

Rule = Callable[[object], None]


class BadMessage(ValueError):
    """A message breaks a rule of docs/protocol.md; the text names the rule."""


def number(most: int) -> Rule:
    """An integer from 0 to `most`; True and False are none."""

    def rule(value: object) -> None:
        if type(value) is not int or not 0 <= value <= most:
            raise BadMessage(f"not a number from 0 to {most}")

    return rule


def raw(least: int, most: int) -> Rule:
    """Between `least` and `most` bytes."""

    def rule(value: object) -> None:
        if type(value) is not bytes or not least <= len(value) <= most:
            raise BadMessage(f"not {least} to {most} bytes")

    return rule


def text(most: int) -> Rule:
    """At most `most` bytes of UTF-8 without control characters."""

    def rule(value: object) -> None:
        if type(value) is not str or not value.isprintable() or len(value.encode()) > most:
            raise BadMessage(f"not a text of at most {most} bytes")

    return rule


def sequence(least: int, most: int, item: Rule) -> Rule:
    """A tuple of `least` to `most` values that keep the rule `item`."""

    def rule(value: object) -> None:
        if type(value) is not tuple or not least <= len(value) <= most:
            raise BadMessage(f"not a list of {least} to {most}")
        for each in value:
            item(each)

    return rule


def record(*rules: Rule) -> Rule:
    """A tuple with one value for each rule."""

    def rule(value: object) -> None:
        if type(value) is not tuple or len(value) != len(rules):
            raise BadMessage(f"not a list of {len(rules)} fields")
        for each, check in zip(value, rules, strict=True):
            check(each)

    return rule


def flag(value: object) -> None:
    """True or False."""
    if type(value) is not bool:
        raise BadMessage("not a truth value")


def ranges(value: object) -> None:
    """At most MAX_RANGES spans (first, count) of chunk numbers, ascending and not touching."""
    if type(value) is not tuple or len(value) > MAX_RANGES:
        raise BadMessage(f"not a list of 0 to {MAX_RANGES}")
    end = -1
    for span in value:
        if type(span) is not tuple or list(map(type, span)) != [int, int]:
            raise BadMessage("not a span of two numbers")
        first, count = span
        if first <= end or count <= 0 or first + count > MAX_CHUNKS:
            raise BadMessage("ranges that are empty, touch, descend, or end beyond the last chunk")
        end = first + count


def digests(value: object) -> None:
    """1 to MAX_CLAIMED_DIGESTS digests."""
    if type(value) is not tuple or not 1 <= len(value) <= MAX_CLAIMED_DIGESTS:
        raise BadMessage(f"not a list of 1 to {MAX_CLAIMED_DIGESTS}")
    if set(map(type, value)) != {bytes} or set(map(len, value)) != {ID_LENGTH}:
        raise BadMessage(f"not {ID_LENGTH} bytes each")


def items(value: object) -> None:
    """At most MAX_PIECES pairs of a chunk and the digest it is to have, or None."""
    if type(value) is not tuple or len(value) > MAX_PIECES:
        raise BadMessage(f"not a list of 0 to {MAX_PIECES}")
    for item in value:
        if type(item) is not tuple or len(item) != 2:
            raise BadMessage("not a list of 2 fields")
        chunk, digest = item
        if type(chunk) is not int or not 0 <= chunk < MAX_CHUNKS:
            raise BadMessage(f"not a number from 0 to {MAX_CHUNKS - 1}")
        if digest is not None and (type(digest) is not bytes or len(digest) != ID_LENGTH):
            raise BadMessage(f"not {ID_LENGTH} bytes")


def pieces(value: object) -> None:
    """1 to MAX_PIECES triples of a chunk, an offset in it and a length."""
    if type(value) is not tuple or not 1 <= len(value) <= MAX_PIECES:
        raise BadMessage(f"not a list of 1 to {MAX_PIECES}")
    for piece in value:
        if type(piece) is not tuple or list(map(type, piece)) != [int, int, int]:
            raise BadMessage("not a piece of three numbers")
        chunk, offset, length = piece
        if not (0 <= chunk < MAX_CHUNKS and 0 <= offset <= LARGEST_CHUNK and 0 <= length <= LARGEST_CHUNK):
            raise BadMessage("a piece beyond the last chunk or the end of any chunk")


def payload(value: object) -> None:
    """At most MAX_DATA_PAYLOAD bytes, one after another."""
    if not isinstance(value, bytes | memoryview):
        raise BadMessage("not a payload")
    view = memoryview(value)
    if view.nbytes > MAX_DATA_PAYLOAD or not view.c_contiguous:
        raise BadMessage(f"a payload longer than {MAX_DATA_PAYLOAD} bytes or in parts")


identifier: Final = raw(ID_LENGTH, ID_LENGTH)
_chunk: Final = number(MAX_CHUNKS - 1)
_addresses: Final = sequence(0, MAX_ADDRESSES, text(MAX_ADDRESS))

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "nonce": number(U64),
        "entries": sequence(0, MAX_PEERS_PASSED_ON, record(identifier, _addresses)),
        "topic": identifier,
        "wants": flag,
        "can_fetch": flag,
        "ask": flag,
        "first": _chunk,
        "bits": raw(0, MAX_MAP_BYTES),
        "ranges": ranges,
        "digests": digests,
        "whole": flag,
        "public_key": raw(32, 32),
        "signature": raw(64, 64),
        "held": flag,
        "fetched": number(U64),
        "request": number(U64),
        "hub": text(MAX_NAME),
        "repo_type": text(MAX_NAME),
        "repo": text(MAX_NAME),
        "revision": text(MAX_NAME),
        "commit": text(MAX_NAME),
        "reason": text(MAX_NAME),
        "seeker": identifier,
        "seed": identifier,
        "addresses": _addresses,
        "hops": number(MAX_SEEK_HOPS),
        "holder": identifier,
        "age": number(U64),
        "nodes": sequence(0, MAX_COMPANY, identifier),
        "items": items,
        "pieces": pieces,
        "invitation": raw(32, 32),
        "proof": raw(64, 64),
        "name": text(MAX_NAME),
        "membership": raw(0, MAX_MEMBERSHIP),
        "refusal": text(MAX_NAME),
        "badge": raw(1, MAX_MEMBERSHIP),
        "revocation": raw(1, MAX_REVOCATION),
        "offset": number(MAX_MANIFEST),
        "size": number(MAX_MANIFEST),
        "payload": payload,
    }
)
"""Field name -> rule, for every field of every message."""
