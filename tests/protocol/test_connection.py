"""Connections: the same events however the bytes are cut, and a fault for every bad one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.connection import (
    FRAME_CAPS,
    LAID_AT,
    PEER_FAULTS,
    Connection,
    Event,
    HandshakeDone,
    Laid,
    ProtocolFault,
    Received,
    laid_size,
)
from protocol.frames import Sealer
from protocol.handshake import Handshake, Hello, Kind
from protocol.inbox import OWN_FROM, READ_AHEAD
from protocol.limits import (
    MAX_CHUNKS,
    MAX_CONTROL_MESSAGE,
    MAX_DATA_HEADER,
    MAX_DATA_PAYLOAD,
    MAX_FRAME,
    MAX_HANDSHAKE_MESSAGE,
    MAX_PIECES,
)
from protocol.messages import (
    BULK,
    BulkMessage,
    ControlMessage,
    Data,
    Granted,
    Have,
    NeedManifest,
    Ping,
    Pong,
    Renew,
    Request,
    encode_message,
)
from protocol.state import State
from tests.protocol.peers import ALICE, BOB, TOPIC, connected, fresh_pair
from tests.protocol.strategies import bulk_messages, control_messages


def messages(events: Iterable[Event]) -> list[ControlMessage | BulkMessage]:
    return [event.message for event in events if isinstance(event, Received)]


def kind_of(message: ControlMessage | BulkMessage) -> Kind:
    return "bulk" if type(message) in BULK.values() else "control"


def rogue(kind: Kind) -> tuple[Sealer, Connection]:
    """A peer that has shaken hands as Alice and may seal whatever it likes, and Bob's connection."""
    alice = Handshake(ALICE, Hello(kind, 0, ""), initiator=True, ephemeral=b"\x08" * 32)
    bob = Connection(BOB, Hello("control", 0, ""), initiator=False, ephemeral=b"\x09" * 32)
    bob.feed(framed(alice.opening()))
    third, established = alice.receive(bob.data_to_send()[4:])
    assert established is not None
    bob.feed(framed(third))
    return Sealer(established.sending_key), bob


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def test_a_handshake_ends_with_the_peer_on_both_sides() -> None:
    alice, bob = fresh_pair("bulk")
    assert bob.feed(alice.data_to_send()) == []
    [at_alice] = alice.feed(bob.data_to_send())
    [at_bob] = bob.feed(alice.data_to_send())
    assert isinstance(at_alice, HandshakeDone)
    assert isinstance(at_bob, HandshakeDone)
    assert at_alice.peer.node_id == BOB.node_id
    assert at_bob.peer.node_id == ALICE.node_id
    assert at_alice.peer == alice.peer
    assert at_alice.peer.hello == Hello("bulk", 7678, "bob/1")
    assert at_bob.peer.hello == Hello("bulk", 7677, "alice/1")
    assert alice.state is bob.state is State.OPEN


def test_handshake_bytes_are_given_once() -> None:
    alice, bob = fresh_pair("control")
    assert alice.data_to_send() != b""
    assert alice.data_to_send() == bob.data_to_send() == b""


@given(control_messages | bulk_messages)
def test_every_message_crosses_both_ways(message: ControlMessage | BulkMessage) -> None:
    alice, bob = connected(kind_of(message))
    assert messages(bob.feed(alice.seal(message))) == [message]
    assert messages(alice.feed(bob.seal(message))) == [message]


def test_byte_by_byte() -> None:
    alice, bob = fresh_pair("control")
    events: dict[str, list[Event]] = {"alice": [], "bob": []}
    for name, sender, receiver in (
        ("bob", alice, bob),
        ("alice", bob, alice),
        ("bob", alice, bob),
    ):
        for byte in sender.data_to_send():
            events[name] += receiver.feed(bytes([byte]))
    for byte in bytes(alice.seal(Ping(1))) + bytes(alice.seal(Ping(2))):
        events["bob"] += bob.feed(bytes([byte]))
    assert [type(event) for event in events["alice"]] == [HandshakeDone]
    assert [type(event) for event in events["bob"]] == [HandshakeDone, Received, Received]
    assert messages(events["bob"]) == [Ping(1), Ping(2)]


