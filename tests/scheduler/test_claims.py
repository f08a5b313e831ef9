"""Whom to ask for digests."""

from __future__ import annotations

from protocol.bits import everything
from protocol.ids import NodeId
from swarm.scheduler.claims import (
    CLAIMS_ATTEMPTS,
    CLAIMS_BATCH,
    CLAIMS_GRACE_SECONDS,
    CLAIMS_RETRY_SECONDS,
    ClaimsDesk,
)
from swarm.scheduler.events import AskClaims
from swarm.scheduler.peers import Peers

A, B = NodeId(b"a" * 32), NodeId(b"b" * 32)


def having(**bits: int) -> Peers:
    peers = Peers()
    for name, chunks in bits.items():
        peers.gained(peers.add(NodeId(name.encode() * 32)), chunks)
    return peers


def test_each_chunk_is_asked_of_one_peer_at_once() -> None:
    desk = ClaimsDesk(0.0)
    peers = having(a=0b0111, b=0b1110)
    assert desk.ask(peers, 0b1111, 0.0) == [AskClaims(A, 0b0111), AskClaims(B, 0b1000)]
    assert desk.ask(peers, 0b1111, 0.1) == []


def test_asked_elsewhere_when_no_answer_comes() -> None:
    desk = ClaimsDesk(0.0)
    peers = having(a=0b1, b=0b1)
    assert desk.ask(peers, 0b1, 0.0) == [AskClaims(A, 0b1)]
    assert desk.ask(peers, 0b1, CLAIMS_RETRY_SECONDS) == [AskClaims(B, 0b1)]


def test_a_large_question_comes_in_parts() -> None:
    desk = ClaimsDesk(0.0)
    total = CLAIMS_BATCH + 10
    peers = having(a=everything(total))
    lacking = everything(total)
    assert desk.ask(peers, lacking, 0.0) == [AskClaims(A, everything(CLAIMS_BATCH))]
    rest = lacking ^ everything(CLAIMS_BATCH)
    assert desk.ask(peers, rest, 0.1) == [AskClaims(A, rest)]


def test_what_an_origin_announced_is_given_a_moment() -> None:
    desk = ClaimsDesk(0.0)
    desk.announced(0b1)
    peers = having(a=0b11)
    assert desk.ask(peers, 0b11, 1.0) == [AskClaims(A, 0b10)]
    assert desk.ask(peers, 0b01, 1.1) == []
    assert desk.ask(peers, 0b01, 1.0 + CLAIMS_GRACE_SECONDS) == [AskClaims(A, 0b01)]


def test_a_peer_that_never_answers_is_told_of_once() -> None:
    desk = ClaimsDesk(0.0)
    peers = having(a=0b1)
    for attempt in range(CLAIMS_ATTEMPTS):
        assert desk.ask(peers, 0b1, attempt * CLAIMS_RETRY_SECONDS) == [AskClaims(A, 0b1)]
        assert desk.mute() == {}
    assert desk.ask(peers, 0b1, CLAIMS_ATTEMPTS * CLAIMS_RETRY_SECONDS) == []
    assert desk.mute() == {A: 0b1}
    assert desk.mute() == {}


def test_a_partial_answer_is_an_answer() -> None:
    desk = ClaimsDesk(0.0)
    peers = having(a=everything(8))
    for answered in range(8):
        asked_at = answered * CLAIMS_RETRY_SECONDS
        lacking = everything(8) ^ everything(answered)
        assert desk.ask(peers, lacking, asked_at) == [AskClaims(A, lacking)]
        desk.ask(peers, lacking & (lacking - 1), asked_at + 0.1)
    assert desk.mute() == {}


def test_wakes_for_the_next_attempt() -> None:
    desk = ClaimsDesk(0.0)
    desk.ask(having(a=0b1), 0b1, 10.0)
    desk.ask(having(a=0b1), 0b1, 10.1)
    assert 10.1 < desk.next_wake() <= 10.0 + CLAIMS_RETRY_SECONDS
