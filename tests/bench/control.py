"""What the control plane costs a processor: messages coded, claims signed, the scheduler for each chunk.

Microseconds of one core. The scheduler is given again what happened to one receiver of a simulated fan-out
(`tests.scheduler.simulator`): one node has a model of `--chunks` chunks of 256 KiB, the receivers want it.
The time that the simulation takes itself is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from protocol.bits import everything
from protocol.chunks import CHUNK_LENGTHS
from protocol.ids import ChunkDigest, NodeId, SnapshotKey
from protocol.messages import (
    BULK,
    BulkMessage,
    Claims,
    ControlMessage,
    Data,
    Have,
    Join,
    Lease,
    Request,
    decode_bulk,
    decode_control,
    encode_message,
    payload_of,
)
from protocol.signing import Identity, attest, check_claims
from swarm.scheduler import events as ev
from swarm.scheduler.scheduler import Scheduler
from tests.bench.bench import Bench, Option, parse
from tests.bench.table import Column, Figures
from tests.scheduler.simulator import MBIT, TOPIC, Node, World, layout

OPTIONS = (
    Option("rounds", 20_000, 2_000, "times that each message is coded"),
    Option("chunks", 2048, 512, "chunks of the model"),
)
COLUMNS = (
    Column("make", "made, µs", ".1f"),
    Column("encode", "encoded, µs", ".1f"),
    Column("decode", "decoded, µs", ".1f"),
    Column("sign", "signed, µs", ".0f"),
    Column("check", "signature checked, µs", ".0f"),
    Column("chunk", "scheduler, µs a chunk", ".0f"),
    Column("steps", "steps a chunk", ".1f"),
)
CHUNK: Final = CHUNK_LENGTHS[0][1]
FANOUTS: Final = ((8, 200), (15, 200), (8, 1000), (15, 1000))
"""(peers of a receiver, Mbit/s of every link)."""

SIGNER: Final = Identity(b"e" * 32, b"x" * 32)
KEY: Final = SnapshotKey(b"k" * 32)
DIGEST: Final = ChunkDigest(b"d" * 32)


def messages() -> dict[str, Callable[[], ControlMessage | BulkMessage]]:
    """What travels most, and how to make it."""
    digests = (DIGEST,) * 8
    one, five = ((1000, 1),), tuple((1000 + 7 * number, 2) for number in range(5))
    items = tuple((1000 + number, DIGEST) for number in range(8))
    signed = attest(SIGNER, KEY, 1000, digests, False)
    payload = bytes(CHUNK)
    return {
        "Have, 1 range": lambda: Have(KEY, one),
        "Have, 5 ranges": lambda: Have(KEY, five),
        "Claims, 8 digests": lambda: Claims(KEY, 1000, digests, False, SIGNER.public_key, signed.signature),
        "Request, 8 chunks": lambda: Request(KEY, items),
        "Data, 1 piece": lambda: Data(KEY, ((1000, 0, CHUNK),), payload),
        "Join": lambda: Join(KEY, True, False, True),
        "Lease": lambda: Lease(KEY, True, 1 << 40),
    }


def coded(rounds: int, make: Callable[[], ControlMessage | BulkMessage], _folder: Path) -> Figures:
    message = make()
    encoded = encode_message(message)
    decode: Callable[[], object] = partial(decode_control, encoded)
    if isinstance(message, tuple(BULK.values())):
        decode = partial(decode_bulk, encoded, payload_of(message))
    return {
        "make": microseconds(make, rounds),
        "encode": microseconds(partial(encode_message, message), rounds),
        "decode": microseconds(decode, rounds),
    }


def signed(rounds: int, count: int, _folder: Path) -> Figures:
    digests = (DIGEST,) * count
    claims = attest(SIGNER, KEY, 1000, digests, False)
    return {
        "sign": microseconds(partial(attest, SIGNER, KEY, 1000, digests, False), rounds),
        "check": microseconds(partial(check_claims, claims), rounds),
    }


def microseconds(work: Callable[[], object], rounds: int) -> float:
    """Processor time of one call."""
    start = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - start) / rounds * 1e6


class Recorder(Node):
    """A receiver that keeps what its scheduler is told, and when."""

    def start(self, join_delay: Callable[[], float] | None = None) -> None:
        self.heard: list[tuple[ev.Event, float]] = []
        super().start(join_delay)

    def step(self, event: ev.Event) -> None:
        self.heard.append((event, self.world.now))
        super().step(event)


def scheduled(chunks: int, peers: int, mbit: int, _folder: Path) -> Figures:
    world = World(layout(chunks * CHUNK), upstream_rate=mbit * MBIT)
    world.add(100, up=mbit * MBIT, have=everything(chunks), wanted=0).start()
    watched = Recorder(world, NodeId(bytes([7]) * 32), up=mbit * MBIT)
    world.nodes[watched.id] = watched
    watched.start()
    for number in range(1, peers):
        world.add(number, up=mbit * MBIT).start()
    world.run_to_end()
    spent = min(replayed(world, watched.id, watched.heard) for _ in range(3))
    return {"chunk": spent / chunks * 1e6, "steps": len(watched.heard) / chunks}


def replayed(world: World, node: NodeId, heard: Sequence[tuple[ev.Event, float]]) -> float:
    """Seconds of processor time that a scheduler needs for these events."""
    scheduler = Scheduler(node, TOPIC, world.lengths, 0, 0.0, settle=0.5)
    start = time.process_time()
    for event, now in heard:
        scheduler.step(event, now)
    spent = time.process_time() - start
    assert not scheduler.missing
    return spent


def main() -> None:
    options = parse(__doc__, OPTIONS)
    with Bench(options, COLUMNS) as bench:
        for name, make in messages().items():
            bench.add(name, partial(coded, options.rounds, make))
        for count in (1, 8):
            bench.add(f"attestation, {count} digests", partial(signed, options.rounds // 10, count))
        for peers, mbit in FANOUTS:
            name = f"scheduler, {peers} peers, {mbit} Mbit/s"
            bench.add(name, partial(scheduled, options.chunks, peers, mbit))
        bench.run()


if __name__ == "__main__":
    main()