@given(st.lists(control_messages, max_size=6), st.lists(st.integers(1, 400), max_size=20))
def test_the_same_events_however_the_bytes_are_cut(sent: list[ControlMessage], cuts: list[int]) -> None:
    """From the last handshake message on, where one read may hold two kinds of frame."""
    alice, bob = fresh_pair("control")
    bob.feed(alice.data_to_send())
    alice.feed(bob.data_to_send())
    stream = alice.data_to_send() + b"".join(alice.seal(message) for message in sent)
    events: list[Event] = []
    for cut in cuts:
        events += bob.feed(stream[:cut])
        stream = stream[cut:]
    events += bob.feed(stream)
    assert isinstance(events[0], HandshakeDone)
    assert messages(events) == sent


@given(st.integers(1, 5), st.data())
def test_events_before_a_fault_are_not_lost(good: int, data: st.DataObject) -> None:
    alice, bob = connected("control")
    stream = b"".join(alice.seal(Ping(n)) for n in range(good)) + b"\xff" * 50
    events: list[Event] = []
    while bob.state is State.OPEN:
        cut = data.draw(st.integers(1, len(stream)))
        with suppress(ProtocolFault):
            events += bob.feed(stream[:cut])
        stream = stream[cut:]
    with pytest.raises(ProtocolFault):
        bob.feed(stream)
    assert messages(events) == [Ping(n) for n in range(good)]


def test_a_dead_connection_stays_dead() -> None:
    _, bob = connected("control")
    with pytest.raises(ProtocolFault) as first:
        bob.feed(b"\xff" * 4)
    for call in (bob.buffer, bob.eof, lambda: bob.received(0), lambda: bob.feed(b"")):
        with pytest.raises(ProtocolFault) as again:
            call()
        assert again.value is first.value


def test_receiving_into_the_buffer() -> None:
    alice, bob = connected("bulk")
    message = Data(TOPIC, ((1, 0, MAX_DATA_PAYLOAD),), b"x" * MAX_DATA_PAYLOAD)
    stream = memoryview(bytes(alice.seal(message)) + bytes(alice.seal(message)))
    events, reads = [], 0
    while stream:
        space = bob.buffer()
        assert len(space) <= MAX_FRAME + READ_AHEAD
        count = min(len(space), len(stream))
        space[:count] = stream[:count]
        stream = stream[count:]
        events += bob.received(count)
        reads += 1
    assert messages(events) == [message, message]
    assert reads <= 4


@given(st.binary(min_size=1, max_size=300), st.integers(1, 2**20))
def test_a_payload_may_be_sealed_where_it_lies(payload: bytes, chunk: int) -> None:
    memory = memoryview(bytearray(laid_size(len(payload)) + 7))
    lying = memory[LAID_AT : LAID_AT + len(payload)]
    lying[:] = payload
    message = Data(TOPIC, ((chunk, 0, len(payload)),), payload)
    frame = connected("bulk")[0].seal_laid(Laid(replace(message, payload=lying), memory))
    assert frame.obj is memory.obj
    assert frame == connected("bulk")[0].seal(message)


def test_the_longest_header_has_room_before_what_is_laid() -> None:
    chunks = tuple((MAX_CHUNKS - 1 - number, 0, 1) for number in range(MAX_PIECES))
    memory = memoryview(bytearray(laid_size(MAX_PIECES)))
    message = Data(TOPIC, chunks, memory[LAID_AT : LAID_AT + MAX_PIECES])
    alice, bob = connected("bulk")
    assert messages(bob.feed(alice.seal_laid(Laid(message, memory)))) == [
        replace(message, payload=bytes(MAX_PIECES))
    ]


def test_large_frames_lie_in_memory_that_is_lent() -> None:
    lent: list[int] = []

    def lend(size: int) -> memoryview:
        lent.append(size)
        return memoryview(bytearray(size + 1))

    alice, bob = connected("bulk")
    alice.lend = lend
    for length in (10, OWN_FROM):
        message = Data(TOPIC, ((1, 0, length),), bytes(length))
        frame = alice.seal(message)
        assert messages(bob.feed(frame)) == [message]
    assert lent == [len(frame)]


def test_a_payload_stays_valid_after_further_reads() -> None:
    alice, bob = connected("bulk")
    first, second = (Data(TOPIC, ((1, 0, 5),), text) for text in (b"first", b"other"))
    [received] = messages(bob.feed(alice.seal(first)))
    bob.feed(alice.seal(second))
    assert isinstance(received, Data)
    assert bytes(received.payload) == b"first"


