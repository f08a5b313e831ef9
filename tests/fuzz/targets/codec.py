"""Any bytes: no value, or the one value they are the encoding of (docs/protocol.md, "Encoding")."""

from __future__ import annotations

from collections.abc import Iterator

from protocol import codec

VALUES = (
    None,
    [True, False, 0, 127, 128, -1, -33, (1 << 64) - 1, -(1 << 63)],
    ["", "text", "é" * 20, b"", bytes(300), []],
    [[[[[["deep"]]]]]],
    list(range(20)),
)


def seeds() -> Iterator[bytes]:
    yield from map(codec.encode, VALUES)


def run(data: bytes) -> None:
    try:
        value = codec.decode(data)
    except codec.BadEncoding:
        return
    assert codec.encode(value) == data
