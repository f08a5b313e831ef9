"""Whom to believe about a blob that has failed: not who says otherwise than upstream about a few chunks.

When a blob fails, its chunks must be vouched for anew. Whoever does so for the first time is examined before
anything is ordered on its word: a few of the chunks of which it says otherwise than what failed are fetched
from upstream and compared. One of the two was wrong about each, so this tells them apart wherever they
differ. Who says the same as what failed is of no use, and waits until it says something else. What upstream
said is kept: it refutes the next liar for nothing. So with an honest holder in reach the truth costs at most
CHECKS chunks from upstream, however large the blob; while that goes on, upstream is not asked for the rest.

When the checks are used up nobody is believed any more about the blob, and it comes from upstream.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import trio

from protocol import bits as bitset
from protocol.ids import ChunkDigest, NodeId
from protocol.manifest import Blob, Layout
from swarm.transfer.claims import ClaimBook

CHECKS: Final = 16
"""Chunks of one blob that are fetched to examine signers: 16 MiB of a file of 1 to 4 GiB, 64 MiB of one of 16
GiB or more."""

CHECKS_OF_A_SIGNER: Final = 4
"""Of those, for one signer: one that lies about half of what it and the failed bytes differ in is found out
in fifteen cases of sixteen, and costs but a round if not."""

SIGNER_SECONDS: Final = 5.0
"""How long to wait for somebody to vouch for a blob that failed, before it comes from upstream: two questions
to peers, and to spare. Once all of it is vouched for, how long to leave it to peers alone: one that refused
chunks while a liar was believed rests for no longer (`swarm.scheduler.peers.REFUSED_SECONDS`)."""


_DICE: random.Random = random.SystemRandom()
"""A liar must not know which of its words will be looked at."""


@dataclass(eq=False, slots=True)
class _Case:
    """A blob that failed, with these digests. `patient`: it is left to peers, until `deadline` at the latest,
    which is put off until all of it is `vouched` for.

    `waiting`: chunks vouched for by somebody who was not examined. `passed`: who was, and did well. `alike`:
    chunks vouched for by those who so far say nothing else than what failed.
    """

    failed: Mapping[int, ChunkDigest]
    deadline: float
    patient: bool = True
    vouched: bool = False
    waiting: int = 0
    passed: set[NodeId] = field(default_factory=set)
    alike: dict[NodeId, int] = field(default_factory=dict)
    news: trio.Event = field(default_factory=trio.Event)


class Owner(Protocol):
    """What an examiner needs of the transfer."""

    @property
    def have(self) -> int:
        """The chunks held."""
        ...

    @property
    def can_fetch(self) -> bool:
        """Whether there is an upstream to ask: without one, who comes first is believed."""
        ...

    async def upstream_digest(self, chunk: int, failed: ChunkDigest | None) -> ChunkDigest | None:
        """The digest that a chunk has upstream (`swarm.transfer.spotcheck`)."""
        ...

    def ask(self, chunks: int) -> None:
        """Ask all peers at once who vouches for these."""
        ...

    def accept(self, signer: NodeId, chunks: int) -> None:
        """These may be ordered, on the word of this signer."""
        ...

    def doubt(self, chunks: int) -> None:
        """What was believed of these is not any more."""
        ...

    def refuse(self, signer: NodeId, chunks: int) -> None:
        """This signer's word about these chunks is not taken."""
        ...

    def patience_changed(self) -> None:
        """`Examiner.patient` may have changed."""
        ...