def test_two_messages_in_a_row_have_different_bytes() -> None:
    alice, _ = connected("control")
    assert alice.seal(Ping(1)) != alice.seal(Ping(1))


def test_an_admission_connection_carries_control_messages() -> None:
    alice, bob = connected("admission")
    assert messages(bob.feed(alice.seal(Renew()))) == [Renew()]
    assert messages(alice.feed(bob.seal(Granted(b"", "stranger")))) == [Granted(b"", "stranger")]


@pytest.mark.parametrize(
    ("kind", "message"),
    [("control", NeedManifest(TOPIC)), ("admission", NeedManifest(TOPIC)), ("bulk", Ping(1))],
)
def test_sealing_a_message_of_the_other_kind(kind: Kind, message: ControlMessage | BulkMessage) -> None:
    alice, _ = connected(kind)
    with pytest.raises(TypeError):
        alice.seal(message)


def test_sealing_too_early() -> None:
    alice, bob = fresh_pair("control")
    with pytest.raises(RuntimeError):
        alice.seal(Ping(1))
    bob.feed(alice.data_to_send())
    alice.feed(bob.data_to_send())
    with pytest.raises(RuntimeError):
        alice.seal(Ping(1))
    alice.data_to_send()
    alice.seal(Ping(1))


def test_the_end_between_frames() -> None:
    _, bob = connected("control")
    bob.eof()
    assert bob.state is State.CLOSED
    with pytest.raises(RuntimeError):
        bob.eof()


def test_the_end_within_a_frame() -> None:
    alice, bob = connected("control")
    bob.feed(alice.seal(Ping(1))[:-1])
    with pytest.raises(ProtocolFault, match="hung up"):
        bob.eof()
    assert bob.state is State.FAILED


@pytest.mark.parametrize("side", [0, 1])
def test_the_end_within_the_handshake(side: int) -> None:
    with pytest.raises(ProtocolFault, match="handshake"):
        fresh_pair("control")[side].eof()


def test_bytes_after_the_end_are_a_mistake_of_the_caller() -> None:
    alice, bob = connected("control")
    bob.eof()
    with pytest.raises(RuntimeError):
        bob.feed(alice.seal(Ping(1)))


@pytest.mark.parametrize("side", [0, 1])
def test_a_handshake_message_has_a_length(side: int) -> None:
    connection = fresh_pair("bulk")[side]
    connection.feed((MAX_HANDSHAKE_MESSAGE).to_bytes(4, "big"))
    connection = fresh_pair("bulk")[side]
    with pytest.raises(ProtocolFault, match="bytes where at most"):
        connection.feed((MAX_HANDSHAKE_MESSAGE + 1).to_bytes(4, "big"))


@pytest.mark.parametrize("kind", ["control", "bulk"])
def test_a_frame_has_a_length(kind: Kind) -> None:
    connected(kind)[1].feed(FRAME_CAPS[kind].to_bytes(4, "big"))
    with pytest.raises(ProtocolFault, match="bytes where at most"):
        connected(kind)[1].feed((FRAME_CAPS[kind] + 1).to_bytes(4, "big"))


def test_the_longest_control_message_and_data_fit_their_frames() -> None:
    assert FRAME_CAPS["control"] == MAX_CONTROL_MESSAGE + 16
    assert FRAME_CAPS["bulk"] >= 2 + MAX_DATA_HEADER + MAX_DATA_PAYLOAD + 16


def header(length: int, rest: bytes) -> bytes:
    return length.to_bytes(2, "big") + rest


need_manifest = encode_message(NeedManifest(TOPIC))

BAD_PLAINTEXTS: dict[str, tuple[Kind, bytes]] = {
    "nothing": ("control", b""),
    "no message": ("control", b"\xc0"),
    "a bulk message": ("control", need_manifest),
    "a rule broken": ("control", b"\x92\x01\xc3"),
    "something after the message": ("control", encode_message(Ping(1)) + b"\x00"),
    "no header length": ("bulk", b"\x00"),
    "no header": ("bulk", header(0, b"")),
    "a header longer than the frame": ("bulk", header(len(need_manifest) + 1, need_manifest)),
    "a control message": ("bulk", header(3, encode_message(Ping(1)))),
    "a payload where there is none": ("bulk", header(len(need_manifest), need_manifest + b"x")),
}


