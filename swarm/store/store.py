"""Verified bytes on disk, named by what they are: the store of one node.

A blob arrives as chunks, or whole when it is small, and is committed once its bytes are what its publisher
calls them. The order is always bytes, index, completion marker; views come after that and are not made
here. So kill -9 at any point leaves content that is not yet known, never a name for content that is
not there.

Every method is one call into `Workers`; once started it runs to its end even when its caller is
cancelled. Each raises StoreError when the disk is full, cannot be written or fails, or when another
process has taken the store over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from time import time
from typing import TypeVar, TypeVarTuple

import trio

from protocol.chunks import Bytes, Chunk, WrongBytes
from protocol.ids import ChunkDigest, NodeId, SnapshotKey
from protocol.manifest import Blob, Snapshot
from protocol.standing import Audience
from swarm.sources.interface import Source
from swarm.store.access import Access
from swarm.store.catalog import Catalog
from swarm.store.content import Content, WholeBlob
from swarm.store.faults import disk_faults, free_bytes
from swarm.store.layout import StoreLayout
from swarm.store.ledger import Ledger
from swarm.store.ownership import Ownership, boot_id
from swarm.store.partial import Put
from swarm.store.schema import Database
from swarm.store.values import ChunkReader, Held, Incident, Stored, Summary, Unverified
from swarm.workers import Workers

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@asynccontextmanager
async def open_store(
    root: Path, workers: Workers, *, now: Callable[[], float] = time, boot: str | None = None
) -> AsyncIterator[Store]:
    """The store in the folder `root`, made when there is none, for this process alone.

    `now`: seconds since the epoch. `boot`: names this boot of the machine (default: asks the system).
    Raises StoreError: in use, cannot be written, full, damaged, or of a later version.
    """
    layout = StoreLayout(root)
    ownership = Ownership(layout)
    with disk_faults(root):
        await workers.run(layout.create)
        await ownership.acquire(workers)
    try:
        boot = boot_id() if boot is None else boot
        store = await workers.run(Store, layout, workers, ownership, now, boot)
        try:
            await store._call(store._content.sweep, {})
            yield store
        finally:
            with trio.CancelScope(shield=True):
                await workers.run(store._close)
    finally:
        with trio.CancelScope(shield=True):
            await workers.run(ownership.release)


class Store:
    """See the module; made by `open_store`. `root`: the folder it is in."""

    def __init__(
        self,
        layout: StoreLayout,
        workers: Workers,
        ownership: Ownership,
        now: Callable[[], float],
        boot: str,
    ) -> None:
        self.root = layout.root
        self._layout = layout
        self._workers = workers
        self._ownership = ownership
        self._now = now
        with disk_faults(self.root):
            layout.clear()
            self._database = Database(layout.index)
        self._ledger = Ledger(self._database, layout)
        self._catalog = Catalog(self._database)
        self._access = Access(self._database)
        self._content = Content(self._database, layout, boot, self._damaged)

    # --- content ------------------------------------------------------------------------------------

    async def held(self, blobs: Iterable[Blob]) -> dict[Blob, Held]:
        """What there is of each blob; of incomplete ones what was put or resumed in this process."""
        return await self._call(self._content.held, tuple(blobs))

    async def resume(self, blob: Blob) -> Held:
        """As `held`, after hashing what an earlier process left of it and keeping what verifies."""
        return await self._call(self._content.resume, blob)

    async def put(self, blob: Blob, index: int, chunk: Chunk, source: Source, voucher: NodeId | None) -> None:
        """Store a verified chunk. `voucher`: who attested its digest, None when nobody had to.

        Does nothing when the chunk is held already: one found wrong has to be discarded first.
        """
        await self._call(self._content.put, blob, [Put(index, chunk, voucher)], source)

    async def put_verified(
        self, items: Sequence[Unverified], source: Source
    ) -> list[ChunkDigest | WrongBytes]:
        """`put` what these return, in one trip to a worker, which calls them too; their digests.

        Up to the first that raises WrongBytes, which is then the last of the list.
        """
        return await self._call(self._content.put_verified, items, source)

    async def put_whole(self, items: Sequence[tuple[WholeBlob, Source]]) -> None:
        """Store and commit blobs of one chunk or none, in one transaction."""
        await self._call(self._content.put_whole, items)

    async def read(self, blob: Blob, index: int) -> bytes | None:
        """The bytes of a chunk of a complete or partial blob, None when it is not held."""
        return await self._call(self._content.read, blob, index)

    def reader(self, blob: Blob, index: int, digest: ChunkDigest | None = None) -> ChunkReader:
        """`read` as many bytes as the memory given to it has, for somebody else's worker to call.

        None also when a partial blob's chunk has another digest by then. What it returns may lie elsewhere,
        if it came into memory meanwhile. Of no use once the store is closed.
        """

        def read(memory: memoryview, at: int) -> Bytes | None:
            return self._guarded(self._content.read_into, blob, index, digest, memory, at)

        return ChunkReader(read, self._content.at_hand(blob, index, digest))

    async def claims(self, blob: Blob) -> list[tuple[int, ChunkDigest, NodeId | None]]:
        """(chunk, digest, who vouched for it) of each chunk held; nobody has to once the blob is complete."""
        return await self._call(self._content.claims, blob)

    async def commit(self, blob: Blob) -> Path:
        """Hash the whole content and, if it is the publisher's, have it on disk, named and indexed.

        Raises Mismatch when it is not (every chunk stays), StoreError when chunks are missing.
        """
        return Path(await self._call(self._content.commit, blob))

    async def discard(self, blob: Blob, indexes: Iterable[int]) -> None:
        """Forget chunks of a partial blob that were found wrong."""
        await self._call(self._content.discard, blob, tuple(indexes))

    def path(self, blob: Blob) -> Path:
        """Where the blob lies once it is complete."""
        return Path(self._layout.blob(blob.algorithm, blob.digest))

    # --- where it came from -------------------------------------------------------------------------

    async def provenance(self, blob: Blob) -> dict[Source, int]:
        """Bytes of the blob by who sent them."""
        return (await self.provenances([blob])).get(blob, {})

    async def provenances(self, blobs: Iterable[Blob]) -> dict[Blob, dict[Source, int]]:
        """`provenance` of many blobs at once; those of which nothing is held are left out."""
        return await self._call(self._provenances, tuple(blobs))

    async def chunk_sources(self, blob: Blob) -> dict[int, Source]:
        """Who sent each chunk held, while the blob is partial."""
        return await self._call(self._content.sources, blob)

    async def note(self, incident: Incident) -> None:
        """Remember that something went wrong."""
        await self._call(self._ledger.note, incident)

    async def incidents(self, blobs: Sequence[Blob] | None = None) -> list[Incident]:
        """What went wrong with these blobs, or with anything, in the order in which it was noted."""
        return await self._call(self._ledger.incidents, blobs)

    # --- snapshots ----------------------------------------------------------------------------------

    async def remember(
        self,
        snapshot: Snapshot,
        *,
        public: bool,
        published: bool = True,
        revisions: Sequence[str] = (),
        domain: str = "",
    ) -> None:
        """Know a snapshot from now on, and these names for it. Once published it stays so (see `Stored`).

        `domain`: whose word this is, and whether anyone may have it (`swarm.store.access`). Not `published`
        and not `public`: a member of the site says that it is private.
        """
        await self._call(self._catalog.remember, snapshot, public, published, revisions, self._now(), domain)

    async def snapshot(self, key: SnapshotKey) -> Stored | None:
        """The snapshot with this key, if it was remembered."""
        return await self._call(self._catalog.snapshot, key)

    async def find(
        self, hub: str, repo_type: str, repo: str, revision: str, domains: Collection[str] = ("",)
    ) -> Stored | None:
        """The snapshot that was last remembered under this name, or that is of this commit, by the word of
        one of these domains or of peers."""
        return await self._call(self._catalog.find, hub, repo_type, repo, revision, domains)

    async def offered(self, key: SnapshotKey) -> Stored | None:
        """The snapshot with this key, if strangers may have all of it."""
        return await self._call(self._catalog.offered, key)

    async def shared(self, topic: SnapshotKey) -> Stored | None:
        """The private snapshot with this topic (`protocol.ids.private_topic`), if members may have it."""
        return await self._call(self._catalog.shared, topic)

    async def audience(self, key: SnapshotKey) -> Audience:
        """Whom this snapshot may be offered to, at most."""
        return await self._call(self._catalog.audience, key)

    async def find_offered(
        self, hub: str, repo_type: str, repo: str, revision: str, *, members: bool = False
    ) -> Stored | None:
        """As `find`, among what strangers may have, or members too."""
        return await self._call(self._catalog.find_offered, hub, repo_type, repo, revision, members)

    async def snapshots(self) -> list[Summary]:
        """All snapshots, the one last remembered first."""
        return await self._call(self._summaries)

    async def mark_complete(self, key: SnapshotKey, files: Iterable[str]) -> None:
        """Set the completion marker of these paths. StoreError when one of them is not complete."""
        await self._call(self._catalog.mark, key, frozenset(files))

    async def remove(self, hub: str, repo_type: str, repo: str) -> int:
        """Forget a repository and delete what no other snapshot needs, partial content too; bytes freed.

        Content that a registered symlink leads to stays; `roots` tells which.
        """
        return await self._call(self._remove, hub, repo_type, repo)

    async def add_root(self, blob: Blob, path: Path) -> None:
        """Register a symlink outside that leads to a blob: `remove` leaves the blob while it does."""
        await self._call(self._ledger.add_root, blob, path)

    async def roots(self) -> dict[Path, bytes]:
        """Registered symlinks that lead into the store now: digest of the content by path of the link."""
        return await self._call(self._ledger.roots)

    # --- what came with a token ---------------------------------------------------------------------

    async def permit(self, who: bytes, domain: str, snapshot: Snapshot) -> None:
        """The domain just gave this private repository for the credential with the hash `who`."""
        repo = (snapshot.hub, snapshot.repo_type, snapshot.repo)
        await self._call(self._access.permit, who, domain, *repo, self._now())

    async def revoke(
        self, whos: Collection[bytes], domains: Collection[str], hub: str, repo_type: str, repo: str
    ) -> None:
        """These domains just refused the repository to these credentials."""
        await self._call(self._access.revoke, whos, domains, hub, repo_type, repo)

    async def withdraw(self, hub: str, repo_type: str, repo: str) -> None:
        """Nothing of the repository is public any more."""
        await self._call(self._access.withdraw, hub, repo_type, repo)

    async def withheld(
        self, key: SnapshotKey, blobs: Iterable[Blob], whos: Collection[bytes], age: float
    ) -> bool:
        """Whether some of this was had with a token, and none of these credentials was good for it within
        the last `age` seconds."""
        return await self._call(self._access.withheld, key, tuple(blobs), whos, self._now() - age)

    # --- room ---------------------------------------------------------------------------------------

    async def size(self) -> int:
        """Bytes of content in the store, complete and partial."""
        return await self._call(self._size)

    async def free(self) -> int:
        """Bytes that may still be written to the disk the store is on."""
        return await self._call(free_bytes, self.root)

    # --- inside -------------------------------------------------------------------------------------

    async def _call(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return await self._workers.run(partial(self._guarded, function, *arguments))

    def _guarded(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        with disk_faults(self.root):
            self._ownership.check()
            return function(*arguments)

    def _close(self) -> None:
        self._content.close()
        self._database.close()

    def _damaged(self, blob: Blob, place: str) -> None:
        what = "was in the store, and was found deleted or changed"
        self._ledger.note(Incident(self._now(), Source("local", place), what, blob))

    def _provenances(self, blobs: tuple[Blob, ...]) -> dict[Blob, dict[Source, int]]:
        told = self._ledger.provenance(blobs)
        for blob in blobs:
            partly = {} if blob in told else self._content.partly_provided(blob)
            if partly:
                told[blob] = partly
        return told

    def _summaries(self) -> list[Summary]:
        return self._catalog.summaries(self._content.partial_bytes())

    def _remove(self, hub: str, repo_type: str, repo: str) -> int:
        doomed = self._catalog.remove(hub, repo_type, repo, self._ledger.roots().values())
        return self._content.unlink(doomed)

    def _size(self) -> int:
        ((complete,),) = self._database.rows("SELECT COALESCE(SUM(size), 0) FROM blob")
        return int(complete) + sum(self._content.partial_bytes().values())
