"""What is told while a get runs, and its account at the end."""

from __future__ import annotations

from pathlib import Path

from trio.testing import MockClock

from protocol.limits import KIB
from swarm.sources import Source
from swarm.transfer.report import Reporter
from swarm.transfer.requests import FileProgress, Progress, SourceBytes, SourceProgress
from tests.exchange.nodes import Content
from tests.transfer.parts import HUB, opened

CHUNK = 256 * KIB
CONTENT = Content(2 * CHUNK + 10, 50)
FILES = CONTENT.snapshot.files
LOCAL = Source("local", "/store")
SIZE = 2 * CHUNK + 60


async def test_from_waiting_to_done(tmp_path: Path, mock_clock: MockClock) -> None:
    told: list[Progress] = []
    async with opened(tmp_path, CONTENT, 2) as (transfer, _):
        reporter = Reporter(transfer, FILES, LOCAL, told.append)
        reporter.tell()
        files = (FileProgress("f000", 10, FILES[0].blob.size), FileProgress("f001", 0, 50))
        assert told[-1] == Progress("waiting", 10, SIZE, files)

        transfer.held.bits |= 0b0001
        transfer.ledger.add(HUB, CHUNK, 0.0)
        transfer.notes.append("a note")
        reporter.tell()
        assert told[-1] == Progress(
            "fetching",
            CHUNK + 10,
            SIZE,
            (FileProgress("f000", CHUNK + 10, FILES[0].blob.size),),
            (SourceProgress(HUB, CHUNK, CHUNK / 5),),
            "a note",
        )

        transfer.held.bits |= 0b1111
        reporter.tell()
        assert (told[-1].phase, told[-1].bytes, told[-1].message) == ("checking", SIZE, "")
        assert reporter.account() == (
            SourceBytes("local", "/store", 10),
            SourceBytes("upstream", HUB.name, CHUNK),
        )


async def test_two_orders_on_one_transfer_count_their_own(tmp_path: Path) -> None:
    async with opened(tmp_path, CONTENT) as (transfer, _):
        transfer.ledger.add(HUB, 7, 0.0)
        later = Reporter(transfer, FILES[1:], LOCAL, lambda progress: None)
        assert later.account() == ()
        transfer.ledger.add(HUB, 50, 0.0)
        assert later.account() == (SourceBytes("upstream", HUB.name, 50),)
