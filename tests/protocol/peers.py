"""Two nodes with fixed keys, and connections between them, for tests that need some."""

from __future__ import annotations

from protocol.connection import Connection
from protocol.handshake import Hello, Kind
from protocol.ids import SnapshotKey
from protocol.signing import Identity

ALICE = Identity(b"\x01" * 32, b"\x02" * 32)
BOB = Identity(b"\x03" * 32, b"\x04" * 32)
TOPIC = SnapshotKey(b"\x05" * 32)


def fresh_pair(kind: Kind) -> tuple[Connection, Connection]:
    """(Alice's, Bob's) connection before the first byte; Alice called."""
    alice = Connection(ALICE, Hello(kind, 7677, "alice/1"), initiator=True, ephemeral=b"\x06" * 32)
    bob = Connection(BOB, Hello("control", 7678, "bob/1"), initiator=False, ephemeral=b"\x07" * 32)
    return alice, bob


def connected(kind: Kind) -> tuple[Connection, Connection]:
    """(Alice's, Bob's) connection after the handshake."""
    alice, bob = fresh_pair(kind)
    bob.feed(alice.data_to_send())
    alice.feed(bob.data_to_send())
    bob.feed(alice.data_to_send())
    return alice, bob
