"""A peer that asks a daemon for all of a model and throws it away:  taker.py ADDRESS PORT REPO BYTES

A node that receives needs more of a processor than the one that sends, as it checks and writes. On a
machine where both share the cores, that hides what the sender could do. This one only reads what comes:
the handshake, the topic and the requests are real, but no frame is decrypted. BYTES: the size of the
model's large file, which has one small file beside it.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from protocol.chunks import chunk_count
from protocol.connection import Connection, Received
from protocol.handshake import Hello, Kind
from protocol.limits import MAX_PIECES, MIB
from protocol.messages import Found, Join, Lookup, Ping, Pong, Request
from protocol.signing import Identity

READ_BYTES: Final = 1 * MIB
"""Most bytes of one system call."""

SECONDS: Final = 60.0
"""A daemon that says nothing for so long has failed."""

M = TypeVar("M")


class Line:
    """One connection to the daemon, after its handshake."""

    def __init__(self, stream: socket.socket, connection: Connection) -> None:
        self.stream = stream
        self.connection = connection

    def say(self, message: Lookup | Join | Ping | Request) -> None:
        """Send this."""
        self.stream.sendall(self.connection.seal(message))

    def hear(self, kind: type[M]) -> M:
        """The next message of this kind; those before it are dropped."""
        while data := self.stream.recv(READ_BYTES):
            for event in self.connection.feed(data):
                if isinstance(event, Received) and isinstance(event.message, kind):
                    return event.message
        raise ConnectionError("the daemon hung up")

    def take(self, count: int) -> None:
        """Read so many bytes."""
        memory = bytearray(READ_BYTES)
        while count > 0:
            got = self.stream.recv_into(memory)
            if not got:
                raise ConnectionError(f"the daemon hung up {count} bytes before the end")
            count -= got


@contextmanager
def connected(address: tuple[str, int], identity: Identity, kind: Kind) -> Iterator[Line]:
    """Connect and shake hands; a line for chunks needs one of kind "control" beside it."""
    connection = Connection(identity, Hello(kind, 0, "taker"), initiator=True, ephemeral=os.urandom(32))
    with socket.create_connection(address, SECONDS) as stream:
        while connection.peer is None:
            stream.sendall(connection.data_to_send())
            connection.feed(stream.recv(READ_BYTES))
        stream.sendall(connection.data_to_send())
        yield Line(stream, connection)


def main() -> None:
    host, port, repo, size = sys.argv[1:]
    address, identity = (host, int(port)), Identity(os.urandom(32), os.urandom(32))
    with connected(address, identity, "control") as control:
        control.say(Lookup(1, "hf", "model", repo, "main"))
        topic = control.hear(Found).topic
        assert topic is not None, f"the daemon does not know {repo}"
        control.say(Join(topic, True, False, False))
        control.say(Ping(1))
        control.hear(Pong)
        with connected(address, identity, "bulk") as bulk:
            chunks = range(1 + chunk_count(int(size)))  # the small file comes first
            for first in range(0, len(chunks), MAX_PIECES):
                items = tuple((chunk, None) for chunk in chunks[first : first + MAX_PIECES])
                bulk.say(Request(topic, items))
            bulk.take(int(size))


if __name__ == "__main__":
    main()
