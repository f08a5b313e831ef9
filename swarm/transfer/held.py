"""What of one snapshot is held: chunks stored and not doubted, and the blobs that are done."""

from __future__ import annotations

from protocol.manifest import Blob, Layout
from swarm.store import Store
from swarm.transfer.claims import ClaimBook
from swarm.transfer.plan import chunk_bits


class Held:
    """`bits`: the chunks held. `done`: blobs checked against their publisher's digest and committed."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lacking: dict[Blob, int] = {}
        self.bits = 0
        self.done: set[Blob] = set()

    async def read(self, store: Store, book: ClaimBook) -> None:
        """Find out what the store holds; under which digests is entered in the book."""
        for blob, state in (await store.held(self._layout.blobs)).items():
            if not state.complete and blob.chunk_count > 1:
                state = await store.resume(blob)
            if state.complete:
                self.done.add(blob)
            chunks = self._layout.chunks_of(blob)
            self.bits |= state.bits << chunks.start
            self._lacking[blob] = blob.chunk_count - state.bits.bit_count()
            for chunk, digest in zip(chunks, state.digests, strict=False):
                if digest is not None and blob.chunk_count > 1:
                    book.settle(chunk, digest)

    def __contains__(self, chunk: int) -> bool:
        return bool(self.bits >> chunk & 1)

    def add(self, chunk: int) -> None:
        """The chunk is stored; it may have been before."""
        if chunk not in self:
            self.bits |= 1 << chunk
            self._lacking[self._layout.locate(chunk)[0]] -= 1

    def lose(self, blob: Blob) -> int:
        """No chunk of this blob counts any more; the chunks it has."""
        bits = chunk_bits(self._layout, (blob,))
        self.bits &= ~bits
        self._lacking[blob] = blob.chunk_count
        return bits

    def is_to_commit(self, blob: Blob) -> bool:
        """Whether all chunks of a blob of several are here, and what they make up was not checked yet."""
        return blob.chunk_count > 1 and not self._lacking[blob] and blob not in self.done
