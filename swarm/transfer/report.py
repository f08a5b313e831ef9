"""What a person or a program is told while a `get` runs, and the account at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio

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
        self._files = files
        self._report = report
        self._local = local
        self._before = Counter(transfer.ledger.totals)
        self._notes = len(transfer.notes)
        self._told: dict[str, int] = {}
        self._blobs = {file.blob: None for file in files}
        self._held_before = sum(self._held(blob) for blob in self._blobs)

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
        held = {blob: self._held(blob) for blob in self._blobs}
        changed = []
        for file in self._files:
            count = held[file.blob]
            if self._told.get(file.path) != count:
                self._told[file.path] = count
                changed.append(FileProgress(file.path, count, file.blob.size))
        notes = self._transfer.notes[self._notes :]
        self._notes = len(self._transfer.notes)
        total = sum(file.blob.size for file in self._files)
        done = sum(held[file.blob] for file in self._files)
        self._report(
            Progress(
                phase="checking" if done == total else "fetching" if self._gained() else "waiting",
                bytes=done,
                total=total,
                files=tuple(changed),
                sources=self._sources(),
                message="\n".join(notes),
            )
        )

    def _held(self, blob: Blob) -> int:
        if self._transfer.is_done(blob):
            return blob.size
        layout = self._transfer.layout
        here = self._transfer.have & chunk_bits(layout, (blob,))
        count = here.bit_count() * blob.chunk_length
        chunks = layout.chunks_of(blob)
        if chunks and here >> (chunks.stop - 1) & 1:
            count -= blob.chunk_count * blob.chunk_length - blob.size
        return count

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