class Examiner:
    """The blobs of one snapshot that have failed, and who is believed about them."""

    def __init__(self, layout: Layout, book: ClaimBook, owner: Owner) -> None:
        self._layout = layout
        self._book = book
        self._owner = owner
        self._cases: dict[Blob, _Case] = {}
        self._checks: Counter[Blob] = Counter()

    @property
    def patient(self) -> bool:
        """Whether somebody may yet vouch for a blob that failed, so that upstream is not asked for it."""
        return any(case.patient for case in self._cases.values())

    def hold(self, vouched: int) -> int:
        """Chunks are vouched for: those of them that may be ordered at once."""
        for blob, case in self._cases.items():
            bits = vouched & self._bits(blob)
            if bits:
                vouched ^= bits
                case.waiting |= bits
                case.news.set()
        return vouched

    def close(self, blob: Blob) -> bool:
        """Believe nobody about this blob any more; whether anybody could be so far."""
        could = self._checks[blob] < CHECKS
        self._checks[blob] = CHECKS
        return could

    def settle(self, blob: Blob) -> None:
        """The blob matches."""
        self._checks.pop(blob, None)
        if case := self._cases.pop(blob, None):
            case.news.set()
            self._owner.patience_changed()

    def open(self, blob: Blob, failed: Mapping[int, ChunkDigest]) -> None:
        """The blob failed with these digests; `examine` is to run from now on."""
        if before := self._cases.get(blob):
            before.news.set()
        self._cases[blob] = _Case(failed, trio.current_time() + SIGNER_SECONDS)
        self._owner.ask(self._bits(blob))
        self._owner.patience_changed()

    async def examine(self, blob: Blob) -> None:
        """Examine whoever vouches for a blob that failed, until it matches or fails anew."""
        case = self._cases.get(blob)
        while case is not None and self._cases.get(blob) is case:
            if case.waiting:
                await self._hear_one(blob, case)
                self._put_off(blob, case)
            else:
                await self._wait(case)

    async def _wait(self, case: _Case) -> None:
        """Wait for somebody to vouch; when nobody has for long, upstream is asked."""
        case.news = trio.Event()
        with trio.move_on_at(case.deadline if case.patient else math.inf):
            await case.news.wait()
            return
        case.patient = False
        self._owner.patience_changed()

    async def _hear_one(self, blob: Blob, case: _Case) -> None:
        """Examine whoever vouches for the first of the chunks that wait, and let all it vouches for go on."""
        first = bitset.lowest(case.waiting)
        signer = self._voucher(first)
        mine = bitset.from_members(c for c in bitset.members(case.waiting) if self._voucher(c) == signer)
        case.waiting = bitset.minus(case.waiting, mine)
        if signer is None:
            return
        mine |= case.alike.pop(signer, 0)
        verdict = signer in case.passed or await self._passes(blob, case, signer)
        if verdict is None:
            case.alike[signer] = mine
        elif verdict:
            vouched = (chunk for chunk in bitset.members(mine) if self._voucher(chunk) == signer)
            self._owner.accept(signer, bitset.from_members(vouched))
        else:
            self._changed(case, self._book.refute({signer}, blob, self._owner.have))
            self._owner.refuse(signer, self._bits(blob))
            others = (chunk for chunk in bitset.members(mine) if self._voucher(chunk) is not None)
            case.waiting |= bitset.from_members(others)

    def _put_off(self, blob: Blob, case: _Case) -> None:
        """Somebody spoke: wait anew, unless all that is missing of the blob was vouched for before."""
        if not case.vouched:
            case.deadline = trio.current_time() + SIGNER_SECONDS
        missing = bitset.minus(self._bits(blob), self._owner.have)
        case.vouched = all(self._book.digest(chunk) is not None for chunk in bitset.members(missing))

    async def _passes(self, blob: Blob, case: _Case, signer: NodeId) -> bool | None:
        """Whether upstream confirms what this signer says otherwise than what failed, as far as it is asked.

        None when it has said nothing else yet.
        """
        named = self._book.named(signer, blob)
        differing = [chunk for chunk, digest in named.items() if case.failed.get(chunk) != digest]
        if not differing:
            return None if len(named) < blob.chunk_count else False
        if self._owner.can_fetch and not await self._confirmed(blob, case, signer, differing):
            return False
        case.passed.add(signer)
        return True

    async def _confirmed(self, blob: Blob, case: _Case, signer: NodeId, differing: Sequence[int]) -> bool:
        """Whether upstream does not refute a signer in the few of these chunks that are looked at."""
        left = CHECKS - self._checks[blob]
        looks = min(CHECKS_OF_A_SIGNER, len(differing))
        if left <= 0:
            return False
        for chunk in _DICE.sample(differing, min(looks, left)):
            self._checks[blob] += 1
            digest = await self._owner.upstream_digest(chunk, case.failed.get(chunk))
            if digest is None:
                continue
            self._changed(case, self._book.know(chunk, digest, self._owner.have))
            if self._book.refuted(signer, blob):
                return False
        return left >= looks

    def _changed(self, case: _Case, chunks: int) -> None:
        """Something else is believed of these by now, or nothing."""
        self._owner.doubt(chunks)
        believed = (chunk for chunk in bitset.members(chunks) if self._book.digest(chunk) is not None)
        case.waiting |= bitset.from_members(believed)

    def _voucher(self, chunk: int) -> NodeId | None:
        digest = self._book.digest(chunk)
        return None if digest is None else self._book.voucher(chunk, digest)

    def _bits(self, blob: Blob) -> int:
        chunks = self._layout.chunks_of(blob)
        return bitset.span(chunks.start, len(chunks))
