"""The partial blobs of a store: those in use, and those an earlier process left."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from protocol.manifest import Blob
from swarm.sources.interface import Source
from swarm.store import journal
from swarm.store.descriptors import Descriptors
from swarm.store.direct import Direct
from swarm.store.files import written
from swarm.store.layout import StoreLayout, blob_of_partial
from swarm.store.partial import Partial
from swarm.store.recent import Recent
from swarm.store.room import Room


class Partials:
    """One `Partial` a blob. Blocking; safe to use from many threads."""

    def __init__(self, layout: StoreLayout, descriptors: Descriptors, direct: Direct, room: Room) -> None:
        self._layout = layout
        self._descriptors = descriptors
        self._direct = direct
        self._room = room
        self._recent = Recent()
        self._lock = threading.Lock()
        self._partials: dict[Blob, Partial] = {}
        self._left = self._on_disk()

    def get(self, blob: Blob) -> Partial | None:
        """The partial blob if it is in use."""
        return self._partials.get(blob)

    def make(self, blob: Blob) -> Partial:
        """The partial blob, from now on in use."""
        with self._lock:
            return self._partials.setdefault(blob, self._new(blob))

    def _new(self, blob: Blob) -> Partial:
        return Partial(blob, self._layout, self._descriptors, self._direct, self._room, self._recent)

    def leave(self, blob: Blob) -> None:
        """Use a partial blob no longer; what is on disk stays for `Content.resume`."""
        with self._lock:
            partial = self._partials.pop(blob, None)
            self._left.add(blob)
        if partial:
            partial.close()

    def delete(self, blob: Blob) -> int:
        """Remove what there is of a partial blob; the bytes of content that went.

        It stays in use until its files are gone: nobody makes another of the same name meanwhile.
        """
        partial = self.make(blob) if blob in self._left else self.get(blob)
        if partial is None:
            return 0
        freed = partial.delete()
        with self._lock:
            self._left.discard(blob)
            if self._partials.get(blob) is partial:
                del self._partials[blob]
        return freed

    def delete_all(self, digests: Collection[bytes]) -> int:
        """Remove every partial blob with one of these digests; the bytes of content that went."""
        with self._lock:
            chosen = [blob for blob in {*self._left, *self._partials} if blob.digest in digests]
        return sum(self.delete(blob) for blob in chosen)

    def left_provenance(self, blob: Blob) -> Mapping[Source, int]:
        """What a journal that outlived its data says about who sent what."""
        try:
            found = journal.replay(blob, self._layout.journal(blob).read_bytes())
        except FileNotFoundError:
            return {}
        return journal.provenance(blob, found)

    def bytes_on_disk(self) -> dict[bytes, int]:
        """Bytes written of each partial blob by its digest, at most its size."""
        sizes = {blob: written(self._layout.data(blob)) for blob in self._on_disk()}
        return {blob.digest: min(size, blob.size) for blob, size in sizes.items()}

    def _on_disk(self) -> set[Blob]:
        blobs = map(blob_of_partial, self._layout.partials.iterdir())
        return {blob for blob in blobs if blob is not None}
