"""What peers say about a topic, as events for the scheduler; what the scheduler wants said, as messages.

Pure, but for what is entered in the book.
"""

from __future__ import annotations

from protocol import bits as bitset
from protocol.ids import NodeId, SnapshotKey
from protocol.messages import (
    Absent,
    Claims,
    Company,
    Elsewhere,
    Fetching,
    FetchingHeard,
    Have,
    HaveMap,
    Join,
    Lease,
    LeaseHeard,
    Leave,
    Lost,
    NeedClaims,
    SeedHeard,
)
from swarm.exchange.interfaces import PeerGone, PeerMessage, TopicEvent
from swarm.exchange.topics import Sayable
from swarm.scheduler import events as ev
from swarm.transfer.claims import ClaimBook
from swarm.transfer.news import cut

Say = ev.SayFetching | ev.SayLease | ev.AskClaims | ev.PassLease | ev.PassFetching | ev.PassSeed
"""The commands that are carried out by telling peers something."""


def to_events(event: TopicEvent, book: ClaimBook, have: int, total: int) -> list[ev.Event]:
    """The scheduler's view of one message; nothing for one that names chunks there are not.

    Attestations are entered in `book`, which leaves alone what is believed of the chunks in `have`.
    """
    try:
        return _translate(event, book, have, total)
    except ValueError:
        return []


def _translate(event: TopicEvent, book: ClaimBook, have: int, total: int) -> list[ev.Event]:
    match event:
        case PeerGone(peer) | PeerMessage(peer, Absent() | Leave()):
            book.left(peer)
            return [ev.PeerLeft(peer)]
        case PeerMessage(peer, Join(_, wants, can_fetch)):
            return [ev.PeerJoined(peer, wants, can_fetch)]
        case PeerMessage(peer, HaveMap(_, first, packed)):
            bits = int.from_bytes(packed, "little") << min(first, total)
            return [ev.PeerHas(peer, bits & bitset.everything(total))]
        case PeerMessage(peer, Have(_, ranges)):
            return [ev.PeerHas(peer, bitset.from_ranges(ranges, total))]
        case PeerMessage(peer, Company(_, nodes)):
            return [ev.PeerCompany(peer, nodes)]
        case PeerMessage(peer, Lost(_, ranges)):
            return [ev.PeerLost(peer, bitset.from_ranges(ranges, total))]
        case PeerMessage(peer, Elsewhere(_, ranges)):
            return [ev.PeerElsewhere(peer, bitset.from_ranges(ranges, total))]
        case PeerMessage(peer, Fetching() | Lease() | FetchingHeard() | LeaseHeard() | SeedHeard() as said):
            return [_of_sources(peer, said, total)]
        case PeerMessage(peer, Claims() as claims):
            fresh = book.add(claims, claims.signer, have, passed_on=claims.signer != peer)
            return [ev.Vouched(fresh)] if fresh else []
        case _:
            return []


def _of_sources(
    peer: NodeId, said: Fetching | Lease | FetchingHeard | LeaseHeard | SeedHeard, total: int
) -> ev.PeerFetching | ev.PeerLease | ev.PeerSeed:
    match said:
        case Fetching(_, ranges):
            return ev.PeerFetching(peer, bitset.from_ranges(ranges, total))
        case FetchingHeard(_, holder, ranges):
            return ev.PeerFetching(peer, bitset.from_ranges(ranges, total), holder)
        case Lease(_, held, fetched):
            return ev.PeerLease(peer, held, fetched)
        case LeaseHeard(_, holder, held, fetched, age):
            return ev.PeerLease(peer, held, fetched, holder, age / 1000)
        case SeedHeard(_, seed, ranges, age):
            return ev.PeerSeed(peer, seed, bitset.from_ranges(ranges, total), age / 1000)


def to_messages(command: Say, key: SnapshotKey) -> list[tuple[Sayable, NodeId | None]]:
    """What to tell whom of the topic `key`: a peer, or None for all."""
    match command:
        case ev.SayFetching(bits):
            return [(Fetching(key, ranges), None) for ranges in cut(bits)]
        case ev.SayLease(held, fetched):
            return [(Lease(key, held, fetched), None)]
        case ev.AskClaims(peer, bits):
            return [(NeedClaims(key, ranges), peer) for ranges in cut(bits)]
        case ev.PassLease(holder, held, fetched, age, to):
            return [(LeaseHeard(key, holder, held, fetched, int(1000 * age)), peer) for peer in to]
        case ev.PassFetching(holder, bits, to):
            return [(FetchingHeard(key, holder, ranges), peer) for peer in to for ranges in cut(bits)]
        case ev.PassSeed(seed, bits, age, to):
            first = cut(bits)[:1]
            return [(SeedHeard(key, seed, ranges, int(1000 * age)), peer) for peer in to for ranges in first]