@pytest.mark.parametrize(("kind", "plaintext"), BAD_PLAINTEXTS.values(), ids=BAD_PLAINTEXTS.keys())
def test_a_proven_peer_that_talks_nonsense(kind: Kind, plaintext: bytes) -> None:
    sealer, bob = rogue(kind)
    with pytest.raises(ProtocolFault) as caught:
        bob.feed(sealer.seal(plaintext))
    assert isinstance(caught.value.__cause__, PEER_FAULTS)


def test_a_header_longer_than_the_limit_is_not_decoded() -> None:
    sealer, bob = rogue("bulk")
    with pytest.raises(ProtocolFault, match="header that is too long"):
        bob.feed(sealer.seal(header(MAX_DATA_HEADER + 1, bytes(MAX_DATA_HEADER + 1))))


@given(st.sampled_from(["control", "bulk"]), st.binary(max_size=80))
def test_a_proven_peer_that_says_anything(kind: Kind, plaintext: bytes) -> None:
    sealer, bob = rogue(kind)
    try:
        events = bob.feed(sealer.seal(plaintext))
    except ProtocolFault:
        assert bob.state is State.FAILED
    else:
        assert len(messages(events)) == 1


@given(st.lists(st.binary(max_size=300), max_size=4), st.sampled_from([0, 1, 2]))
def test_a_stranger_that_says_anything(reads: list[bytes], progress: int) -> None:
    """At any point of a handshake, bytes from anyone lead on or to a ProtocolFault."""
    alice, bob = fresh_pair("control")
    if progress:
        bob.feed(alice.data_to_send())
    if progress == 2:
        alice.feed(bob.data_to_send())
    victim = alice if progress == 1 else bob
    try:
        for data in reads:
            assert victim.feed(data) == []
        victim.eof()
    except ProtocolFault:
        assert victim.state is State.FAILED


def touched_handshakes() -> dict[str, Callable[[bytearray], None]]:
    def flip(position: int) -> Callable[[bytearray], None]:
        def touch(data: bytearray) -> None:
            data[position] ^= 1

        return touch

    return {"the key": flip(4), "the last byte": flip(-1)}


@pytest.mark.parametrize("touch", touched_handshakes().values(), ids=touched_handshakes().keys())
@pytest.mark.parametrize("message", [1, 2, 3])
def test_a_touched_handshake_fails(message: int, touch: Callable[[bytearray], None]) -> None:
    alice, bob = fresh_pair("control")
    turns = [(alice, bob), (bob, alice), (alice, bob)]
    for sender, receiver in turns[: message - 1]:
        receiver.feed(sender.data_to_send())
    sender, receiver = turns[message - 1]
    data = bytearray(sender.data_to_send())
    touch(data)
    with pytest.raises(ProtocolFault):  # noqa: PT012  # a touched first message is noticed by its sender
        receiver.feed(data)
        sender.feed(receiver.data_to_send())


def test_the_same_ephemeral_key_sent_back_is_not_a_handshake() -> None:
    """A reflector: everything Alice says comes back to her."""
    alice, _ = fresh_pair("control")
    with pytest.raises(ProtocolFault):
        alice.feed(alice.data_to_send())


def test_many_small_messages_in_one_read() -> None:
    alice, bob = connected("control")
    sent = [Pong(n) for n in range(1000)]
    assert messages(bob.feed(b"".join(alice.seal(message) for message in sent))) == sent


def test_a_large_control_message_after_small_ones() -> None:
    alice, bob = connected("control")
    large = Have(TOPIC, tuple((3 * n, 2) for n in range(4096)))
    sent: list[ControlMessage] = [Ping(1), large, Ping(2), large]
    assert messages(bob.feed(b"".join(alice.seal(message) for message in sent))) == sent


def test_requests_and_data_share_a_bulk_connection() -> None:
    alice, bob = connected("bulk")
    request = Request(TOPIC, ((1, None),))
    data = Data(TOPIC, ((1, 0, 3),), b"abc")
    assert messages(bob.feed(alice.seal(request))) == [request]
    assert messages(alice.feed(bytes(bob.seal(data)) + bytes(bob.seal(request)))) == [data, request]
