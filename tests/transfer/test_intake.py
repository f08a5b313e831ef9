"""Where bytes become trusted: what is taken, what is refused, and what two copies of a chunk come to."""

from __future__ import annotations

import hashlib
from pathlib import Path
from unittest.mock import patch

import pytest
import trio
import trio.testing

from protocol.chunks import Bytes, Chunk, WrongBytes
from protocol.ids import NodeId
from protocol.limits import KIB
from protocol.manifest import Blob
from protocol.signing import attest
from swarm.errors import WrongContent
from swarm.sources import Source
from swarm.store import Vouched
from swarm.transfer.intake import Taken, WrongChunk
from tests.exchange.nodes import Content
from tests.node.lan import flipped
from tests.transfer.parts import HUB, LIAR, ORIGIN, PEER, Order, kitchen, vouch

CHUNK = 256 * KIB
CONTENT = Content(2 * CHUNK + 10, 50)
UPSTREAM = Order(NodeId(b""))


async def test_a_chunk_from_a_peer_must_be_the_one_vouched_for(tmp_path: Path) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        vouch(kit.book, CONTENT, 0, 1)
        with pytest.raises(WrongBytes):
            await kit.take(Order(), 0, flipped(CONTENT.chunk(0)))
        assert await kit.on_disk(0) is None
        await kit.take(Order(), 0)
        source = Source("peer", PEER.node_id.hex())
        assert kit.taken == [Taken(0, PEER.node_id, source, CHUNK, CONTENT.digest(0))]
        blob, _ = CONTENT.layout.locate(0)
        assert await kit.store.claims(blob) == [(0, CONTENT.digest(0), ORIGIN.node_id)]


async def test_a_chunk_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        with pytest.raises(WrongBytes, match="nobody"):
            await kit.take(Order(), 0)


async def test_a_chunk_of_another_length_is_refused(tmp_path: Path) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        with pytest.raises(WrongBytes, match="10 bytes instead of 262144"):
            await kit.take(UPSTREAM, 0, bytes(10))


async def test_a_chunk_from_upstream_names_itself_and_needs_no_voucher(tmp_path: Path) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        await kit.take(UPSTREAM, 2)
        assert kit.taken == [Taken(2, NodeId(b""), HUB, 10, CONTENT.digest(2))]
        blob, _ = CONTENT.layout.locate(2)
        assert await kit.store.claims(blob) == [(2, CONTENT.digest(2), None)]


async def test_who_sends_what_was_ordered_is_right_even_if_another_digest_is_believed_by_now(
    tmp_path: Path,
) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        vouch(kit.book, CONTENT, 0)
        order = Order(digests={0: CONTENT.digest(0)})
        lie = attest(LIAR, CONTENT.key, 0, [CONTENT.digest(1)], True)
        assert kit.book.add(lie, LIAR.node_id, 0) == 0b1
        await kit.take(order, 0)
        assert kit.taken[0].digest == CONTENT.digest(0)


async def test_who_sends_what_is_believed_by_now_is_right_too(tmp_path: Path) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        vouch(kit.book, CONTENT, 0)
        await kit.take(Order(digests={0: CONTENT.digest(1)}), 0)
        assert kit.have == 0b1


async def test_of_two_copies_with_different_digests_the_first_counts(tmp_path: Path) -> None:
    """What is said to be held is what is on disk."""
    async with kitchen(tmp_path, CONTENT) as kit:
        vouch(kit.book, CONTENT, 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kit.take, Order(), 0)
            nursery.start_soon(kit.take, UPSTREAM, 0, flipped(CONTENT.chunk(0)))
        (taken,) = kit.taken
        data = await kit.on_disk(0)
        assert data is not None
        assert (data == CONTENT.chunk(0)) == (taken.digest == CONTENT.digest(0))


async def test_a_chunk_that_was_called_off_is_dropped(tmp_path: Path) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        await kit.take(Order(NodeId(b""), called_off=0b1), 0)
        assert kit.taken == []
        assert await kit.on_disk(0) is None


async def test_a_chunk_in_quarantine_is_written_over(tmp_path: Path) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        await kit.take(UPSTREAM, 0, flipped(CONTENT.chunk(0)))
        kit.have = 0
        kit.quarantine.add(0)
        await kit.take(UPSTREAM, 0)
        assert await kit.on_disk(0) == CONTENT.chunk(0)
        assert kit.quarantine == set()


async def test_of_chunks_that_come_together_those_before_a_wrong_one_are_kept(tmp_path: Path) -> None:
    content = Content(5 * CHUNK)
    async with kitchen(tmp_path, content) as kit:
        order = Order(NodeId(b""), called_off=0b10)
        arrived = [(chunk, content.chunk(chunk)) for chunk in range(5)]
        arrived[3] = (3, bytes(10))
        with pytest.raises(WrongChunk) as caught:
            await kit.intake.take(order, HUB, arrived)
        assert caught.value.chunk == 3
        assert [taken.chunk for taken in kit.taken] == [0, 2]
        assert order.settled == 0b101
        assert [chunk for chunk in range(5) if await kit.on_disk(chunk)] == [0, 2]


async def test_of_chunks_that_come_together_one_may_be_here_already(tmp_path: Path) -> None:
    content = Content(3 * CHUNK)
    async with kitchen(tmp_path, content) as kit:
        await kit.take(UPSTREAM, 1)
        order = Order(NodeId(b""))
        await kit.intake.take(order, HUB, [(chunk, content.chunk(chunk)) for chunk in range(3)])
        assert [taken.chunk for taken in kit.taken] == [1, 0, 2]
        assert order.settled == 0b111


async def test_what_is_being_written_counts_even_if_the_order_ends(tmp_path: Path) -> None:
    async with kitchen(tmp_path, CONTENT) as kit:
        with trio.CancelScope() as scope:

            def cancel_and_name(data: Bytes) -> Vouched:
                scope.cancel()
                return Vouched(Chunk.named(data), None)

            with patch("swarm.transfer.intake._named", cancel_and_name):
                await kit.take(UPSTREAM, 0)
        assert kit.have == 0b1
        assert await kit.on_disk(0) == CONTENT.chunk(0)


async def test_small_blobs_are_checked_at_once_and_stored_together(tmp_path: Path) -> None:
    content = Content(*range(1, 8))
    async with kitchen(tmp_path, content) as kit:
        for chunk in range(7):
            await kit.take(Order(), chunk)
        with pytest.raises(WrongBytes):
            await kit.take(Order(), 0, b"x")
        assert kit.taken == []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kit.intake.write_small)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert [taken.chunk for taken in kit.taken] == list(range(7))
        assert all(held.complete for held in (await kit.store.held(content.layout.blobs)).values())


async def test_an_empty_file_that_should_not_be_empty(tmp_path: Path) -> None:
    right = Blob("sha256", hashlib.sha256(b"").digest(), 0)
    wrong = Blob("sha256", hashlib.sha256(b"x").digest(), 0)
    async with kitchen(tmp_path, CONTENT) as kit:
        await kit.intake.make_empty([right], HUB)
        with pytest.raises(WrongContent, match="0 bytes"):
            await kit.intake.make_empty([wrong], HUB)
