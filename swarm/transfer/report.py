"""What a person or a program is told while a `get` runs, and the account at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio

from protocol import bits as bitset
from protocol.manifest import Blob, File
from swarm.errors import SwarmError
from swarm.sources import Source
from swarm.transfer.plan import chunk_bits
from swarm.transfer.requests import FileProgress, Progress, SourceBytes, SourceProgress
from swarm.transfer.transfer import Transfer

REPORT_SECONDS: Final = 0.25
"""Between two reports: a bar moves smoothly, and counting costs nothing next to the transfer."""


class Reporter:
    """Tells `report` how the files of one order come along, and accounts for them at the end."""

    def __init__(
        self, transfer: Transfer, files: Sequence[File], local: Source, report: Callable[[Progress], None]
    ) -> None:
        self._transfer = transfer
        self._report = report
        self._local = local
        self._before = Counter(transfer.ledger.totals)
        self._notes = len(transfer.notes)
        self._files_of: dict[Blob, list[File]] = {}
        for file in files:
            self._files_of.setdefault(file.blob, []).append(file)
        self._wanted = chunk_bits(transfer.layout, self._files_of)
        self._seen = 0
        self._held = dict.fromkeys(self._files_of, 0)
        self._total = sum(file.blob.size for file in files)
        self._done = 0
        self._untold = dict.fromkeys(self._files_of)
        self._look()
        self._held_before = sum(self._held.values())

    async def during(self, want: Callable[[Sequence[File]], Awaitable[None]], files: Sequence[File]) -> None:
        """Report every REPORT_SECONDS while `want(files)` runs, and once after it; raises what it raises."""
        failure: SwarmError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run)
            try:
                await want(files)
            except SwarmError as error:
                failure = error
            nursery.cancel_scope.cancel()
        self.tell()
        if failure is not None:
            raise failure

    async def _run(self) -> None:
        while True:
            self.tell()
            await trio.sleep(REPORT_SECONDS)

    def tell(self) -> None:
        """Report once, now."""
        self._look()
        changed = [
            FileProgress(file.path, self._held[blob], blob.size)
            for blob in self._untold
            for file in self._files_of[blob]
        ]
        self._untold.clear()
        notes = self._transfer.notes[self._notes :]
        self._notes = len(self._transfer.notes)
        all_here = self._done == self._total
        self._report(
            Progress(
                phase="checking" if all_here else "fetching" if self._gained() else "waiting",
                bytes=self._done,
                total=self._total,
                files=tuple(sorted(changed, key=lambda file: file.path)),
                sources=self._sources(),
                message="\n".join(notes),
            )
        )

    def _look(self) -> None:
        """Count what came, or was found wrong, since the last look; that is what it costs."""
        layout = self._transfer.layout
        here = self._transfer.have & self._wanted
        for chunk in bitset.members(here ^ self._seen):
            blob, index = layout.locate(chunk)
            length = blob.span(index)[1] if here >> chunk & 1 else -blob.span(index)[1]
            self._held[blob] += length
            self._done += length * len(self._files_of[blob])
            self._untold[blob] = None
        self._seen = here

    def _gained(self) -> Counter[Source]:
        return Counter(self._transfer.ledger.totals) - self._before

    def _sources(self) -> tuple[SourceProgress, ...]:
        now = trio.current_time()
        ledger = self._transfer.ledger
        return tuple(
            SourceProgress(source, count, ledger.rate(source, now))
            for source, count in self._gained().most_common()
        )

    def account(self) -> tuple[SourceBytes, ...]:
        """Where the bytes of the order came from; those that were here before it as kind "local"."""
        rows = [
            SourceBytes(source.kind, source.name, count) for source, count in self._gained().most_common()
        ]
        if self._held_before:
            rows.insert(0, SourceBytes(self._local.kind, self._local.name, self._held_before))
        return tuple(rows)
