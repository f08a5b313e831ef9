"""A blob that is still arriving, when its disk is full, its journal torn, or chunks are replaced."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

from protocol.chunks import Bytes, Chunk
from swarm.errors import StoreError
from swarm.sources.interface import Source
from swarm.store import room
from swarm.store.descriptors import Descriptors, Opened
from swarm.store.direct import Direct
from swarm.store.faults import full
from swarm.store.layout import StoreLayout
from swarm.store.partial import Partial, Put
from swarm.store.recent import Recent
from swarm.store.room import Room
from swarm.store.whole import WholeHash
from tests.store.samples import BIG, HUB, PEER, VOUCHER, sample

SOON: Final = 0.05
"""Seconds for another thread to get as far as it can. If it needs longer, a wrong program may pass."""


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    layout = StoreLayout(tmp_path)
    layout.create()
    return layout


def opened(layout: StoreLayout) -> Partial:
    partial = Partial(BIG.blob, layout, Descriptors(), Direct(allowed=False), Room(layout.root), Recent(0))
    partial.load()
    return partial


def test_only_what_is_in_memory_is_at_hand(layout: StoreLayout) -> None:
    """A disk that seeks holds up who reads, whatever the page cache may have: that is for a worker."""
    recent = Recent()
    partial = Partial(BIG.blob, layout, Descriptors(), Direct(allowed=False), Room(layout.root), recent)
    partial.load()
    partial.put([Put(0, BIG.chunk(0), None)], PEER)
    assert not partial.at_hand(0)
    recent.add(BIG.blob, 0, BIG.chunk(0))
    assert partial.at_hand(0) == BIG.part(0)
    assert partial.at_hand(0, BIG.chunk(0).digest) == BIG.part(0)
    assert partial.at_hand(0, BIG.chunk(1).digest) is None


class Noting(Direct):
    """Notes how files are opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[bool] = []

    def open(self, path: str, flags: int, *, cached: bool = False) -> Opened:
        self.opened.append(cached)
        return super().open(path, flags, cached=cached)


@pytest.mark.parametrize(("source", "cached"), [(HUB, True), (PEER, False)])
def test_what_came_from_upstream_goes_through_the_page_cache(
    layout: StoreLayout, source: Source, cached: bool
) -> None:
    direct, recent = Noting(), Recent()
    partial = Partial(BIG.blob, layout, Descriptors(), direct, Room(layout.root), recent)
    partial.load()
    partial.put([Put(0, BIG.chunk(0), None)], source)
    partial.put([Put(1, BIG.chunk(1), None)], PEER if source is HUB else HUB)
    assert partial.cached == cached
    assert direct.opened == [cached]
    assert partial.read(1, memoryview(bytearray(BIG.blob.span(1)[1]))) == BIG.chunk(1).data
    if cached:
        assert partial.at_hand(0)


class FullDisk:
    """Stands for os.pwritev on a disk with room for `left` bytes."""

    def __init__(self, left: int) -> None:
        self.left = left
        self._pwritev = os.pwritev

    def __call__(self, fd: int, views: list[memoryview], offset: int) -> int:
        if not self.left:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._pwritev(fd, [b"".join(views)[: self.left]], offset)
        self.left -= written
        return written


