"""The partial blobs of a store: those in use, and those an earlier process left."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from protocol.manifest import Blob
from swarm.sources.interface import Source
from swarm.store import journal
from swarm.store.descriptors import Descriptors
from swarm.store.layout import StoreLayout, blob_of_partial
from swarm.store.partial import Partial

SECTOR: Final = 512
"""Unit of st_blocks, whatever the file system's own (POSIX sys_stat.h, as every system has it)."""


class Partials:
    """One `Partial` a blob. Blocking; safe to use from many threads."""

    def __init__(self, layout: StoreLayout, descriptors: Descriptors) -> None:
        self._layout = layout
        self._descriptors = descriptors
        self._lock = threading.Lock()
        self._partials: dict[Blob, Partial] = {}

    def get(self, blob: Blob) -> Partial | None:
        """The partial blob if it is in use."""
        return self._partials.get(blob)

    def make(self, blob: Blob) -> Partial:
        """The partial blob, from now on in use."""
        with self._lock:
            return self._partials.setdefault(blob, Partial(blob, self._layout, self._descriptors))

    def delete(self, blob: Blob) -> int:
        """Remove what is left of a partial blob; the bytes of content that went."""
        with self._lock:
            partial = self._partials.pop(blob, None)
        return (partial or Partial(blob, self._layout, self._descriptors)).delete()

    def delete_all(self, digests: Collection[bytes]) -> int:
        """Remove every partial blob with one of these digests; the bytes of content that went."""
        left = [blob for blob in self._on_disk() if blob.digest in digests]
        used = [blob for blob in tuple(self._partials) if blob.digest in digests]
        return sum(self.delete(blob) for blob in {*left, *used})

    def left_provenance(self, blob: Blob) -> Mapping[Source, int]:
        """What a journal that outlived its data says about who sent what."""
        try:
            found = journal.replay(blob, self._layout.journal(blob).read_bytes())
        except FileNotFoundError:
            return {}
        return journal.provenance(blob, found)

    def bytes_on_disk(self) -> dict[bytes, int]:
        """Allocated bytes of each partial blob by its digest, at most its size."""
        return {
            blob.digest: min(path.stat().st_blocks * SECTOR, blob.size)
            for blob, path in self._on_disk().items()
        }

    def _on_disk(self) -> dict[Blob, Path]:
        found = {}
        for path in self._layout.partials.glob("*.data"):
            blob = blob_of_partial(path)
            if blob:
                found[blob] = path
        return found
