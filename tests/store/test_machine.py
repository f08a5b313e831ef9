"""Any order of what may happen to a store: nothing wrong is ever given out, nothing right is ever lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol.chunks import Chunk
from protocol.manifest import Blob, Snapshot
from swarm.errors import StoreError
from swarm.store import WholeBlob
from swarm.store.access import COMMON
from swarm.store.catalog import Catalog
from swarm.store.content import Content
from swarm.store.layout import StoreLayout
from swarm.store.ledger import Ledger
from swarm.store.partial import Put
from swarm.store.schema import Database
from swarm.store.values import Mismatch
from tests.store.samples import HUB, PEER, VOUCHER, Sample, named, sample, snapshot_of

SAMPLES = (
    sample(600_000, seed=1),
    sample(700_000, seed=2, algorithm="git-sha1"),
    sample(300, seed=3),
    named(b"", "git-sha1"),
)
SNAPSHOTS = (
    snapshot_of({"a": SAMPLES[0], "b": SAMPLES[2]}, repo="org/one"),
    snapshot_of({"a": SAMPLES[0], "d": SAMPLES[3]}, repo="org/one", commit="d" * 40),
    snapshot_of({"a": SAMPLES[0], "c": SAMPLES[1], "d": SAMPLES[3]}, repo="org/two"),
)
"""Two revisions of one repository, and another that shares content with it."""
samples = st.sampled_from(SAMPLES)
large = st.sampled_from(SAMPLES[:2])
indexes = st.integers(0, 2)
snapshots = st.sampled_from(SNAPSHOTS)
repos = st.sampled_from(["org/one", "org/two"])
links = st.integers(0, 2)


def blobs_of(some: Iterable[Snapshot]) -> set[Blob]:
    return {file.blob for snapshot in some for file in snapshot.files}


@dataclass(frozen=True)
class Known:
    """What was said of a snapshot: may everybody have it, was it the hub that said so, what is marked."""

    public: bool
    published: bool
    marked: frozenset[str] = frozenset()


class StoreMachine(RuleBasedStateMachine):
    """The model: per blob the chunk last stored at each index until it is complete; the snapshots that are
    known, what "main" means in each repository, content that came with a token only, and symlinks into here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.arriving: dict[Blob, dict[int, Chunk]] = {content.blob: {} for content in SAMPLES}
        self.discarded: dict[Blob, list[Chunk]] = {content.blob: [] for content in SAMPLES}
        self.complete: set[Blob] = set()
        self.known: dict[Snapshot, Known] = {}
        self.main: dict[str, Snapshot] = {}
        self.restricted: set[Blob] = set()
        self.links: dict[Path, Blob] = {}
        self.time = 0.0
        self.boot = "boot 0"

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self) -> None:
        self.layout = StoreLayout(self.root)
        self.layout.create()
        self.layout.clear()
        self.database = Database(self.layout.index)
        self.content = Content(self.database, self.layout, self.boot, lambda blob, place: None)
        self.content.sweep({})
        self.catalog = Catalog(self.database)
        self.ledger = Ledger(self.database, self.layout)

    def close(self) -> None:
        self.content.close()
        self.database.close()

    @rule(content=large, numbers=st.lists(indexes, min_size=1, unique=True), right=st.booleans())
    def put(self, content: Sample, numbers: list[int], right: bool) -> None:
        chunks = {
            index: content.chunk(index) if right else Chunk.named(bytes(content.blob.span(index)[1]))
            for index in numbers
        }
        puts = [Put(index, chunk, VOUCHER) for index, chunk in chunks.items()]
        self.content.put(content.blob, puts, PEER if right else HUB)
        if content.blob not in self.complete:
            self.arriving[content.blob] = chunks | self.arriving[content.blob]

    @rule(content=samples)
    def fetch(self, content: Sample) -> None:
        """All of it comes, and it is checked."""
        for index in content.indexes:
            self.discard(content, index)
            self.put(content, [index], right=True)
        if content.blob.chunk_count > 1:
            self.commit(content)
        else:
            self.put_whole(content)

    @rule(content=samples)
    def put_whole(self, content: Sample) -> None:
        if content.blob.chunk_count > 1:
            return
        self.content.put_whole([(WholeBlob(content.blob, content.data), PEER)])
        self.complete.add(content.blob)

    @rule(content=large, index=indexes)
    def discard(self, content: Sample, index: int) -> None:
        self.content.discard(content.blob, [index])
        if index in self.arriving[content.blob]:
            self.discarded[content.blob].append(self.arriving[content.blob].pop(index))

    @rule(content=large)
    def commit(self, content: Sample) -> None:
        blob, there = content.blob, self.arriving[content.blob]
        right = all(bytes(chunk.data) == content.part(index) for index, chunk in there.items())
        try:
            self.content.commit(blob)
        except StoreError:
            assert blob not in self.complete
            assert len(there) < blob.chunk_count
        except Mismatch:
            assert not right
        else:
            assert blob in self.complete or (right and len(there) == blob.chunk_count)
            self.complete.add(blob)
            there.clear()

    @rule(snapshot=snapshots, public=st.booleans(), published=st.booleans())
    def remember(self, snapshot: Snapshot, public: bool, published: bool) -> None:
        """The hub says what it is and whether everybody may have it; or peers say, who know public ones."""
        public = public or not published
        self.time += 1
        self.catalog.remember(snapshot, public, published, ["main"], self.time)
        before = self.known.get(snapshot)
        if before is None:
            self.known[snapshot] = Known(public, published)
        elif published:
            self.known[snapshot] = Known(public, published, before.marked)
        self.main[snapshot.repo] = snapshot
        if published and public:
            self.restricted -= blobs_of([snapshot])
        elif published:
            shown = blobs_of(each for each, said in self.known.items() if said.public and said.published)
            large = {
                blob for blob in blobs_of([snapshot]) if blob.algorithm == "sha256" or blob.size > COMMON
            }
            self.restricted |= large - shown

    @rule(snapshot=snapshots)
    def mark(self, snapshot: Snapshot) -> None:
        paths = frozenset(file.path for file in snapshot.files)
        try:
            self.catalog.mark(snapshot.key, paths)
        except StoreError:
            assert snapshot not in self.known or not blobs_of([snapshot]) <= self.complete
        else:
            self.known[snapshot] = replace(self.known[snapshot], marked=paths)

    @rule(snapshot=snapshots, public=st.booleans(), number=links)
    def get(self, snapshot: Snapshot, public: bool, number: int) -> None:
        """What a get comes to: all that was asked for is there, marked, and in a view."""
        wanted = blobs_of([snapshot])
        self.remember(snapshot, public, True)
        for content in SAMPLES:
            if content.blob in wanted:
                self.fetch(content)
                self.link(content, number)
        self.mark(snapshot)

    @rule(content=samples, number=links)
    def link(self, content: Sample, number: int) -> None:
        """A view leads to this content from now on, be it here or not."""
        path = self.root / f"link{number}"
        path.unlink(missing_ok=True)
        path.symlink_to(self.layout.blob(content.blob.algorithm, content.blob.digest))
        self.ledger.add_root(content.blob, path)
        self.links[path] = content.blob

    @rule(number=links)
    def unlink(self, number: int) -> None:
        path = self.root / f"link{number}"
        path.unlink(missing_ok=True)
        self.links.pop(path, None)

    @rule(repo=repos)
    def remove(self, repo: str) -> None:
        roots = self.ledger.roots()
        assert roots == {path: blob.digest for path, blob in self.links.items()}
        freed = self.content.unlink(self.catalog.remove("hf", "model", repo, roots.values()))
        gone = [snapshot for snapshot in self.known if snapshot.repo == repo]
        for snapshot in gone:
            del self.known[snapshot]
        self.main.pop(repo, None)
        self.restricted &= blobs_of(self.known)
        doomed = blobs_of(gone) - blobs_of(self.known) - set(self.links.values())
        assert doomed or not freed
        for blob in doomed:
            self.complete.discard(blob)
            self.arriving[blob].clear()

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        """As after kill -9 when not clean: nobody closed anything."""
        self.close()
        if not clean:
            (self.root / "partial" / "7.new").write_bytes(b"half")
        self.open()
        for content in SAMPLES[:2]:
            self.content.resume(content.blob)

    @rule(content=large, data=st.data())
    def tear_journal(self, content: Sample, data: st.DataObject) -> None:
        """A power cut: the journal ends somewhere. What it does not name is gone, and what was discarded may
        be back: whoever found it wrong finds so again."""
        self.close()
        journal = self.layout.journal(content.blob)
        if journal.exists():
            os.truncate(journal, data.draw(st.integers(0, journal.stat().st_size)))
        self.open()
        held = self.content.resume(content.blob)
        there = self.arriving[content.blob]
        if content.blob not in self.complete:
            for index in content.indexes:
                if not held.bits >> index & 1:
                    there.pop(index, None)
                elif index not in there:
                    digest = held.digests[index]
                    there[index] = next(c for c in self.discarded[content.blob] if c.digest == digest)

    @rule(content=samples, how=st.sampled_from(["delete", "truncate", "overwrite"]))
    def damage(self, content: Sample, how: str) -> None:
        """Somebody writes where they should not."""
        place = Path(self.layout.blob(content.blob.algorithm, content.blob.digest))
        if content.blob not in self.complete or (how != "delete" and not content.data):
            return
        place.chmod(0o644)
        if how == "delete":
            place.unlink()
        else:
            place.write_bytes(b"" if how == "truncate" else b"\0" * content.blob.size)
            os.utime(place, ns=(1, 1))
        self.lost(content.blob)

    @rule()
    def power_cut(self) -> None:
        """Small blobs never reached the disk."""
        self.close()
        self.boot += "'"
        for content in SAMPLES[2:]:
            place = Path(self.layout.blob(content.blob.algorithm, content.blob.digest))
            if content.blob in self.complete and content.data and self.is_unsynced(content.blob):
                stat = place.stat()
                place.chmod(0o644)
                place.write_bytes(b"\0" * stat.st_size)
                os.utime(place, ns=(stat.st_atime_ns, stat.st_mtime_ns))
                self.lost(content.blob)
        self.open()

    def lost(self, blob: Blob) -> None:
        """It will be found to be gone, and no file with it is complete until somebody says so again."""
        self.complete.discard(blob)
        for snapshot, said in self.known.items():
            gone = {file.path for file in snapshot.files if file.blob == blob}
            self.known[snapshot] = replace(said, marked=said.marked - gone)

    def is_unsynced(self, blob: Blob) -> bool:
        database = Database(self.layout.index)
        ((boot,),) = database.rows("SELECT boot FROM blob WHERE digest = ?", blob.digest)
        database.close()
        return bool(boot)

    @invariant()
    def says_what_is_there(self) -> None:
        if not hasattr(self, "content"):
            return
        for content in SAMPLES:
            self.check(content)

    @invariant()
    def knows_what_it_was_told(self) -> None:
        if not hasattr(self, "content"):
            return
        self.content.held(content.blob for content in SAMPLES)  # damage is found by looking
        for snapshot in SNAPSHOTS:
            said = self.known.get(snapshot)
            stored = self.catalog.find("hf", "model", snapshot.repo, snapshot.commit, [""])
            assert (stored is None) == (said is None)
            if stored is not None and said is not None:
                assert (stored.public, stored.published) == (said.public, said.published)
                assert stored.marked == said.marked
            offered = said is not None and said.public and not blobs_of([snapshot]) & self.restricted
            assert (self.catalog.audience(snapshot.key) == "everyone") == offered
            named = self.catalog.find("hf", "model", snapshot.repo, "main", [""])
            assert (named and named.snapshot) == self.main.get(snapshot.repo)

    def check(self, content: Sample) -> None:
        blob = content.blob
        held = self.content.held([blob])[blob]
        assert held.complete == (blob in self.complete)
        if held.complete:
            assert [self.content.read(blob, index) for index in content.indexes] == [
                content.part(index) for index in content.indexes
            ]
            return
        there = self.arriving[blob]
        for index in content.indexes:
            data = self.content.read(blob, index)
            if data is not None:
                assert data == bytes(there[index].data)
                assert held.digests[index] == there[index].digest

    def teardown(self) -> None:
        if hasattr(self, "content"):
            self.close()
        shutil.rmtree(self.root)


StoreMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
TestStoreMachine = StoreMachine.TestCase
