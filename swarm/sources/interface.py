"""The interface a source of chunks offers to a transfer.

A transfer asks for chunks of one snapshot by number and gets raw bytes with their numbers, in any
order. Bytes from a source are not trusted: the transfer makes a `Chunk` of them or throws them away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from protocol.chunks import Bytes

SourceKind = Literal["local", "peer", "upstream"]


class Source(NamedTuple):
    """Who sent some bytes: remembered for every chunk until its blob is committed, told by `swarm why`.

    `name` is a node id as text for a peer, a base URL for an upstream, a path for something local.
    """

    kind: SourceKind
    name: str


class SourceFailed(Exception):
    """This source will not send the rest of an order. `lasting`: nor anything else for a while. `absent`: it
    says that it does not have it."""

    def __init__(self, source: Source, reason: str, *, lasting: bool = False, absent: bool = False) -> None:
        super().__init__(f"{source.name}: {reason}")
        self.source = source
        self.reason = reason
        self.lasting = lasting
        self.absent = absent


Arrived = Sequence[tuple[int, "Bytes"]]
"""Chunks that came together: (chunk number, all bytes of the chunk)."""

Deliver = Callable[[Source, Arrived], Awaitable[None]]
"""Called with who sent them and chunks, from several tasks at a time; the buffers are the receiver's."""


class ChunkSource(Protocol):
    """Something that can be asked for chunks of one snapshot."""

    async def fetch(self, chunks: Sequence[int], deliver: Deliver) -> None:
        """Deliver each of these chunks once, or raise SourceFailed; cancelling it cancels the order."""
        ...
