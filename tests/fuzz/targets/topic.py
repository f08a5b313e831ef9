"""What several peers say about a topic, message after message, up to the scheduler.

    any number of  u8: who says it | u16: length | a control message

The scheduler takes every event, asks peers only for chunks there are, and never for more than it wants.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace

from protocol.bits import everything, from_members
from protocol.codec import BadEncoding
from protocol.ids import NodeId
from protocol.messages import (
    BadMessage,
    BulkMessage,
    Company,
    ControlMessage,
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
    SeedHeard,
    decode_bulk,
    decode_control,
    encode_message,
)
from swarm.exchange.interfaces import PeerGone, PeerMessage, TopicEvent, TopicMessage
from swarm.scheduler import events as ev
from swarm.scheduler.scheduler import Scheduler
from swarm.transfer.claims import ClaimBook
from swarm.transfer.talk import to_events
from tests.fuzz.samples import CLAIMS, SNAPSHOT, TOPIC
from tests.protocol.peers import ALICE

HEAD = struct.Struct("!BH")
LAYOUT = SNAPSHOT.layout
Word = ControlMessage | BulkMessage
SPOKEN = TopicMessage | Elsewhere
FAR = NodeId(b"\x09" * 32)
"""A node that there is no link with."""
STEP_SECONDS = 0.5
MOST_MESSAGES = 40


def seeds() -> Iterator[bytes]:
    map_, more = HaveMap(TOPIC, 8, b"\x07\x00\x80"), Have(TOPIC, ((0, 3),))
    held: list[Word] = [Join(TOPIC, False, False, True), map_, *CLAIMS, more, Lost(TOPIC, ((0, 1),))]
    taken: list[Word] = [Join(TOPIC, True, True, True), Lease(TOPIC, True, 9), Fetching(TOPIC, ((5, 5),))]
    far: list[Word] = [
        Join(TOPIC, True, False, False),
        Company(TOPIC, (FAR, ALICE.node_id)),
        LeaseHeard(TOPIC, FAR, True, 7, 250),
        FetchingHeard(TOPIC, FAR, ((0, 9),)),
        LeaseHeard(TOPIC, FAR, False, 7, 0),
        SeedHeard(TOPIC, FAR, ((0, 9),), 20),
    ]
    yield spoken((1, message) for message in (*held, *taken))
    yield spoken((who, message) for message in taken for who in (1, 2, 131))
    yield spoken((who, message) for who in (1, 2) for message in far)
    yield spoken((1, message) for message in (*held[:2], Elsewhere(TOPIC, ((8, 3),)), Leave(TOPIC)))


def spoken(words: Iterable[tuple[int, Word]]) -> bytes:
    texts = [(who, encode_message(message)) for who, message in words]
    return b"".join(HEAD.pack(who, len(text)) + text for who, text in texts)


def run(data: bytes) -> None:
    book = ClaimBook(LAYOUT)
    scheduler = Scheduler(ALICE.node_id, TOPIC, LAYOUT, 0, 0.0, settle=0)
    all_chunks = everything(LAYOUT.total)
    now = 0.0
    due: list[ev.Event] = [ev.Upstream(True), ev.Wanted(all_chunks)]
    for event in messages(data):
        due += to_events(event, book, 0, LAYOUT.total)
        for each in [*due, ev.Tick()]:
            now += STEP_SECONDS
            for command in scheduler.step(each, now):
                check(command)
        due = []


def check(command: ev.Command) -> None:
    if isinstance(command, ev.Fetch):
        assert from_members(command.chunks) & ~everything(LAYOUT.total) == 0
        assert len(set(command.chunks)) == len(command.chunks)
    elif isinstance(command, ev.AskClaims | ev.Cancel | ev.SayFetching | ev.Stuck):
        assert command.bits & ~everything(LAYOUT.total) == 0


def messages(data: bytes) -> Iterator[TopicEvent]:
    """Who says what; the topmost bit of who: the link breaks first."""
    for _ in range(MOST_MESSAGES):
        if len(data) < HEAD.size:
            return
        who, length = HEAD.unpack_from(data)
        peer = NodeId(bytes([who & 0x7F]) * 32)
        text, data = data[HEAD.size : HEAD.size + length], data[HEAD.size + length :]
        if who & 0x80:
            yield PeerGone(peer)
        try:
            message = decode(text)
        except (BadMessage, BadEncoding):
            continue
        if isinstance(message, SPOKEN):
            yield PeerMessage(peer, replace(message, topic=TOPIC))


def decode(text: bytes) -> Word:
    """A word of either kind of connection: a transfer hears of both."""
    try:
        return decode_control(text)
    except BadMessage:
        return decode_bulk(text, b"")
