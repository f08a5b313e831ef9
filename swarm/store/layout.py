"""Where things lie in a store, and nothing else.

owner, lock                              whose store this is (`ownership`)
index.sqlite                             what is complete, and what it belongs to (`schema`)
blobs/{algorithm}/{2 hex}/{hex}          complete content, mode 0444, never changed once there
partial/{algorithm}-{hex}-{size}.data    content still arriving, sparse
partial/{algorithm}-{hex}-{size}.journal which of its chunks were stored, from whom (`journal`)
partial/*.new                            written but not yet under its name: rubbish after a crash
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from protocol.manifest import Algorithm, Blob
from swarm.store.files import close_to_others

DIGEST_ALGORITHMS: Final[Mapping[int, Algorithm]] = {32: "sha256", 20: "git-sha1"}
"""The algorithm of a digest of this many bytes: the index keeps the digest alone."""


class StoreLayout:
    """Paths of one store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = root / "lock"
        self.owner = root / "owner"
        self.index = root / "index.sqlite"
        self.blobs = root / "blobs"
        self.partials = root / "partial"
        self._blobs = f"{self.blobs}/"

    def blob(self, algorithm: str, digest: bytes) -> str:
        """Where complete content lies, as text: a snapshot may ask for twenty thousand of them."""
        name = digest.hex()
        return f"{self._blobs}{algorithm}/{name[:2]}/{name}"

    def data(self, blob: Blob) -> Path:
        return self.partials / f"{_stem(blob)}.data"

    def journal(self, blob: Blob) -> Path:
        return self.partials / f"{_stem(blob)}.journal"

    def new(self, number: int) -> Path:
        """A name for content that is complete but not yet in its place."""
        return self.partials / f"{number}.new"

    def create(self) -> None:
        """Have the folders, in which only their owner writes. Raises OSError; StoreError where others do."""
        for folder in (self.root, self.blobs, self.partials):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.root, self.partials, self.blobs, *self.blobs.glob("*"), *self.blobs.glob("*/*")):
            close_to_others(folder)

    def clear(self) -> None:
        """Delete what a crash left under a temporary name; for the owner of the store only."""
        for leftover in (*self.partials.glob("*.new"), *self.root.glob("owner.*")):
            leftover.unlink()


def blob_of_partial(path: Path) -> Blob | None:
    """The blob whose partial data file has this name; None when it is no such name."""
    match path.stem.rsplit("-", 2):
        case [("sha256" | "git-sha1") as algorithm, digest, size]:
            try:
                return Blob(algorithm, bytes.fromhex(digest), int(size))
            except ValueError:
                return None
        case _:
            return None


def _stem(blob: Blob) -> str:
    return f"{blob.algorithm}-{blob.digest.hex()}-{blob.size}"
