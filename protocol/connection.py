"""One connection between two nodes, sans-I/O: bytes in, events out; messages in, bytes out.

The adapter's loop is: send `data_to_send()`, receive into `buffer()`, say how many bytes by
`received(n)`, act on the events, again. After HandshakeDone, `seal(message)` makes the bytes of a
message, and `seal_laid` those of one whose payload was read to where it is sent from. A connection
is of one kind and takes only messages of that kind; one for admission carries those of control
connections. How the bytes are cut into reads changes nothing: the same events come in the same order, then
the same fault.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from protocol.chunks import Bytes
from protocol.codec import BadEncoding
from protocol.frames import LENGTH, BadFrame, Opener, Sealer
from protocol.handshake import Handshake, Hello, Kind, PeerIdentity
from protocol.inbox import BLOCK, OWN_FROM, Inbox, Lend, fresh
from protocol.limits import MAX_CONTROL_MESSAGE, MAX_DATA_HEADER, MAX_FRAME, MAX_HANDSHAKE_MESSAGE
from protocol.messages import (
    BadMessage,
    BulkMessage,
    ControlMessage,
    Data,
    decode_bulk,
    decode_control,
    encode_message,
    payload_of,
)
from protocol.noise import TAG, BadHandshake
from protocol.signing import Identity
from protocol.state import ENDED, HANDSHAKE, State, Step, after

HEADER_LENGTH: Final = struct.Struct("!H")

FRAME_CAPS: Final[dict[Kind, int]] = {
    "control": MAX_CONTROL_MESSAGE + TAG,
    "bulk": MAX_FRAME,
    "admission": MAX_CONTROL_MESSAGE + TAG,
}

LAID_AT: Final = -(-(LENGTH.size + HEADER_LENGTH.size + MAX_DATA_HEADER) // BLOCK) * BLOCK
"""Where in its memory the payload of a `Laid` message begins: all else has room before it, and a disk fills
what begins there as it is."""

PEER_FAULTS: Final = (BadEncoding, BadMessage, BadFrame, BadHandshake)
"""Everything that bytes from a peer can be wrong with."""


class ProtocolFault(Exception):
    """The peer broke the protocol, or someone touched the bytes. The connection is dead."""


@dataclass(frozen=True, slots=True)
class HandshakeDone:
    """The peer has proven who it is; messages may be sealed from now on."""

    peer: PeerIdentity


@dataclass(frozen=True, slots=True)
class Received:
    """A message of the connection's kind. A payload stays valid for as long as it is kept."""

    message: ControlMessage | BulkMessage


Event = HandshakeDone | Received


@dataclass(frozen=True, slots=True)
class Laid:
    """A message, and the memory, of `laid_size`, in which its payload lies from LAID_AT on."""

    message: Data
    memory: memoryview


