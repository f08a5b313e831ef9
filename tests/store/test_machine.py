"""Any order of what may happen to a store: nothing wrong is ever given out, nothing right is ever lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol.chunks import Chunk
from protocol.manifest import Blob
from swarm.errors import StoreError
from swarm.store import WholeBlob
from swarm.store.catalog import Catalog
from swarm.store.content import Content
from swarm.store.layout import StoreLayout
from swarm.store.schema import Database
from swarm.store.values import Mismatch
from tests.store.samples import HUB, PEER, VOUCHER, Sample, named, sample, snapshot_of

SAMPLES = (
    sample(600_000, seed=1),
    sample(700_000, seed=2, algorithm="git-sha1"),
    sample(300, seed=3),
    named(b"", "git-sha1"),
)
SNAPSHOTS = {
    "org/one": snapshot_of({"a": SAMPLES[0], "b": SAMPLES[2]}, repo="org/one"),
    "org/two": snapshot_of({"a": SAMPLES[0], "c": SAMPLES[1], "d": SAMPLES[3]}, repo="org/two"),
}
samples = st.sampled_from(SAMPLES)
large = st.sampled_from(SAMPLES[:2])
indexes = st.integers(0, 2)
repos = st.sampled_from(sorted(SNAPSHOTS))


class StoreMachine(RuleBasedStateMachine):
    """The model: per blob the chunk last stored at each index, or None once it is complete."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.arriving: dict[Blob, dict[int, Chunk]] = {content.blob: {} for content in SAMPLES}
        self.complete: set[Blob] = set()
        self.remembered: set[str] = set()
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

    def close(self) -> None:
        self.content.close()
        self.database.close()

    @rule(content=large, index=indexes, right=st.booleans())
    def put(self, content: Sample, index: int, right: bool) -> None:
        chunk = content.chunk(index) if right else Chunk.named(bytes(content.blob.span(index)[1]))
        self.content.put(content.blob, index, chunk, PEER if right else HUB, VOUCHER)
        if content.blob not in self.complete:
            self.arriving[content.blob].setdefault(index, chunk)

    @rule(content=samples)
    def put_whole(self, content: Sample) -> None:
        if content.blob.chunk_count > 1:
            return
        self.content.put_whole([(WholeBlob(content.blob, content.data), PEER)])
        self.complete.add(content.blob)

    @rule(content=large, index=indexes)
    def discard(self, content: Sample, index: int) -> None:
        self.content.discard(content.blob, [index])
        self.arriving[content.blob].pop(index, None)

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

    @rule(repo=repos)
    def remember(self, repo: str) -> None:
        self.catalog.remember(SNAPSHOTS[repo], True, True, ["main"], 1.0)
        self.remembered.add(repo)

    @rule(repo=repos)
    def mark(self, repo: str) -> None:
        snapshot = SNAPSHOTS[repo]
        try:
            self.catalog.mark(snapshot.key, [file.path for file in snapshot.files])
        except StoreError:
            blobs = {file.blob for file in snapshot.files}
            assert repo not in self.remembered or not blobs <= self.complete

    @rule(repo=repos)
    def remove(self, repo: str) -> None:
        freed = self.content.unlink(self.catalog.remove("hf", "model", repo, ()))
        if repo not in self.remembered:
            assert freed == 0
            return
        self.remembered.discard(repo)
        shared = {file.blob for other in self.remembered for file in SNAPSHOTS[other].files}
        for file in SNAPSHOTS[repo].files:
            if file.blob not in shared:
                self.complete.discard(file.blob)
                self.arriving[file.blob].clear()

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
        """A power cut: the journal ends somewhere, and what it does not name is gone."""
        self.close()
        journal = self.layout.journal(content.blob)
        if journal.exists():
            os.truncate(journal, data.draw(st.integers(0, journal.stat().st_size)))
        self.open()
        held = self.content.resume(content.blob)
        there = self.arriving[content.blob]
        if content.blob not in self.complete:
            for index in [index for index in there if not held.bits >> index & 1]:
                del there[index]

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
        self.complete.discard(content.blob)

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
                self.complete.discard(content.blob)
        self.open()

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
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
TestStoreMachine = StoreMachine.TestCase
