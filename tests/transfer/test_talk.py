"""What peers say, as the scheduler is to see it."""

from __future__ import annotations

import pytest

from protocol.limits import KIB, MAX_RANGES
from protocol.messages import (
    Absent,
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
from protocol.signing import attest
from swarm.exchange.interfaces import PeerGone, PeerMessage, TopicMessage
from swarm.exchange.topics import Sayable
from swarm.scheduler import events as ev
from swarm.transfer.claims import ClaimBook
from swarm.transfer.talk import Say, to_events, to_messages
from tests.exchange.nodes import Content
from tests.transfer.parts import ORIGIN, PEER

CONTENT = Content(3 * 256 * KIB, 9)
KEY, TOTAL = CONTENT.key, CONTENT.layout.total
WHO, OTHER = PEER.node_id, ORIGIN.node_id


def events(message: TopicMessage | Elsewhere) -> list[ev.Event]:
    return to_events(PeerMessage(WHO, message), ClaimBook(CONTENT.layout), 0, TOTAL)


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (Join(KEY, True, False, True), ev.PeerJoined(WHO, True, False)),
        (Absent(KEY), ev.PeerLeft(WHO)),
        (Leave(KEY), ev.PeerLeft(WHO)),
        (HaveMap(KEY, 1, b"\x03"), ev.PeerHas(WHO, 0b110)),
        (HaveMap(KEY, 0, b"\xff\xff"), ev.PeerHas(WHO, 0b1111)),
        (HaveMap(KEY, 3_999_999, b"\x01"), ev.PeerHas(WHO, 0)),
        (Have(KEY, ((0, 2), (3, 1))), ev.PeerHas(WHO, 0b1011)),
        (Lost(KEY, ((1, 1),)), ev.PeerLost(WHO, 0b10)),
        (Fetching(KEY, ((2, 2),)), ev.PeerFetching(WHO, 0b1100)),
        (Elsewhere(KEY, ((1, 2),)), ev.PeerElsewhere(WHO, 0b110)),
        (Lease(KEY, True, 7), ev.PeerLease(WHO, True, 7)),
        (Company(KEY, (WHO, OTHER, WHO)), ev.PeerCompany(WHO, (WHO, OTHER, WHO))),
        (LeaseHeard(KEY, OTHER, True, 7, 250), ev.PeerLease(WHO, True, 7, OTHER, 0.25)),
        (FetchingHeard(KEY, OTHER, ((2, 2),)), ev.PeerFetching(WHO, 0b1100, OTHER)),
        (SeedHeard(KEY, OTHER, ((0, 3),), 500), ev.PeerSeed(WHO, OTHER, 0b111, 0.5)),
    ],
)
def test_each_message(message: TopicMessage | Elsewhere, event: ev.Event) -> None:
    assert events(message) == [event]


@pytest.mark.parametrize("kind", [Have, Lost, Fetching])
def test_chunks_there_are_not_make_a_message_nothing(kind: type[Have] | type[Lost] | type[Fetching]) -> None:
    assert events(kind(KEY, ((3, 2),))) == []


def test_a_lost_link_is_a_peer_that_left() -> None:
    assert to_events(PeerGone(WHO), ClaimBook(CONTENT.layout), 0, TOTAL) == [ev.PeerLeft(WHO)]


def test_attestations_are_told_by_what_is_new_in_them() -> None:
    book = ClaimBook(CONTENT.layout)
    claims = attest(ORIGIN, KEY, 0, [CONTENT.digest(0), CONTENT.digest(1)], False)
    message = PeerMessage(WHO, claims, ORIGIN.node_id)
    assert to_events(message, book, 0b01, TOTAL) == [ev.Vouched(0b10)]
    assert to_events(message, book, 0b01, TOTAL) == []


def test_a_referee_that_leaves_makes_way() -> None:
    book = ClaimBook(CONTENT.layout)
    (blob, _) = CONTENT.layout.blobs
    book.fail(blob)
    for who in (PEER, ORIGIN):
        claims = attest(who, KEY, 0, [CONTENT.digest(0)], True)
        told = to_events(PeerMessage(WHO, claims, who.node_id), book, 0, TOTAL)
        assert told == ([ev.Vouched(0b1)] if who is PEER else [])
    to_events(PeerMessage(WHO, Leave(KEY)), book, 0, TOTAL)
    claims = attest(ORIGIN, KEY, 1, [CONTENT.digest(1)], True)
    assert to_events(PeerMessage(WHO, claims, ORIGIN.node_id), book, 0, TOTAL) == [ev.Vouched(0b10)]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (ev.SayFetching(0b1011), [(Fetching(KEY, ((0, 2), (3, 1))), None)]),
        (ev.SayLease(True, 7), [(Lease(KEY, True, 7), None)]),
        (ev.AskClaims(WHO, 0b1), [(NeedClaims(KEY, ((0, 1),)), WHO)]),
        (
            ev.PassLease(WHO, True, 7, 0.25, (WHO, OTHER)),
            [(LeaseHeard(KEY, WHO, True, 7, 250), peer) for peer in (WHO, OTHER)],
        ),
        (ev.PassFetching(WHO, 0b10, (OTHER,)), [(FetchingHeard(KEY, WHO, ((1, 1),)), OTHER)]),
        (ev.PassSeed(WHO, 0b10, 0.5, (OTHER,)), [(SeedHeard(KEY, WHO, ((1, 1),), 500), OTHER)]),
    ],
)
def test_what_the_scheduler_wants_said(command: Say, told: list[tuple[Sayable, None]]) -> None:
    assert to_messages(command, KEY) == told


def test_what_is_too_much_for_one_message_is_said_in_several() -> None:
    every_other = sum(1 << 2 * chunk for chunk in range(MAX_RANGES + 1))
    assert len(to_messages(ev.SayFetching(every_other), KEY)) == 2
