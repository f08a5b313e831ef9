"""The addresses where nodes may be: found by address and by node without a look at all of them. Pure.

A node asks at every handshake where a peer is, and whether the operator named it; with a thousand addresses
known, and a thousand nodes that come up at once, looking at each of them would be most of its work. What may
be noted on whose word is bounded in `hearsay`; what to dial, and what to forget, is decided in `peers`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from dataclasses import dataclass

from protocol.ids import NodeId
from swarm.exchange.hearsay import Budget
from swarm.sources.address import Address


@dataclass(slots=True, eq=False)
class Candidate:
    """An address where a node may be. `node_id`: who is said, or proved, to be there. `told_by`: the peer
    that said so, if it is hearsay. `proven`: a node was met there.

    `node_id` and `via` are changed by `Candidates` alone, which finds a candidate by them.
    """

    address: Address
    node_id: NodeId | None
    via: str
    retry_at: float
    told_by: NodeId | None = None
    proven: bool = False
    dialled_at: float = -math.inf
    failures: int = 0
    dialling: bool = False

    @property
    def free(self) -> bool:
        """May it be dialled without a thought of whom that disturbs?"""
        return self.proven or self.via == "static"

    @property
    def named(self) -> bool:
        """Is it the operator's word that this node is a peer? Anybody may say to be at such an address."""
        return self.proven and self.via == "static"


class Candidates:
    """All of them, in the order in which they were heard."""

    def __init__(self) -> None:
        self._at: dict[Address, Candidate] = {}
        self._of: dict[NodeId, list[Candidate]] = {}
        self._static: list[Candidate] = []
        self._budget = Budget()

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._at.values())

    def at(self, address: Address) -> Candidate | None:
        """The one with this address."""
        return self._at.get(address)

    def of(self, node_id: NodeId) -> list[Candidate]:
        """Where this node is said or known to be, in the order in which that was heard."""
        return list(self._of.get(node_id, ()))

    @property
    def nodes(self) -> Set[NodeId]:
        """The nodes that are said or known to be somewhere."""
        return self._of.keys()

    @property
    def named(self) -> set[NodeId]:
        """The nodes that were met where the operator said."""
        return {c.node_id for c in self._static if c.named and c.node_id is not None}

    def allows(self, candidate: Candidate) -> bool:
        """May one like this be noted, by whoever said it? The operator may name any number."""
        return candidate.via == "static" or self._budget.allows(candidate.address.host, candidate.told_by)

    def add(self, candidate: Candidate) -> None:
        """Note one whose address is not there yet."""
        self._at[candidate.address] = candidate
        self._budget.spend(candidate.address.host, candidate.told_by)
        if candidate.via == "static":
            self._static.append(candidate)
        self._file(candidate)

    def drop(self, candidate: Candidate) -> None:
        """Forget it."""
        del self._at[candidate.address]
        self._budget.free(candidate.address.host, candidate.told_by)
        if candidate.via == "static":
            self._static.remove(candidate)
        self._unfile(candidate)

    def belongs(self, candidate: Candidate, node_id: NodeId) -> None:
        """This node is there, and no other."""
        if candidate.node_id != node_id:
            self._unfile(candidate)
            candidate.node_id = node_id
            self._file(candidate)

    def by_hand(self, candidate: Candidate) -> None:
        """The operator named this address."""
        if candidate.via != "static":
            candidate.via = "static"
            self._static.append(candidate)

    def _file(self, candidate: Candidate) -> None:
        if candidate.node_id is not None:
            self._of.setdefault(candidate.node_id, []).append(candidate)

    def _unfile(self, candidate: Candidate) -> None:
        if candidate.node_id is not None:
            there = self._of[candidate.node_id]
            there.remove(candidate)
            if not there:
                del self._of[candidate.node_id]
