"""How two nodes prove who they are: the Noise handshake and what each puts into it.

Message 1 carries nothing, as it is not encrypted. Messages 2 and 3 carry the sender's payload: its
Ed25519 key, the signature of that key over its Noise static key (libp2p noise specification), and its
`Hello`. Only the initiator's payload names the kind of connection; the responder learns it there. The
prologue names protocol and version, so that two versions fail at the first encrypted byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from protocol import codec, fields
from protocol.chunks import Bytes
from protocol.ids import NodeId, node_id
from protocol.limits import MAX_MEMBERSHIP, MAX_NAME, PROTOCOL_VERSION
from protocol.noise import BadHandshake, NoiseXX
from protocol.signing import STATIC_KEY_DOMAIN, Identity, verify

Kind = Literal["control", "bulk", "admission"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

PROLOGUE: Final = b"lanswarm/%d" % PROTOCOL_VERSION

_check_port: Final = fields.number(0xFFFF)
_check_agent: Final = fields.text(MAX_NAME)
_check_membership: Final = fields.raw(0, MAX_MEMBERSHIP)


@dataclass(frozen=True, slots=True)
class Hello:
    """What a node says of itself while shaking hands.

    kind: what the connection is for; the initiator decides, a responder's is not sent. listen_port: where
    the sender takes connections, 0 when it takes none. agent: name and version of the program, for people.
    membership: the badge of a node that belongs to a site (`membership`), not looked at here; empty for
    others. Raises fields.BadMessage.
    """

    kind: Kind
    listen_port: int
    agent: str
    membership: bytes = b""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise fields.BadMessage(f"a connection is of kind {', '.join(KINDS)}")
        _check_port(self.listen_port)
        _check_agent(self.agent)
        _check_membership(self.membership)


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """A peer that proved to hold `public_key`, and what it said; `hello.kind` is the connection's kind."""

    node_id: NodeId
    public_key: bytes
    hello: Hello


@dataclass(frozen=True, slots=True)
class Established:
    """The end of a handshake: the peer, and the 32-byte keys to send and to receive with."""

    peer: PeerIdentity
    sending_key: bytes
    receiving_key: bytes


class Handshake:
    """One side of a handshake. `opening` first, then `receive` until it returns an Established."""

    def __init__(self, identity: Identity, hello: Hello, *, initiator: bool, ephemeral: bytes) -> None:
        self._identity = identity
        self._hello = hello
        self._noise = NoiseXX(
            initiator=initiator, static=identity.noise_private, ephemeral=ephemeral, prologue=PROLOGUE
        )

    def opening(self) -> bytes:
        """The initiator's first message; a responder has none."""
        return self._noise.write(b"") if self._noise.initiator else b""

    def receive(self, message: Bytes) -> tuple[bytes, Established | None]:
        """(our answer or nothing, the end if this is it). Raises BadHandshake."""
        payload = self._noise.read(message)
        if not self._noise.initiator and not self._noise.finished:
            if payload:
                raise BadHandshake("a first message with a payload")
            return self._noise.write(self._payload()), None
        peer = self._check(payload)
        answer = self._noise.write(self._payload()) if self._noise.initiator else b""
        return answer, Established(peer, *self._noise.split())

    def _payload(self) -> bytes:
        hello = self._hello
        kind = hello.kind if self._noise.initiator else ""
        ours = [self._identity.public_key, self._identity.static_proof]
        return codec.encode([*ours, kind, hello.listen_port, hello.agent, hello.membership])

    def _check(self, payload: bytes) -> PeerIdentity:
        try:
            public_key, proof, hello = self._decode(payload)
            verify(public_key, STATIC_KEY_DOMAIN, self._noise.remote_static, proof)
        except ValueError as error:
            raise BadHandshake(f"a handshake without proof of identity: {error}") from error
        return PeerIdentity(node_id(public_key), public_key, hello)

    def _decode(self, payload: bytes) -> tuple[bytes, bytes, Hello]:
        match codec.decode(payload):
            case [bytes(public_key), bytes(proof), str(kind), int(port), str(agent), bytes(membership)]:
                hello = replace(self._hello, listen_port=port, agent=agent, membership=membership)
            case _:
                raise BadHandshake("not a handshake payload")
        if self._noise.initiator and kind == "":
            return public_key, proof, hello
        if not self._noise.initiator and kind in KINDS:
            return public_key, proof, replace(hello, kind=kind)
        raise BadHandshake("a kind of connection from the wrong side, or an unknown one")
