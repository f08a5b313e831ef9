"""What several peers say about a topic, message after message, up to the scheduler.

    any number of  u8: who says it | u16: length | a control message

The scheduler takes every event, asks peers only for chunks there are, and never for more than it wants.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from protocol.bits import everything, from_members
from protocol.codec import BadEncoding
from protocol.ids import NodeId
from protocol.messages import (
    Absent,
    BadMessage,
    Claims,
    Fetching,
    Have,
    HaveMap,
    Join,
    Lease,
    Leave,
    Lost,
    decode_control,
    encode_message,
)
from swarm.exchange.interfaces import PeerGone, PeerMessage, TopicEvent
from swarm.scheduler import events as ev
from swarm.scheduler.scheduler import Scheduler
from swarm.transfer.claims import ClaimBook
from swarm.transfer.talk import to_events
from tests.fuzz.samples import CONTROL, SNAPSHOT, TOPIC
from tests.protocol.peers import ALICE

HEAD = struct.Struct("!BH")
LAYOUT = SNAPSHOT.layout
SPOKEN = (Join, Absent, Leave, HaveMap, Have, Lost, Claims, Lease, Fetching)
STEP_SECONDS = 0.5
MOST_MESSAGES = 40


def seeds() -> Iterator[bytes]:
    spoken = [encode_message(message) for message in CONTROL if isinstance(message, SPOKEN)]
    yield b"".join(HEAD.pack(1, len(text)) + text for text in spoken)
    joined = [text for text in spoken if len(text) < 50]
    yield b"".join(HEAD.pack(who, len(text)) + text for text in joined for who in (1, 2, 131))


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
            message = decode_control(text)
        except (BadMessage, BadEncoding):
            continue
        if isinstance(message, SPOKEN):
            yield PeerMessage(peer, replace(message, topic=TOPIC))
