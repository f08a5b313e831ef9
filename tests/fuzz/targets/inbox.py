"""Where frames are cut out of a stream: the same frames however the bytes were cut into reads.

u8: bytes of the first read | u8: of each further one | the stream
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol.frames import LENGTH, BadFrame
from protocol.inbox import Inbox

CAP = 600


def seeds() -> Iterator[bytes]:
    frames = [b"", b"a", bytes(300), bytes(CAP)]
    stream = b"".join(LENGTH.pack(len(frame)) + frame for frame in frames)
    yield b"\x01\x07" + stream
    yield b"\xff\xff" + stream
    yield b"\x03\x03" + stream + LENGTH.pack(CAP + 1)


def run(data: bytes) -> None:
    if len(data) < 2:
        return
    first, step, stream = data[0] + 1, data[1] + 1, data[2:]
    sizes = [first] + [step] * (len(stream) // step + 1)
    assert frames(stream, sizes) == frames(stream, [len(stream)])


def frames(stream: bytes, sizes: list[int]) -> list[bytes]:
    """What comes out; ends with b"too long" instead of a frame that is."""
    inbox, found, at = Inbox(), [], 0
    for size in sizes:
        end = at + size
        while at < min(end, len(stream)):
            space = inbox.space()
            taken = stream[at : min(end, at + len(space))]
            space[: len(taken)] = taken
            inbox.wrote(len(taken))
            at += len(taken)
            try:
                while (frame := inbox.next_frame(CAP)) is not None:
                    found.append(bytes(frame))
            except BadFrame:
                return [*found, b"too long"]
            assert inbox.pending <= LENGTH.size + CAP
    return found
