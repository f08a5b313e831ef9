"""Wrong bytes in one transfer: who is believed next, what is fetched again, who is named."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from protocol import bits as bitset
from protocol.messages import Lost
from swarm.errors import NoSource, WrongContent
from swarm.scheduler.stuck import STANDSTILL_SECONDS
from swarm.sources import Source
from swarm.store import Incident
from tests.node.lan import flipped
from tests.transfer.bench import CONTENT, FILES, TOTAL, bench, digests, forged
from tests.transfer.parts import LIAR, ORIGIN, PEER


async def test_two_vouchers_of_one_lie_and_nobody_else(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as at, trio.open_nursery() as nursery:
        for who in (PEER, LIAR):
            at.company.sends[who.node_id] = {2: forged(2)}
            await at.company.comes_with(who, bitset.everything(TOTAL))
            await at.company.attests(who, *digests(wrong=[2]))

        async def fails() -> None:
            with pytest.raises((WrongContent, NoSource)) as caught:
                await at.transfer.want(FILES)
            assert caught.value.exit_code == 6

        nursery.start_soon(fails)
    assert trio.current_time() <= STANDSTILL_SECONDS


async def test_only_what_was_wrong_is_asked_for_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as at, trio.open_nursery() as nursery:
        at.company.sends[LIAR.node_id] = {2: forged(2)}
        await at.company.comes_with(LIAR, bitset.everything(TOTAL))
        await at.company.attests(LIAR, *digests(wrong=[2]))
        nursery.start_soon(at.transfer.want, FILES)
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.5)
        assert {chunk for _, chunk in at.company.asked} == set(range(TOTAL))
        assert at.transfer.have == 1 << 4
        assert [message.ranges for message in at.company.said if isinstance(message, Lost)] == [((0, 4),)]

        at.company.asked.clear()
        await at.company.comes_with(ORIGIN, bitset.everything(TOTAL))
        await at.company.attests(ORIGIN, *digests(), whole=True)
        await trio.sleep(0.5)
        assert {chunk for _, chunk in at.company.asked} == {2}
        assert at.transfer.have == bitset.everything(TOTAL)
    assert at.company.distrusted == [LIAR.node_id]


async def test_a_lie_about_the_whole_does_not_make_honest_peers_liars(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Chunks may come under the digest they were ordered under after somebody claimed another."""
    async with bench(tmp_path) as at, trio.open_nursery() as nursery:
        await at.company.attests(ORIGIN, *digests())
        nursery.start_soon(at.transfer.want, FILES)
        await trio.testing.wait_all_tasks_blocked()
        await at.company.comes_with(ORIGIN, bitset.everything(TOTAL))
        await at.company.attests(LIAR, *digests(wrong=range(4)), whole=True)
    assert trio.current_time() < 5
    assert at.company.distrusted in ([], [LIAR.node_id])


async def test_a_small_file_that_comes_wrong_from_a_peer(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as at, trio.open_nursery() as nursery:
        at.company.sends[LIAR.node_id] = {4: flipped(CONTENT.chunk(4))}
        await at.company.comes_with(LIAR, 1 << 4)
        nursery.start_soon(at.transfer.want, FILES[1:])
        await trio.testing.wait_all_tasks_blocked()
        assert await at.wrong() == {Source("peer", LIAR.node_id.hex())}
        await at.company.comes_with(PEER, 1 << 4)
    assert at.transfer.have == 1 << 4


async def test_who_sent_wrong_bytes_is_noted_even_if_the_get_ends_first(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    noted: list[Source] = []

    async def note(incident: Incident) -> None:
        await trio.sleep(5)
        noted.append(incident.source)

    async with bench(tmp_path) as at:
        at.company.sends[LIAR.node_id] = {4: flipped(CONTENT.chunk(4))}
        with patch.object(at.store, "note", note):
            async with trio.open_nursery() as nursery:
                await at.company.comes_with(LIAR, 1 << 4)
                nursery.start_soon(at.transfer.want, FILES[1:])
                await trio.testing.wait_all_tasks_blocked()
                await at.company.comes_with(PEER, 1 << 4)
    assert trio.current_time() == 5
    assert noted == [Source("peer", LIAR.node_id.hex())]


async def test_a_chunk_refused_is_asked_for_under_another_digest(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with bench(tmp_path) as at:
        await at.company.attests(LIAR, *digests(wrong=[0]))
        await at.company.attests(ORIGIN, *digests())
        book = at.transfer.book
        assert book.digest(0) == digests(wrong=[0])[0]
        assert book.second_opinion(0)
        assert book.digest(0) == CONTENT.digest(0)
