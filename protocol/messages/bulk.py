"""What is said on bulk connections, where both sides may ask and answer."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.chunks import LARGEST_CHUNK
from protocol.fields import BadMessage
from protocol.ids import ChunkDigest, SnapshotKey
from protocol.messages.checked import Checked, Ranges


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