@pytest.mark.parametrize("left", [0, 1000, BIG.blob.span(1)[1], BIG.blob.span(1)[1] + 20])
def test_a_write_cut_short_by_a_full_disk_leaves_what_was_there(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    partial = opened(layout)
    partial.put([Put(0, BIG.chunk(0), VOUCHER)], PEER)
    disk = FullDisk(left)
    monkeypatch.setattr(os, "pwritev", disk)
    with pytest.raises(OSError, match="No space left"):
        partial.put([Put(1, BIG.chunk(1), None)], HUB)
    assert partial.held().bits == 0b1
    assert opened(layout).held().bits == 0b1
    disk.left = 1 << 30
    for index in BIG.indexes:
        partial.put([Put(index, BIG.chunk(index), None)], HUB)
    again = opened(layout)
    assert again.held().bits == 0b1111
    assert again.sources() == {0: PEER, 1: HUB, 2: HUB, 3: HUB}


@pytest.mark.parametrize("left", [0, 10])
def test_a_blob_whose_journal_could_not_even_be_begun(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    partial = opened(layout)
    disk = FullDisk(left)
    monkeypatch.setattr(os, "pwritev", disk)
    with pytest.raises(OSError, match="No space left"):
        partial.put([Put(0, BIG.chunk(0), None)], PEER)
    disk.left = 1 << 30
    partial.put([Put(0, BIG.chunk(0), None)], PEER)
    assert opened(layout).held().bits == 0b1


def test_a_chunk_replaced_while_it_is_read_is_not_given_out(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = opened(layout)
    partial.put([Put(0, Chunk.named(bytes(BIG.blob.span(0)[1])), None)], PEER)
    preadv = os.preadv

    def replaced_meanwhile(fd: int, buffers: list[memoryview], offset: int) -> int:
        count = preadv(fd, buffers, offset)
        monkeypatch.setattr(os, "preadv", preadv)
        partial.discard([0])
        partial.put([Put(0, BIG.chunk(0), None)], HUB)
        return count

    monkeypatch.setattr(os, "preadv", replaced_meanwhile)
    memory = memoryview(bytearray(BIG.blob.chunk_length))
    assert partial.read(0, memory) is None
    assert partial.read(0, memory) == BIG.part(0)


def test_a_part_of_a_chunk_is_read_wherever_it_lies(layout: StoreLayout) -> None:
    recent = Recent()
    partial = Partial(BIG.blob, layout, Descriptors(), Direct(), Room(layout.root), recent)
    partial.load()
    partial.put([Put(1, BIG.chunk(1), None)], PEER)
    recent.add(BIG.blob, 1, BIG.chunk(1))
    memory = memoryview(bytearray(5000))
    assert partial.at_hand(1)
    assert partial.read(1, memory, None, 4096) == BIG.part(1)[4096:9096]
    again = opened(layout)
    assert not again.at_hand(1)
    assert again.read(1, memory, None, 4096) == BIG.part(1)[4096:9096]


def test_what_arrives_in_order_is_not_read_back_to_be_hashed(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = opened(layout)
    monkeypatch.setattr(os, "preadv", None)
    for index in BIG.indexes:
        partial.put([Put(index, BIG.chunk(index), None)], PEER)
    partial.seal()


def test_a_put_feeds_the_hash_with_as_much_again_of_what_came_out_of_order(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, reads, preadv = sample(8 * BIG.blob.chunk_length), [], os.preadv

    def counted(fd: int, buffers: list[memoryview], offset: int) -> int:
        reads.append(offset // BIG.blob.chunk_length)
        return preadv(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", counted)
    partial = Partial(long.blob, layout, Descriptors(), Direct(allowed=False), Room(layout.root), Recent(0))
    partial.load()
    for index in range(2, 8):
        partial.put([Put(index, long.chunk(index), None)], PEER)
    partial.put([Put(index, long.chunk(index), None) for index in range(2)], PEER)
    assert reads == [2, 3]
    partial.seal()
    assert reads == [2, 3, 4, 5, 6, 7]


def test_what_lies_in_memory_under_another_digest_is_not_at_hand(layout: StoreLayout) -> None:
    recent = Recent()
    partial = Partial(BIG.blob, layout, Descriptors(), Direct(allowed=False), Room(layout.root), recent)
    partial.load()
    partial.put([Put(1, BIG.chunk(1), None)], PEER)
    recent.add(BIG.blob, 1, BIG.chunk(2))
    assert partial.at_hand(1) is None
    recent.add(BIG.blob, 1, BIG.chunk(1))
    assert partial.at_hand(1) == BIG.part(1)


@pytest.mark.parametrize("waits", [False, True])
def test_who_finds_another_hashing_waits_for_it_only_if_much_is_left(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    hashing, go_on = threading.Event(), threading.Event()
    feed = WholeHash.feed

    def feed_slowly(whole: WholeHash, chunks: Sequence[Chunk]) -> None:
        hashing.set()
        assert go_on.wait(5)
        feed(whole, chunks)

    monkeypatch.setattr(WholeHash, "feed", feed_slowly)
    if waits:
        monkeypatch.setattr("swarm.store.partial.UNHASHED_BYTES", 0)
    partial = opened(layout)
    puts = [Put(index, BIG.chunk(index), None) for index in BIG.indexes]
    first, second = (threading.Thread(target=partial.put, args=([put], PEER)) for put in puts[:2])
    first.start()
    assert hashing.wait(5)
    second.start()
    second.join(SOON if waits else 5)
    assert second.is_alive() == waits
    assert partial.held().bits == 0b10
    go_on.set()
    for thread in (first, second):
        thread.join(5)
    partial.put(puts[2:], PEER)
    partial.seal()


def test_what_lies_after_the_sound_part_of_a_journal_is_cut_off(layout: StoreLayout) -> None:
    partial = opened(layout)
    for index in BIG.indexes:
        partial.put([Put(index, BIG.chunk(index), None)], PEER)
    journal = layout.journal(BIG.blob)
    whole = journal.read_bytes()
    record = 45 + 4
    torn = bytearray(whole)
    torn[-3 * record + 5] ^= 1
    journal.write_bytes(torn)
    second = opened(layout)
    assert second.held().bits == 0b1
    second.put([Put(1, BIG.chunk(1), None)], HUB)
    assert opened(layout).sources() == {0: PEER, 1: HUB}


def test_a_journal_without_its_data_counts_for_nothing(layout: StoreLayout) -> None:
    opened(layout).put([Put(0, BIG.chunk(0), None)], PEER)
    layout.data(BIG.blob).unlink()
    partial = opened(layout)
    assert partial.held().bits == 0
    partial.put([Put(1, BIG.chunk(1), None)], HUB)
    assert opened(layout).held().bits == 0b10


def test_chunks_that_follow_one_another_are_written_at_once(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = opened(layout)
    partial.put([Put(1, BIG.chunk(1), None)], HUB)
    written: list[tuple[int, int]] = []
    write = Direct.write

    def noted(direct: Direct, file: Opened, parts: Sequence[Bytes], offset: int) -> None:
        written.append((offset // BIG.blob.chunk_length, len(parts)))
        write(direct, file, parts, offset)

    monkeypatch.setattr(Direct, "write", noted)
    partial.put([Put(index, BIG.chunk(index), VOUCHER) for index in BIG.indexes], PEER)
    assert written == [(0, 1), (2, 2)]
    again = opened(layout)
    assert again.sources() == {0: PEER, 1: HUB, 2: PEER, 3: PEER}
    for index in BIG.indexes:
        assert again.read(index, memoryview(bytearray(BIG.blob.span(index)[1]))) == BIG.part(index)


class Meeting(Direct):
    """Its first write does `meanwhile` first. `most`: how many were under way at a time."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.most = 0
        self.runs: list[tuple[int, int]] = []
        self._now = 0
        self._meanwhile = meanwhile

    def open(self, path: str, flags: int, *, cached: bool = False) -> Opened:
        return Opened(os.open(path, flags), direct=os.open(path, flags))  # not every file system has O_DIRECT

    def write(self, file: Opened, parts: Sequence[Bytes], offset: int) -> None:
        self._now += 1
        self.most = max(self.most, self._now)
        self.runs.append((offset // BIG.blob.chunk_length, len(parts)))
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        super().write(file, parts, offset)
        self._now -= 1


def meeting(layout: StoreLayout, direct: Direct) -> Partial:
    partial = Partial(BIG.blob, layout, Descriptors(), direct, Room(layout.root), Recent(0))
    partial.load()
    return partial


def put_in_thread(partial: Partial, *indexes: int) -> threading.Thread:
    puts = [Put(index, BIG.chunk(index), None) for index in indexes]
    thread = threading.Thread(target=partial.put, args=(puts, HUB))
    thread.start()
    return thread


def test_a_chunk_is_hashed_before_it_is_written(layout: StoreLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    feed, write = WholeHash.feed, Direct.write

    def noted_feed(whole: WholeHash, chunks: Sequence[Chunk]) -> None:
        done.append(f"hash {whole.count}")
        feed(whole, chunks)

    def noted_write(direct: Direct, file: Opened, parts: Sequence[Bytes], offset: int) -> None:
        done.append(f"write {offset // BIG.blob.chunk_length}")
        write(direct, file, parts, offset)

    monkeypatch.setattr(WholeHash, "feed", noted_feed)
    monkeypatch.setattr(Direct, "write", noted_write)
    partial = opened(layout)
    for index in (0, 1):
        partial.put([Put(index, BIG.chunk(index), None)], PEER)
    assert done == ["hash 0", "write 0", "hash 1", "write 1"]


def test_what_was_hashed_and_could_not_be_written_does_not_count(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = opened(layout)
    partial.put([Put(0, BIG.chunk(0), None)], PEER)
    disk = FullDisk(10)
    monkeypatch.setattr(os, "pwritev", disk)
    with pytest.raises(OSError, match="No space left"):
        partial.put([Put(1, Chunk.named(bytes(BIG.blob.span(1)[1])), None)], PEER)
    disk.left = 1 << 30
    partial.put([Put(index, BIG.chunk(index), None) for index in BIG.indexes[1:]], PEER)
    partial.seal()


def test_a_chunk_that_is_being_written_is_not_given_out(layout: StoreLayout) -> None:
    given: list[Bytes | None] = []

    def meanwhile() -> None:
        given.append(partial.at_hand(0))
        given.append(partial.read(0, memoryview(bytearray(BIG.blob.chunk_length))))

    partial = meeting(layout, Meeting(meanwhile))
    partial.put([Put(0, BIG.chunk(0), None)], PEER)
    assert given == [None, None]
    assert partial.held().bits == 0b1


def test_what_is_being_written_by_another_is_hashed_from_memory(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile() -> None:
        other = put_in_thread(partial, 0)
        other.join(5)

    monkeypatch.setattr(os, "preadv", None)
    monkeypatch.setattr(room, "reserve", lambda fd, size: True)
    partial = meeting(layout, Meeting(meanwhile))
    partial.put([Put(1, BIG.chunk(1), None)], PEER)
    for index in BIG.indexes[2:]:
        partial.put([Put(index, BIG.chunk(index), None)], PEER)
    partial.seal()


@pytest.mark.parametrize("reserved", [True, False])
def test_two_may_write_where_room_is_reserved(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch, reserved: bool
) -> None:
    monkeypatch.setattr(room, "reserve", lambda fd, size: reserved)
    others: list[threading.Thread] = []

    def meanwhile() -> None:
        others.append(put_in_thread(partial, 2))
        others[0].join(5 if reserved else SOON)

    direct = Meeting(meanwhile)
    partial = meeting(layout, direct)
    partial.put([Put(0, BIG.chunk(0), None)], PEER)
    others[0].join()
    assert direct.most == (2 if reserved else 1)
    assert opened(layout).sources() == {0: PEER, 2: HUB}


def test_a_chunk_that_is_being_written_is_waited_for(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come from two sources, for two snapshots: the second to come is not written."""
    monkeypatch.setattr(room, "reserve", lambda fd, size: True)
    others: list[threading.Thread] = []

    def meanwhile() -> None:
        others.append(put_in_thread(partial, 0, 1, 2))
        others[0].join(SOON)

    direct = Meeting(meanwhile)
    partial = meeting(layout, direct)
    partial.put([Put(1, BIG.chunk(1), VOUCHER)], PEER)
    others[0].join()
    assert direct.runs == [(1, 1), (0, 1), (2, 1)]
    assert opened(layout).sources() == {0: HUB, 1: PEER, 2: HUB}


def test_a_blob_may_go_while_its_chunks_are_written(layout: StoreLayout) -> None:
    direct = Meeting(lambda: partial.delete())
    partial = meeting(layout, direct)
    partial.put([Put(1, BIG.chunk(1), None), Put(3, BIG.chunk(3), None)], PEER)
    assert direct.runs == [(1, 1)]
    assert partial.held().bits == 0
    assert not layout.data(BIG.blob).exists()


@pytest.mark.parametrize("size", [BIG.blob.size, BIG.blob.size - 1])
def test_room_that_was_reserved_is_known_after_a_restart(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(room, "reserve", lambda fd, size: True)
    meeting(layout, Meeting()).put([Put(0, BIG.chunk(0), None)], PEER)
    taken: list[int] = []
    monkeypatch.setattr("swarm.store.partial.allocated", lambda path: size)
    monkeypatch.setattr(Room, "take", lambda room, count, needed: taken.append(count))
    meeting(layout, Meeting()).put([Put(1, BIG.chunk(1), None)], PEER)
    assert taken == ([] if size == BIG.blob.size else [BIG.blob.chunk_length])


def test_nothing_is_begun_on_a_disk_without_room(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(room: Room, count: int, needed: int) -> None:
        assert (count, needed) == (BIG.blob.chunk_length, BIG.blob.size)
        raise full(layout.root, needed)

    monkeypatch.setattr(Room, "take", none_left)
    with pytest.raises(StoreError):
        opened(layout).put([Put(0, BIG.chunk(0), None)], PEER)
    assert not layout.data(BIG.blob).exists()
    assert not layout.journal(BIG.blob).exists()


def test_discards_are_remembered(layout: StoreLayout) -> None:
    partial = opened(layout)
    for index in BIG.indexes:
        partial.put([Put(index, BIG.chunk(index), None)], PEER)
    partial.discard([3, 1, 1])
    assert partial.missing == BIG.blob.span(1)[1] + BIG.blob.span(3)[1]
    assert opened(layout).held().bits == 0b101