class Connection:
    """One side of a connection. `ephemeral` is 32 fresh random bytes, used for nothing else ever.

    `lend` gives the memory of large frames, both ways.
    """

    def __init__(
        self, identity: Identity, hello: Hello, *, initiator: bool, ephemeral: bytes, lend: Lend = fresh
    ) -> None:
        self.state = State.AWAIT_REPLY if initiator else State.AWAIT_KEY
        self.peer: PeerIdentity | None = None
        self.lend = lend
        self._handshake = Handshake(identity, hello, initiator=initiator, ephemeral=ephemeral)
        self._inbox = Inbox(lend)
        self._outgoing = b""
        self._fault: ProtocolFault | None = None
        self._sealer: Sealer | None = None
        self._opener: Opener | None = None
        if initiator:
            self._say(self._handshake.opening())

    def data_to_send(self) -> bytes:
        """Handshake bytes to send before anything that is sealed; each is given once."""
        outgoing, self._outgoing = self._outgoing, b""
        return outgoing

    def buffer(self) -> memoryview:
        """Where to receive next; valid until the next call. ProtocolFault once the connection is dead."""
        self.check()
        return self._inbox.space()

    @property
    def lacking(self) -> int:
        """Bytes without which the next event will not come: fewer mean nothing yet."""
        return self._inbox.lacking

    def received(self, count: int) -> list[Event]:
        """`count` bytes were received into `buffer()`: what they mean.

        ProtocolFault when they break the protocol. Events that came before the fault are returned first,
        and the fault is raised by the next call.
        """
        self.check()
        self._inbox.wrote(count)
        events: list[Event] = []
        try:
            while (frame := self._inbox.next_frame(self._cap())) is not None:
                event = self._handle(frame)
                self.state = after(self.state, Step.FRAME)
                if event is not None:
                    events.append(event)
        except PEER_FAULTS as error:
            self.state = after(self.state, Step.FAULT)
            self._fault = ProtocolFault(str(error))
            self._fault.__cause__ = error
        if not events:
            self.check()
        return events

    def feed(self, data: Bytes) -> list[Event]:
        """`buffer` and `received` for bytes that lie elsewhere, at the price of a copy."""
        self.check()
        events: list[Event] = []
        rest = memoryview(data)
        while rest.nbytes and self._fault is None:
            space = self._inbox.space()
            count = min(space.nbytes, rest.nbytes)
            space[:count] = rest[:count]
            rest = rest[count:]
            try:
                events += self.received(count)
            except ProtocolFault:
                if not events:
                    raise
        return events

    def check(self) -> None:
        """ProtocolFault once the connection is dead."""
        if self._fault is not None:
            raise self._fault

    def eof(self) -> None:
        """The peer sends no more. ProtocolFault when it stopped within a frame or the handshake."""
        self.check()
        waited_for = self.state.value
        self.state = after(self.state, Step.CUT if self._inbox.pending else Step.END)
        if self.state is State.FAILED:
            self._fault = ProtocolFault(f"the peer hung up where we expected {waited_for}")
            raise self._fault

    def seal(self, message: ControlMessage | BulkMessage) -> memoryview:
        """The bytes of a message, in one buffer.

        TypeError for a message of the other kind of connection; RuntimeError before the handshake is done
        or while its last bytes were not fetched by `data_to_send`.
        """
        sealer, header = self._prepare(message)
        if not (payload := payload_of(message)):
            return sealer.seal(header)
        length = LENGTH.size + len(header) + len(payload) + TAG
        return sealer.seal(header, payload, into=self.lend(length) if length >= OWN_FROM else None)

    def seal_laid(self, laid: Laid) -> memoryview:
        """As `seal`: the bytes are encrypted, and stay, in the memory of the payload."""
        sealer, header = self._prepare(laid.message)
        frame = laid.memory[LAID_AT - LENGTH.size - len(header) : LAID_AT + len(laid.message.payload) + TAG]
        frame[LENGTH.size : LENGTH.size + len(header)] = header
        sealer.seal_in_place(frame)
        return frame

    def _prepare(self, message: ControlMessage | BulkMessage) -> tuple[Sealer, bytes]:
        """What seals the message, and all of it but the payload."""
        if self._sealer is None or self.peer is None or self._outgoing:
            raise RuntimeError("sealing before the handshake was done and sent")
        kind = self.peer.hello.kind
        if not isinstance(message, BulkMessage if kind == "bulk" else ControlMessage):
            raise TypeError(f"{type(message).__name__} on a {kind} connection")
        header = encode_message(message)
        return self._sealer, HEADER_LENGTH.pack(len(header)) + header if kind == "bulk" else header

    def _say(self, message: bytes) -> None:
        self._outgoing += LENGTH.pack(len(message)) + message

    def _cap(self) -> int:
        """Bytes the next frame may have after its length."""
        if self.state in HANDSHAKE or self.peer is None:
            return MAX_HANDSHAKE_MESSAGE
        return FRAME_CAPS[self.peer.hello.kind]

    def _handle(self, frame: memoryview) -> Event | None:
        if self.state in HANDSHAKE:
            return self._shake_hands(frame[LENGTH.size :])
        if self._opener is None or self.peer is None or self.state in ENDED:
            raise RuntimeError(f"bytes in state {self.state.name}: the connection has ended")
        plaintext = self._opener.open(frame, in_place=len(frame) >= OWN_FROM)
        if self.peer.hello.kind == "bulk":
            return Received(_open_bulk(plaintext))
        return Received(decode_control(plaintext))

    def _shake_hands(self, message: memoryview) -> Event | None:
        answer, established = self._handshake.receive(message)
        if answer:
            self._say(answer)
        if established is None:
            return None
        self.peer = established.peer
        self._sealer = Sealer(established.sending_key)
        self._opener = Opener(established.receiving_key)
        return HandshakeDone(established.peer)


def laid_size(payload: int) -> int:
    """Bytes of memory for a `Laid` message with so many bytes of payload."""
    return LAID_AT + payload + TAG


def _open_bulk(plaintext: memoryview) -> BulkMessage:
    """The message in a bulk frame: u16 header length, header, payload; the payload is not copied."""
    if plaintext.nbytes < HEADER_LENGTH.size:
        raise BadFrame("a bulk frame without a header")
    (length,) = HEADER_LENGTH.unpack_from(plaintext)
    end = HEADER_LENGTH.size + length
    if length > MAX_DATA_HEADER or end > plaintext.nbytes:
        raise BadFrame("a bulk frame with a header that is too long")
    return decode_bulk(plaintext[HEADER_LENGTH.size : end], plaintext[end:])
